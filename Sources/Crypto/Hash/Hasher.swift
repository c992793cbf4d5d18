// Hasher: a streaming hash whose function is chosen at run time, and whose state can be saved.

/// A streaming hash of the function chosen when it was made.
public struct Hasher: Sendable {
  enum Core: Sendable {
    case sha1(SHA1)
    case sha256(SHA256)
    case sha384(SHA384)
    case sha512(SHA512)
  }

  /// The function.
  public let algorithm: HashAlgorithm
  var core: Core

  /// A hash of nothing yet.
  @inline(never)
  public init(_ algorithm: HashAlgorithm) {
    self.algorithm = algorithm
    switch algorithm {
    case .sha1: core = .sha1(SHA1())
    case .sha256: core = .sha256(SHA256())
    case .sha384: core = .sha384(SHA384())
    case .sha512: core = .sha512(SHA512())
    }
  }

  /// Takes in all bytes of a span.
  @inline(never)
  public mutating func update(_ bytes: borrowing Span<UInt8>) {
    switch core {
    case .sha1(var hash):
      hash.update(bytes)
      core = .sha1(hash)
    case .sha256(var hash):
      hash.update(bytes)
      core = .sha256(hash)
    case .sha384(var hash):
      hash.update(bytes)
      core = .sha384(hash)
    case .sha512(var hash):
      hash.update(bytes)
      core = .sha512(hash)
    }
  }

  /// Takes in one byte.
  @inline(never)
  public mutating func update(byte: UInt8) {
    let one: InlineArray<1, UInt8> = [byte]
    update(one.span)
  }

  /// Takes in a big-endian integer.
  @inlinable
  public mutating func update<T: FixedWidthInteger & UnsignedInteger>(big value: T) {
    var bytes = InlineArray<8, UInt8>(repeating: 0)
    let width = min(8, T.bitWidth / 8)
    for index in 0..<width {
      bytes[index] = UInt8(truncatingIfNeeded: value >> T(truncatingIfNeeded: 8 * (width - 1 - index)))
    }
    update(bytes.span.extracting(first: width))
  }

  /// The digest of all bytes so far; wipes and restarts the hash.
  @inline(never)
  public mutating func finalize() -> Digest {
    switch core {
    case .sha1(var hash):
      let digest = Digest(hash.finalize())
      core = .sha1(hash)
      return digest
    case .sha256(var hash):
      let digest = Digest(hash.finalize())
      core = .sha256(hash)
      return digest
    case .sha384(var hash):
      let digest = Digest(hash.finalize())
      core = .sha384(hash)
      return digest
    case .sha512(var hash):
      let digest = Digest(hash.finalize())
      core = .sha512(hash)
      return digest
    }
  }

  /// The digest of one span.
  @inline(never)
  public static func hash(_ algorithm: HashAlgorithm, _ bytes: borrowing Span<UInt8>) -> Digest {
    var hash = Hasher(algorithm)
    hash.update(bytes)
    return hash.finalize()
  }

  /// Overwrites the state and starts anew.
  @inline(never)
  public mutating func wipe() {
    switch core {
    case .sha1(var hash):
      hash.wipe()
      core = .sha1(hash)
    case .sha256(var hash):
      hash.wipe()
      core = .sha256(hash)
    case .sha384(var hash):
      hash.wipe()
      core = .sha384(hash)
    case .sha512(var hash):
      hash.wipe()
      core = .sha512(hash)
    }
  }
}

// MARK: - Saving a running hash

extension Hasher {
  /// Bytes of a saved state: 64 of chaining value, 128 of block, 8 of byte count.
  public static var savedSize: Int { 200 }

  /// The running state in a layout of its own, for a TPM sequence that is context-saved.
  @inline(never)
  public func save() -> InlineArray<200, UInt8> {
    var out = InlineArray<200, UInt8>(repeating: 0)
    func put(_ value: UInt64, _ offset: Int) {
      for index in 0..<8 {
        out[offset &+ index] = UInt8(
          truncatingIfNeeded: value &>> UInt64(truncatingIfNeeded: 56 &- 8 &* index))
      }
    }
    func put64(_ hash: SHA512) {
      for index in 0..<8 { put(hash.state[index], 8 &* index) }
      for index in 0..<128 { out[64 &+ index] = hash.buffer[index] }
      put(hash.byteCount, 192)
    }
    switch core {
    case .sha1(let hash):
      for index in 0..<5 { put(UInt64(hash.state[index]), 8 &* index) }
      for index in 0..<64 { out[64 &+ index] = hash.buffer[index] }
      put(hash.byteCount, 192)
    case .sha256(let hash):
      for index in 0..<8 { put(UInt64(hash.state[index]), 8 &* index) }
      for index in 0..<64 { out[64 &+ index] = hash.buffer[index] }
      put(hash.byteCount, 192)
    case .sha384(let hash): put64(hash.core)
    case .sha512(let hash): put64(hash)
    }
    return out
  }

  /// A hash that goes on from a saved state; every byte string of the right size is a state.
  @inline(never)
  public init(_ algorithm: HashAlgorithm, saved: InlineArray<200, UInt8>) {
    self.init(algorithm)
    func get(_ offset: Int) -> UInt64 {
      var value: UInt64 = 0
      for index in 0..<8 { value = value &<< 8 | UInt64(saved[offset &+ index]) }
      return value
    }
    switch algorithm {
    case .sha1:
      var hash = SHA1()
      for index in 0..<5 { hash.state[index] = UInt32(truncatingIfNeeded: get(8 &* index)) }
      for index in 0..<64 { hash.buffer[index] = saved[64 &+ index] }
      hash.byteCount = get(192)
      core = .sha1(hash)
    case .sha256:
      var hash = SHA256()
      for index in 0..<8 { hash.state[index] = UInt32(truncatingIfNeeded: get(8 &* index)) }
      for index in 0..<64 { hash.buffer[index] = saved[64 &+ index] }
      hash.byteCount = get(192)
      core = .sha256(hash)
    case .sha384, .sha512:
      var hash = SHA512()
      for index in 0..<8 { hash.state[index] = get(8 &* index) }
      for index in 0..<128 { hash.buffer[index] = saved[64 &+ index] }
      hash.byteCount = get(192)
      if algorithm == .sha512 {
        core = .sha512(hash)
      } else {
        var short = SHA384()
        short.core = hash
        core = .sha384(short)
      }
    }
  }
}
