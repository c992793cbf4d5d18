// ELFFixture: ELF files made field by field, so that the tests need no linker.
import ImageBuilder

/// A small static ELF executable.
struct ELFFixture {
  /// A PT_LOAD segment to be written.
  struct Segment {
    var gpa: UInt64
    var data: [UInt8]
    var zeros: UInt64 = 0
    var flags: UInt32 = 5
  }

  /// What the segments are linked at, above where they are loaded, bytes.
  var offset: UInt64 = 0xFFFF_FFFF_8000_0000
  var segments: [Segment]
  var pvhEntry: UInt32?

  /// Text of three pages with a run of zeros, data of one page and zeroed memory, from `gpa` (bytes).
  static func kernel(at gpa: UInt64 = 0x810_0000) -> ELFFixture {
    var text = (0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
    for index in 4096..<8192 { text[index] = 0 }
    return ELFFixture(segments: [
      .init(gpa: gpa, data: text),
      .init(gpa: gpa + 0x3000, data: [1, 2, 3], zeros: 0x2000, flags: 6),
    ])
  }

  /// The bytes of the file.
  var bytes: [UInt8] {
    var out: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
      for index in 0..<(T.bitWidth / 8) { out.append(UInt8(truncatingIfNeeded: value >> T(8 * index))) }
    }
    let count = segments.count + (pvhEntry == nil ? 0 : 1)
    append(UInt16(2))
    append(UInt16(0x3E))
    append(UInt32(1))
    append((segments.first?.gpa ?? 0) &+ offset)
    append(UInt64(64))
    append(UInt64(0))
    append(UInt32(0))
    for value in [64, 56, count, 0, 0, 0] as [Int] { append(UInt16(value)) }
    var place = UInt64(64 + 56 * count)
    for segment in segments {
      append(UInt32(1))
      append(segment.flags)
      for value in [
        place, segment.gpa &+ offset, segment.gpa, UInt64(segment.data.count),
        UInt64(segment.data.count) + segment.zeros, 4096,
      ] { append(value) }
      place += UInt64(segment.data.count)
    }
    if pvhEntry != nil {
      append(UInt32(4))
      append(UInt32(4))
      for value in [place, 0, 0, 20, 20, 4] as [UInt64] { append(value) }
    }
    for segment in segments { out += segment.data }
    if let pvhEntry {
      for value in [4, 4, 18] as [UInt32] { append(value) }
      out += [0x58, 0x65, 0x6E, 0]
      append(pvhEntry)
    }
    return out
  }

  /// The file, read.
  func read() throws -> ELFImage { try ELFImage(bytes) }
}
