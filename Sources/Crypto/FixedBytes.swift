// FixedBytes: a byte string of bounded length held in place, without allocation.

/// Up to `capacity` bytes and their count; the bytes beyond the count are zero.
///
/// All of it is `@inlinable`: other rooms call it with capacities of theirs, and hosted a generic function that is
/// not fills an array byte by byte through its type's witnesses.
public struct FixedBytes<let capacity: Int>: Sendable {
  @usableFromInline var storage: InlineArray<capacity, UInt8>
  @usableFromInline var length: Int

  /// How many bytes count, at most `capacity`.
  @inlinable
  public var count: Int { length }

  /// No bytes.
  @inlinable
  public init() {
    storage = InlineArray(repeating: 0)
    length = 0
  }

  /// `count` zero bytes, at most `capacity`.
  @inlinable
  public init(zeros count: Int) {
    self.init()
    length = max(0, min(capacity, count))
  }

  /// The bytes of an inline array, cut at `capacity`.
  @inlinable
  public init<let size: Int>(_ array: InlineArray<size, UInt8>) {
    self.init()
    let count = min(capacity, size)
    for index in 0..<count { storage[index] = array[index] }
    length = count
  }

  /// A copy of a span, cut at `capacity`.
  @inlinable @inline(never)
  public init(_ span: borrowing Span<UInt8>) {
    self.init()
    let count = min(capacity, span.count)
    for index in 0..<count { storage[index] = span[index] }
    length = count
  }

  /// The same bytes in another capacity, cut at it.
  @inlinable
  public init<let other: Int>(_ bytes: FixedBytes<other>) {
    self.init(bytes.span)
  }

  /// Whether there are none.
  @inlinable
  public var isEmpty: Bool { count == 0 }

  /// The counted bytes.
  @inlinable
  public var span: Span<UInt8> {
    @_lifetime(borrow self) get { storage.span.extracting(first: count) }
  }

  /// The counted bytes, writable in place.
  @inlinable
  public var mutableSpan: MutableSpan<UInt8> {
    @_lifetime(&self) mutating get {
      let count = count
      return storage.mutableSpan._consumingExtracting(first: count)
    }
  }

  /// The byte at `index`; zero beyond the capacity.
  @inlinable
  public subscript(index: Int) -> UInt8 {
    get { index >= 0 && index < capacity ? storage[index] : 0 }
    set { if index >= 0 && index < count { storage[index] = newValue } }
  }

  /// Adds a byte; false (and nothing added) if full.
  @discardableResult
  @inlinable
  public mutating func append(_ byte: UInt8) -> Bool {
    guard count < capacity else { return false }
    storage[count] = byte
    length &+= 1
    return true
  }

  /// Adds a span; false (and nothing added) if it does not fit.
  @discardableResult
  @inlinable @inline(never)
  public mutating func append(_ bytes: borrowing Span<UInt8>) -> Bool {
    guard bytes.count <= capacity &- count else { return false }
    for index in bytes.indices { storage[count &+ index] = bytes[index] }
    length &+= bytes.count
    return true
  }

  /// Adds a big-endian integer; false (and nothing added) if it does not fit.
  @discardableResult
  @inlinable
  public mutating func append<T: FixedWidthInteger & UnsignedInteger>(big value: T) -> Bool {
    let width = T.bitWidth / 8
    guard width <= capacity &- count else { return false }
    for index in 0..<width {
      storage[count &+ index] = UInt8(
        truncatingIfNeeded: value >> T(truncatingIfNeeded: 8 &* (width &- 1 &- index)))
    }
    length &+= width
    return true
  }

  /// Drops bytes from the end until `newCount` are left.
  @inlinable
  public mutating func truncate(to newCount: Int) {
    let least = max(0, newCount)
    while count > least {
      length &-= 1
      storage[count] = 0
    }
  }

  /// Drops zero bytes from the end (how a TPM normalises authorization values).
  @inlinable
  public mutating func dropTrailingZeros() {
    while count > 0 && storage[count &- 1] == 0 { length &-= 1 }
  }

  /// Whether both have the same length and bytes, in time that depends on the lengths only.
  @inlinable @inline(never)
  public func matches(_ other: borrowing Span<UInt8>) -> Bool { ConstantTime.equal(span, other) }

  /// Overwrites all bytes and becomes empty.
  @inlinable @inline(never)
  public mutating func wipe() {
    Wipe.bytes(&storage)
    length = 0
  }
}

/// The output of a hash or MAC, 20 to 64 bytes.
public typealias Digest = FixedBytes<64>
