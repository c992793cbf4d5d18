// Digest: up to 64 bytes of hash output with their length.

/// The output of a hash or MAC: 20 to 64 bytes held in place.
public struct Digest: Sendable {
  /// The bytes; those from `count` on are zero.
  public var bytes: InlineArray<64, UInt8>
  /// How many bytes count, at most 64.
  public private(set) var count: Int

  /// An empty digest.
  public init() {
    bytes = InlineArray(repeating: 0)
    count = 0
  }

  /// The first bytes of an inline array; at most 64 of them.
  public init<let size: Int>(_ array: InlineArray<size, UInt8>) {
    self.init()
    count = min(64, size)
    for index in 0..<count { bytes[index] = array[index] }
  }

  /// A copy of at most 64 bytes of a span.
  public init(_ span: borrowing Span<UInt8>) {
    self.init()
    count = min(64, span.count)
    for index in 0..<count { bytes[index] = span[index] }
  }

  /// The counted bytes.
  public var span: Span<UInt8> {
    @_lifetime(borrow self) get { bytes.span.extracting(first: count) }
  }

  /// Whether both have the same length and bytes, in time that depends on the length only.
  public func matches(_ other: borrowing Span<UInt8>) -> Bool { ConstantTime.equal(span, other) }

  /// Overwrites the bytes.
  public mutating func wipe() {
    Wipe.bytes(&bytes)
    count = 0
  }
}
