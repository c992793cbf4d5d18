// HMAC: keyed hashing of FIPS 198-1 over any hash of this room.

/// A streaming HMAC; wipe it when a computation is abandoned (`finalize` wipes it).
public struct HMAC: Sendable {
  @usableFromInline var inner: Hasher
  var outer: Hasher

  /// An HMAC under `key`, which is hashed first if it is longer than a block (FIPS 198-1 §4).
  @inline(never)
  public init(_ algorithm: HashAlgorithm, key: borrowing Span<UInt8>) {
    inner = Hasher(algorithm)
    outer = Hasher(algorithm)
    var block = InlineArray<128, UInt8>(repeating: 0)
    if key.count > algorithm.blockSize {
      var short = Hasher.hash(algorithm, key)
      for index in 0..<short.count { block[index] = short[index] }
      short.wipe()
    } else {
      for index in key.indices { block[index] = key[index] }
    }
    let size = algorithm.blockSize
    for index in 0..<128 { block[index] ^= 0x36 }
    inner.update(block.span.extracting(first: size))
    for index in 0..<128 { block[index] ^= 0x36 ^ 0x5C }
    outer.update(block.span.extracting(first: size))
    Wipe.bytes(&block)
  }

  /// The hash below.
  public var algorithm: HashAlgorithm { inner.algorithm }

  /// Takes in all bytes of a span.
  @inline(never)
  public mutating func update(_ bytes: borrowing Span<UInt8>) { inner.update(bytes) }

  /// Takes in one byte.
  @inline(never)
  public mutating func update(byte: UInt8) { inner.update(byte: byte) }

  /// Takes in a big-endian integer.
  @inlinable
  public mutating func update<T: FixedWidthInteger & UnsignedInteger>(big value: T) {
    inner.update(big: value)
  }

  /// The code of all bytes so far; wipes the state.
  @inline(never)
  public mutating func finalize() -> Digest {
    var middle = inner.finalize()
    outer.update(middle.span)
    middle.wipe()
    return outer.finalize()
  }

  /// Overwrites the keyed state.
  @inline(never)
  public mutating func wipe() {
    inner.wipe()
    outer.wipe()
  }

  /// The code of one span.
  @inline(never)
  public static func code(
    _ algorithm: HashAlgorithm, key: borrowing Span<UInt8>, _ bytes: borrowing Span<UInt8>
  ) -> Digest {
    var mac = HMAC(algorithm, key: key)
    mac.update(bytes)
    return mac.finalize()
  }

  /// The inner hash's running state, for a TPM HMAC sequence that is context-saved.
  @inline(never)
  public func save() -> InlineArray<400, UInt8> {
    let first = inner.save()
    let second = outer.save()
    var out = InlineArray<400, UInt8>(repeating: 0)
    for index in 0..<200 {
      out[index] = first[index]
      out[200 &+ index] = second[index]
    }
    return out
  }

  /// An HMAC that goes on from a saved state.
  @inline(never)
  public init(_ algorithm: HashAlgorithm, saved: InlineArray<400, UInt8>) {
    var first = InlineArray<200, UInt8>(repeating: 0)
    var second = InlineArray<200, UInt8>(repeating: 0)
    for index in 0..<200 {
      first[index] = saved[index]
      second[index] = saved[200 &+ index]
    }
    inner = Hasher(algorithm, saved: first)
    outer = Hasher(algorithm, saved: second)
  }
}
