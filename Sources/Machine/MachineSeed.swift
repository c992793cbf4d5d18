// MachineSeed: RDSEED, or many words of RDRAND, as a source of random words.
import Boot
public import Seams
import X86

/// What this CPU's CPUID (by the platform's source, where one is installed) says that it has.
///
/// A CPU with RDRAND alone gives its words folded, 1,024 to one: its generator takes a new seed after 511 blocks of
/// 128 bits at the latest, so each word has a seed of its own in it (Intel, DRNG Software Implementation Guide, 4.2.6).
public struct MachineSeed: SeedSource, Sendable {
  private static var foldedWords: Int { 1024 }
  /// Tries per word of RDRAND (the same guide, 5.2.1).
  private static var attempts: Int { 10 }
  private let hasSeed: Bool
  private let hasRandom: Bool

  /// The instructions: leaf 7, EBX bit 18; leaf 1, ECX bit 30.
  public init() {
    let highest = MachineCPUID.read(0, 0).eax
    hasSeed = highest >= 7 && MachineCPUID.read(7, 0).ebx >> 18 & 1 == 1
    hasRandom = highest >= 1 && MachineCPUID.read(1, 0).ecx >> 30 & 1 == 1
  }

  /// One try.
  public func seed() -> UInt64? {
    if hasSeed {
      let answer = apus_seed()
      return answer.valid != 0 ? answer.word : nil
    }
    guard hasRandom else { return nil }
    var folded: UInt64 = 0
    for _ in 0..<Self.foldedWords {
      guard let word = random() else { return nil }
      // Turned, so that no bit meets only its own kind.
      folded = (folded &<< 7 | folded &>> 57) ^ word
    }
    return folded
  }

  private func random() -> UInt64? {
    for _ in 0..<Self.attempts {
      let answer = apus_random()
      if answer.valid != 0 { return answer.word }
    }
    return nil
  }
}
