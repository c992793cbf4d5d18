// MachineSeed: RDSEED as a source of random words.
import Boot
public import Seams
import X86

/// RDSEED of this CPU, if its CPUID (by the platform's source, where one is installed) says that it has it.
public struct MachineSeed: SeedSource, Sendable {
  private let isPresent: Bool

  /// The instruction: leaf 7, EBX bit 18.
  public init() { isPresent = MachineCPUID.read(0, 0).eax >= 7 && MachineCPUID.read(7, 0).ebx >> 18 & 1 == 1 }

  /// One try.
  public func seed() -> UInt64? {
    guard isPresent else { return nil }
    let answer = apus_seed()
    return answer.valid != 0 ? answer.word : nil
  }
}
