// SeededHostTests: what a TPM is given as time and randomness.
import Seams
import Testing
import VTPM

private final class Words: SeedSource, @unchecked Sendable {
  var words: [UInt64?]
  var asked = 0

  init(_ words: [UInt64?]) { self.words = words }

  func seed() -> UInt64? {
    asked += 1
    return words.isEmpty ? nil : words.removeFirst()
  }
}

private struct FixedClock: Clock {
  static var kind: ClockKind { .polled }
  var frequency: UInt64
  var ticks: UInt64
  func now() -> Instant { Instant(ticks: ticks) }
}

@Suite struct SeededHostTests {
  @Test func sixWordsMakeASeedAndADryMomentIsWaitedFor() {
    let source = Words([1, nil, nil, 2, 3, 4, nil, 5, 6])
    let host = SeededHost(source: source, clock: FixedClock(frequency: 1_000, ticks: 0))
    let seed = host.entropy()
    #expect((0..<48).map { seed?[$0] } == (1...6).flatMap { [UInt8($0), 0, 0, 0, 0, 0, 0, 0] })
    #expect(source.asked == 9)
  }

  @Test func aSourceThatIsDryOrStuckGivesNothing() {
    let dry = Words([])
    #expect(SeededHost(source: dry, clock: FixedClock(frequency: 1_000, ticks: 0)).entropy() == nil)
    #expect(dry.asked == 1_000)
    let stuck = SeededHost(
      source: Words([UInt64?](repeating: 7, count: 100)), clock: FixedClock(frequency: 1_000, ticks: 0))
    #expect(stuck.entropy() == nil)
    #expect(stuck.entropy() == nil, "once failed, always failed (SP 800-90B 4.4)")
  }

  @Test(
    arguments: [
      (2_000_000_000, 4_000_000_000, 2_000), (500, 7, 7), (0, 9, 9), (1_000, 0, 0),
    ] as [(UInt64, UInt64, UInt64)])
  func timeIsInMilliseconds(_ frequency: UInt64, _ ticks: UInt64, _ milliseconds: UInt64) {
    let host = SeededHost(source: Words([]), clock: FixedClock(frequency: frequency, ticks: ticks))
    #expect(host.milliseconds() == milliseconds)
  }
}
