// SeededHost: a TPM's time and randomness from a clock and a hardware seed source.
import Crypto
public import Seams

/// Time from a counter of known rate, randomness from a source whose words pass the health tests.
///
/// Only whoever has taken the TPM (`VTPMState.take`) asks for either.
public struct SeededHost<Source: SeedSource & Sendable, Time: Clock & Sendable>: VTPMHost {
  /// Tries per word; RDSEED runs dry for a moment when all CPUs ask.
  private static var attempts: Int { 1_000 }
  private let source: Source
  private let clock: Time
  private let health = SharedHealth()

  /// The host over `source` and `clock`.
  public init(source: Source, clock: Time) {
    self.source = source
    self.clock = clock
  }

  /// Milliseconds of the clock.
  public func milliseconds() -> UInt64 {
    clock.now().ticks / max(1, clock.frequency / 1_000)
  }

  /// 48 bytes, six words; nil if the source is dry or has failed its tests once.
  public func entropy() -> InlineArray<48, UInt8>? {
    var bytes = InlineArray<48, UInt8>(repeating: 0)
    for index in 0..<6 {
      guard var word = word() else { return nil }
      for place in 0..<8 {
        bytes[index &* 8 &+ place] = UInt8(truncatingIfNeeded: word)
        word >>= 8
      }
    }
    return bytes
  }

  private func word() -> UInt64? {
    for _ in 0..<Self.attempts {
      guard let word = source.seed() else { continue }
      return health.tests.accept(word) ? word : nil
    }
    return nil
  }
}

// A class of its own, not generic: a task's closure can't hold a generic one (6.3.1).
private final class SharedHealth: @unchecked Sendable {
  var tests = EntropyHealth()
}
