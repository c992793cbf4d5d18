// RandomPool: a generator whose output is asked for in one larger request and handed out in parts.

/// HMAC_DRBG for many small draws: each request updates the generator's state, which costs more than the bytes.
///
/// SP 800-90A §9.3 bounds a request's length and says nothing of when its output is used. What is handed out is
/// overwritten here, so that a later look at the memory finds no byte given before (backtracking resistance, §8.8);
/// it would find those still to come, as it would by the generator's state itself. Fresh entropy and additional input
/// drop what is left, so that the next byte follows from them.
public struct RandomPool: Sendable {
  /// Bytes that are asked for at once.
  public static var size: Int { 128 }

  /// The generator itself, for what takes its requests directly.
  public var generator: HMACDRBG
  private var pool = InlineArray<128, UInt8>(repeating: 0)
  private var used = size
  private let isPooled: Bool

  /// A pool, empty as yet, over a generator; without `isPooled` each draw is a request, for derivation from a seed.
  public init(_ generator: HMACDRBG, isPooled: Bool = true) {
    self.generator = generator
    self.isPooled = isPooled
  }

  /// Fills `out`; more than half a pool is a request of its own.
  @inline(never)
  public mutating func fill(_ out: inout MutableSpan<UInt8>) {
    guard isPooled, out.count <= Self.size / 2 else { return generator.fill(&out) }
    for index in out.indices {
      if used == Self.size { refill() }
      out[index] = pool[used]
      pool[used] = 0
      used &+= 1
    }
  }

  /// `count` random bytes, at most 64.
  @inline(never)
  public mutating func bytes(_ count: Int) -> Digest {
    var out = Digest(zeros: count)
    var span = out.mutableSpan
    fill(&span)
    return out
  }

  /// Mixes in fresh entropy (SP 800-90A §10.1.2.4) and drops what is left.
  public mutating func reseed(entropy: borrowing Span<UInt8>, additional: borrowing Span<UInt8>) {
    drop()
    generator.reseed(entropy: entropy, additional: additional)
  }

  /// Mixes in data that is not entropy (§10.1.2.2) and drops what is left.
  public mutating func mixIn(_ data: borrowing Span<UInt8>, _ more: borrowing Span<UInt8>) {
    drop()
    generator.mixIn(data, more)
  }

  /// Whether the generator's reseed interval has passed.
  public var isReseedDue: Bool { generator.isReseedDue }

  /// Overwrites what is left; the next draw is a new request.
  public mutating func drop() {
    Wipe.bytes(&pool)
    used = Self.size
  }

  /// Overwrites all.
  public mutating func wipe() {
    drop()
    generator.wipe()
  }

  private mutating func refill() {
    var span = pool.mutableSpan
    generator.fill(&span)
    used = 0
  }
}
