// ImageRecord: a header together with its file data, free of file offsets.

/// One header and the data it carries: what a builder is given and what a file is read back into.
public struct ImageRecord: Equatable, Sendable {
  /// The header; its file offset is 0 here and is set when the file is written.
  public let header: VariableHeader
  /// Its data: at most as many bytes as the header can carry (the rest is zeros); empty = none.
  public let data: ArraySlice<UInt8>

  /// A header that carries `data`.
  public init(_ header: VariableHeader, data: ArraySlice<UInt8> = []) {
    self.header = header.withFileOffset(0)
    self.data = data
  }

  /// Two records are the same if headers and bytes are, wherever the bytes lie; padding does not count, but
  /// "no data" and "zeros" differ, as some loaders measure them differently (reference §11).
  public static func == (lhs: Self, rhs: Self) -> Bool {
    lhs.header == rhs.header && lhs.data.isEmpty == rhs.data.isEmpty
      && lhs.data.withoutTrailingZeros.elementsEqual(rhs.data.withoutTrailingZeros)
  }
}

/// What a file says, in order: parsing a built image gives the image back.
public struct Image: Equatable, Sendable {
  /// The format version, 1 or 2.
  public var version: UInt32
  /// The processor architecture.
  public var architecture: Architecture
  /// The headers in file order.
  public var records: [ImageRecord]

  /// An image of version 1 or 2 for x86-64, with the given records.
  public init(version: UInt32 = 1, architecture: Architecture = .x64, records: [ImageRecord] = []) {
    self.version = version
    self.architecture = architecture
    self.records = records
  }

  /// Reads a file.
  ///
  /// Its headers are decoded, not judged: call `Verifier.validate` first where it matters.
  ///
  /// Throws what the reader throws, and `dataRange` for data outside the file.
  public init(parsing file: [UInt8]) throws(Violation) {
    var reader = try HeaderReader(file.span)
    version = reader.fixed.version
    architecture = reader.fixed.architecture
    records = []
    while let located = try reader.next(file.span) {
      guard let reference = located.header.dataReference, reference.fileOffset != 0 else {
        records.append(.init(located.header))
        continue
      }
      let start = Int(reference.fileOffset)
      guard start >= reader.fixed.dataOffset, start <= file.count,
        reference.byteCount <= UInt64(file.count - start)
      else { throw Violation(.dataRange, at: UInt64(located.offset), UInt64(start)) }
      records.append(.init(located.header, data: file[start..<(start + Int(reference.byteCount))]))
    }
  }

  /// The platforms declared, in order.
  public var platforms: [SupportedPlatform] {
    records.compactMap { if case .supportedPlatform(let platform) = $0.header { platform } else { nil } }
  }
}
