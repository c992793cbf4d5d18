// MRTD: the measurement of a trust domain's initial pages.
import Crypto

/// The build-time measurement of a TD (TDX module 1.5 ABI, TDH.MEM.PAGE.ADD and TDH.MR.EXTEND; reference §14): one
/// SHA-384 over a stream of records.
public struct MRTD: Sendable {
  /// The bytes that one extend covers.
  public static let chunkSize = 256

  private var stream = SHA384()

  /// The measurement of nothing.
  public init() {}

  /// The record of one page added at `gpa` (bytes).
  public mutating func addPage(gpa: UInt64) {
    record(["M", "E", "M", ".", "P", "A", "G", "E", ".", "A", "D", "D", "\0", "\0", "\0", "\0"], gpa)
  }

  /// The records of one page's content: 16 chunks of 256 bytes, lowest address first.
  ///
  /// `page` has 4096 bytes; of a shorter one only whole chunks count.
  public mutating func extendPage(gpa: UInt64, _ page: borrowing Span<UInt8>) {
    var offset = 0
    while offset < 4096, page.count - offset >= Self.chunkSize {
      extend(gpa: gpa &+ UInt64(offset), page.extracting(offset..<(offset + Self.chunkSize)))
      offset += Self.chunkSize
    }
  }

  /// The record of 256 bytes at `gpa`.
  private mutating func extend(gpa: UInt64, _ chunk: borrowing Span<UInt8>) {
    record(["M", "R", ".", "E", "X", "T", "E", "N", "D", "\0", "\0", "\0", "\0", "\0", "\0", "\0"], gpa)
    stream.update(chunk)
  }

  /// The measurement so far, as TDH.MR.FINALIZE would give it.
  public var value: Digest384 {
    var copy = stream
    return Digest384(copy.finalize())
  }

  /// A 128-byte record: 16 bytes of name, the address, zeros.
  private mutating func record(_ name: InlineArray<16, Unicode.Scalar>, _ gpa: UInt64) {
    var bytes = InlineArray<128, UInt8>(repeating: 0)
    for index in 0..<16 { bytes[index] = UInt8(truncatingIfNeeded: name[index].value) }
    for index in 0..<8 { bytes[16 + index] = UInt8(truncatingIfNeeded: gpa >> UInt64(8 * index)) }
    stream.update(bytes.span)
  }
}
