// Image+Build: writes the bytes of a file, the same bytes for the same image every time.
import Bits

/// Why an image cannot be written.
public enum BuildError: Error, Equatable, Sendable {
  /// A record carries more data than its header can; value: the record's place in the list.
  case dataTooLong(record: Int)
  /// A header cannot be written (an unknown type, or a length that no file can hold).
  case unsupportedHeader(record: Int)
  /// Headers come out of section order.
  case sectionOrder(record: Int)
  /// The file would be larger than 4 GiB - 1.
  case tooLarge
}

extension Image {
  /// The bytes of the file: fixed header, variable headers, data; equal data is stored once (reference §10).
  ///
  /// Nothing is sorted and nothing depends on time or on hashing seeds: same image, same bytes.
  public func build() throws(BuildError) -> [UInt8] {
    var size = 0
    var section = HeaderSection.platform
    for (place, record) in records.enumerated() {
      guard let found = record.header.type.section, record.header.type.contentSize != nil else {
        throw .unsupportedHeader(record: place)
      }
      guard found >= section else { throw .sectionOrder(record: place) }
      section = found
      size += record.header.encodedSize
    }
    var fixed = FixedHeader(version: version, architecture: architecture)
    guard let variableSize = UInt32(exactly: size) else { throw .tooLarge }
    fixed.variableHeaderSize = variableSize
    var data = DataRegion(start: fixed.dataOffset)
    var headers = WireEncoder()
    headers.bytes.reserveCapacity(size)
    for (place, record) in records.enumerated() {
      let offset = try store(record, at: place, in: &data)
      record.header.withFileOffset(offset).encode(&headers)
    }
    // Loaders refuse an empty data region, so a file without data carries one page of zeros.
    if data.size == 0 { try data.append([], paddedTo: 4096) }
    guard let total = UInt32(exactly: fixed.dataOffset + data.size) else { throw .tooLarge }
    fixed.totalFileSize = total
    return assemble(fixed, headers.bytes, data)
  }

  /// Stores the data of one record; returns its file offset, 0 for none.
  private func store(
    _ record: ImageRecord, at place: Int, in data: inout DataRegion
  ) throws(BuildError) -> UInt32 {
    guard !record.data.isEmpty else { return 0 }
    guard let reference = record.header.dataReference else { throw .dataTooLong(record: place) }
    guard let room = Int(exactly: reference.byteCount), record.data.count <= room else {
      throw .dataTooLong(record: place)
    }
    return try data.store(record.data, paddedTo: room)
  }

  private func assemble(_ fixed: FixedHeader, _ headers: [UInt8], _ data: DataRegion) -> [UInt8] {
    var head = WireEncoder()
    fixed.encode(&head)
    var file: [UInt8] = []
    file.reserveCapacity(head.bytes.count + headers.count + data.size)
    file.append(contentsOf: head.bytes)
    file.append(contentsOf: headers)
    var crc = CRC32()
    crc.update(file.span)
    data.append(to: &file)
    for index in 0..<4 {
      file[FixedHeader.checksumOffset + index] = UInt8(truncatingIfNeeded: crc.value >> UInt32(8 * index))
    }
    return file
  }
}

extension FixedHeader {
  /// Appends the 24 or 32 bytes of the header.
  func encode(_ out: inout WireEncoder) {
    for word in [Self.magic, version, variableHeaderOffset, variableHeaderSize, totalFileSize, checksum] {
      out.append(word)
    }
    if version != 1 {
      out.append(architecture.rawValue)
      out.append(Self.pageSize)
    }
  }
}
