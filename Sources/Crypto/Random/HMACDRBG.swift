// HMACDRBG: the deterministic random bit generator of SP 800-90A §10.1.2 over HMAC.

/// Why a generator gave nothing.
public enum RandomError: Error, Equatable, Sendable {
  /// It must be reseeded first (SP 800-90A: the reseed interval has passed).
  case reseedRequired
  /// More was asked for than one request may give.
  case requestTooLarge
}

/// HMAC_DRBG (SP 800-90A §10.1.2) over a hash chosen at run time.
///
/// Entropy comes in by the caller; hardware entropy passes `EntropyHealth` first.
public struct HMACDRBG: Sendable {
  /// Bytes that one request may give (SP 800-90A table 2: 2^19 bits; ours is smaller).
  public static var maximumRequest: Int { 4096 }
  /// Requests between reseeds; the standard allows 2^48.
  public static var reseedInterval: UInt64 { 1 &<< 16 }

  /// The hash below.
  public let algorithm: HashAlgorithm
  var key: Digest
  var value: Digest
  /// Requests since the last seeding, starting at 1.
  public private(set) var requestCounter: UInt64

  /// A generator seeded by entropy, nonce and personalization string (§10.1.2.3).
  @inline(never)
  public init(
    _ algorithm: HashAlgorithm = .sha256, entropy: borrowing Span<UInt8>, nonce: borrowing Span<UInt8>,
    personalization: borrowing Span<UInt8>
  ) {
    self.algorithm = algorithm
    key = Digest(zeros: algorithm.digestSize)
    value = Digest(zeros: algorithm.digestSize)
    for index in 0..<value.count { value[index] = 1 }
    requestCounter = 1
    mix(entropy, nonce, personalization)
  }

  /// Mixes in fresh entropy and additional input (§10.1.2.4).
  @inline(never)
  public mutating func reseed(entropy: borrowing Span<UInt8>, additional: borrowing Span<UInt8>) {
    let none = InlineArray<1, UInt8>(repeating: 0)
    mix(entropy, additional, none.span.extracting(first: 0))
    requestCounter = 1
  }

  /// Mixes in data that is not entropy (HMAC_DRBG_Update, §10.1.2.2).
  @inline(never)
  public mutating func mixIn(_ data: borrowing Span<UInt8>, _ more: borrowing Span<UInt8>) {
    let none = InlineArray<1, UInt8>(repeating: 0)
    mix(data, more, none.span.extracting(first: 0))
  }

  /// Fills `out` (§10.1.2.5); throws if a reseed is due or too much is asked for.
  public mutating func generate(
    into out: inout MutableSpan<UInt8>, additional: borrowing Span<UInt8>
  ) throws(RandomError) {
    guard out.count <= Self.maximumRequest else { throw .requestTooLarge }
    guard requestCounter <= Self.reseedInterval else { throw .reseedRequired }
    fill(&out, additional)
  }

  /// Fills `out` even when a reseed is due: for deterministic derivation and between entropy polls.
  public mutating func fill(_ out: inout MutableSpan<UInt8>) {
    let none = InlineArray<1, UInt8>(repeating: 0)
    fill(&out, none.span.extracting(first: 0))
  }

  /// `count` random bytes, at most 64.
  @inline(never)
  public mutating func bytes(_ count: Int) -> Digest {
    var out = Digest(zeros: count)
    var span = out.mutableSpan
    fill(&span)
    return out
  }

  /// Whether the reseed interval has passed.
  public var isReseedDue: Bool { requestCounter > Self.reseedInterval }

  /// Overwrites the state.
  @inline(never)
  public mutating func wipe() {
    key.wipe()
    value.wipe()
  }

  @inline(never)
  private mutating func fill(_ out: inout MutableSpan<UInt8>, _ additional: borrowing Span<UInt8>) {
    let none = InlineArray<1, UInt8>(repeating: 0)
    if additional.count > 0 {
      mix(additional, none.span.extracting(first: 0), none.span.extracting(first: 0))
    }
    // The keyed pads are hashed once for the whole request.
    var keyed = HMAC(algorithm, key: key.span)
    defer { keyed.wipe() }
    var done = 0
    while done < out.count {
      var mac = keyed
      mac.update(value.span)
      value = mac.finalize()
      let part = min(value.count, out.count &- done)
      for index in 0..<part { out[done &+ index] = value[index] }
      done &+= part
    }
    if additional.count > 0 {
      mix(additional, none.span.extracting(first: 0), none.span.extracting(first: 0))
    } else {
      var mac = keyed
      mac.update(value.span)
      mac.update(byte: 0)
      key = mac.finalize()
      value = HMAC.code(algorithm, key: key.span, value.span)
    }
    requestCounter &+= 1
  }

  // HMAC_DRBG_Update (§10.1.2.2) with the provided data given as up to three parts.
  @inline(never)
  private mutating func mix(
    _ first: borrowing Span<UInt8>, _ second: borrowing Span<UInt8>, _ third: borrowing Span<UInt8>
  ) {
    let isEmpty = first.count &+ second.count &+ third.count == 0
    for round in 0..<(isEmpty ? 1 : 2) {
      var mac = HMAC(algorithm, key: key.span)
      mac.update(value.span)
      mac.update(byte: UInt8(truncatingIfNeeded: round))
      mac.update(first)
      mac.update(second)
      mac.update(third)
      key = mac.finalize()
      value = HMAC.code(algorithm, key: key.span, value.span)
    }
  }
}
