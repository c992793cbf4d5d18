// HeaderReader: walks the headers of a file in order, without allocating and without judging them.
import Bits

/// A header and where it was found.
public struct LocatedHeader: Equatable, Sendable {
  /// Bytes from the start of the file to the header's type word.
  public let offset: Int
  /// The header.
  public let header: VariableHeader
  /// The offset in the file of the first padding byte that is not zero; nil if padding is zero.
  public let dirtyPadding: Int?
}

/// Reads a file header by header: fixed header and checksum first, then framing and section order.
///
/// The file must not change between calls: a loader copies it into private memory once. Whether the headers
/// make sense together is the `Verifier`'s business.
public struct HeaderReader: Sendable {
  /// The most headers that a file may have: enough for 8 GiB of pages.
  public static let maximumHeaderCount = 1 << 21

  /// The fixed header.
  public let fixed: FixedHeader
  private var cursor: ByteReader
  private var section = HeaderSection.platform
  private var count = 0

  /// Checks the fixed header and the checksum of `file`.
  public init(_ file: borrowing Span<UInt8>) throws(Violation) {
    fixed = try FixedHeader(file)
    cursor = ByteReader(from: Int(fixed.variableHeaderOffset), limit: fixed.dataOffset)
  }

  /// The next header, nil at the end.
  ///
  /// After an error the reader must not be used again.
  public mutating func next(_ file: borrowing Span<UInt8>) throws(Violation) -> LocatedHeader? {
    guard cursor.remaining > 0 else { return nil }
    guard count < Self.maximumHeaderCount else {
      throw Violation(.tooManyHeaders, at: UInt64(cursor.offset), UInt64(Self.maximumHeaderCount))
    }
    count += 1
    let start = cursor.offset
    let truncated = Violation(.headerTruncated, at: UInt64(start), UInt64(cursor.remaining))
    var body = cursor
    let type: HeaderType
    let length: Int
    do throws(ByteError) {
      type = HeaderType(rawValue: try body.little(UInt32.self, file))
      length = Int(try body.little(UInt32.self, file))
    } catch {
      throw truncated
    }
    let padded = (length &+ 7) & ~7
    guard padded <= body.remaining else { throw truncated }
    try checkFraming(type, length: length, at: start)
    let header: VariableHeader
    var content = ByteReader(from: body.offset, limit: body.offset + length)
    do throws(ByteError) {
      header = try VariableHeader(type, &content, file) ?? .skipped(type)
      try body.skip(padded)
    } catch {
      throw truncated
    }
    cursor = body
    let padding = (body.offset - padded + length)..<body.offset
    return LocatedHeader(offset: start, header: header, dirtyPadding: padding.first { file[$0] != 0 })
  }

  /// Type, length and section order of the header at `start`.
  private mutating func checkFraming(_ type: HeaderType, length: Int, at start: Int) throws(Violation) {
    guard let size = type.contentSize else {
      guard type.isOptional else { throw Violation(.headerType, at: UInt64(start), UInt64(type.rawValue)) }
      return
    }
    guard length == size else { throw Violation(.headerLength, at: UInt64(start) + 4, UInt64(length)) }
    guard let found = type.section, found >= section else {
      throw Violation(.sectionOrder, at: UInt64(start), UInt64(type.rawValue))
    }
    section = found
  }
}
