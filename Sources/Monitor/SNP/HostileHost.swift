// HostileHost: the scripts of a hostile host, as decisions at the places where a host has one.

import Model
import SNP
import X86

/// What the host does against the guest, by one script and a seed.
///
/// A decision that changes what the guest sees is taken about once in sixteen chances, so that a boot gets
/// past its first page and every script meets the guest in many states.
struct HostileHost {
  /// The script; nil is an honest host.
  let script: HostileScript?
  private var noise: UInt64

  init(_ script: HostileScript?, seed: UInt64) {
    self.script = script
    noise = seed &* 0x9E37_79B9_7F4A_7C15 | 1
  }

  /// The next random word.
  mutating func draw() -> UInt64 {
    noise ^= noise << 13
    noise ^= noise >> 7
    noise ^= noise << 17
    return noise
  }

  /// Whether `one` strikes now.
  mutating func strikes(_ one: HostileScript) -> Bool {
    guard let script else { return false }
    if script == one { return draw() >> 32 & 15 == 0 }
    guard script == .random else { return false }
    return draw() >> 32 % 1024 == UInt64(one.rawValue)
  }

  mutating func refuses(_ one: HostileScript) -> Bool { strikes(one) }
  mutating func drops() -> Bool { strikes(.dropInterrupts) }

  /// Changes one bit of an answer.
  mutating func spoil(_ answer: inout GHCBMSR) {
    guard strikes(.corruptReply) else { return }
    answer = GHCBMSR(rawValue: answer.rawValue ^ 1 << (draw() >> 32 & 63))
  }

  /// Changes a bit somewhere in an answered GHCB page.
  mutating func spoilPage(_ page: SystemPage, _ memory: inout some PageMemory & ~Copyable) {
    guard strikes(.corruptReply) else { return }
    let offset = Int(truncatingIfNeeded: draw() >> 32 & 0x1FF) * 8
    memory.store(page, offset, memory.load(page, offset) ^ 1 << (draw() >> 32 & 63))
  }

  /// Lies about a leaf.
  mutating func lie(_ leaf: UInt32, _ answer: inout CPUIDResult) {
    guard strikes(.lyingCPUID) else { return }
    answer.eax ^= UInt32(truncatingIfNeeded: draw() >> 32)
    answer.ecx ^= UInt32(truncatingIfNeeded: draw() >> 32)
  }

  /// Answers BUSY to the next guest message.
  mutating func throttle(_ machine: inout SNPMachine) {
    if strikes(.throttleMessages) { machine.throttleNextMessage() }
  }
}
