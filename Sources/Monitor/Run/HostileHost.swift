// HostileHost: the decisions of a hostile host, by one script and a seed.

import SNP
import X86

/// What the host does against the guest, and how often it did.
///
/// At every place where a host has a choice the personality asks `strikes`. A chance is taken once in 4 to 512 times, by
/// the seed, one that comes rarely once in 1 to 8 times, so that over several seeds every script meets the guest early,
/// late and in between. The same script and seed take the same decisions at the same chances.
package struct HostileHost {
  /// The script; nil is an honest host.
  package let script: HostileScript?
  /// The seed of all decisions.
  package let seed: UInt64
  /// How often the host has struck.
  package private(set) var strikeCount: UInt64 = 0
  /// The last physical tick of the run; nil without a script.
  package let limit: UInt64?
  /// The CPU that the script `stall-cpu` picks on.
  package let stalledCPU: Int
  private var noise: UInt64
  private let shift: UInt64
  private var stalls = InlineArray<64, UInt64>(repeating: 0)

  /// A host of `cpuCount` CPUs; a hostile one ends the run `limit` ticks after `now`.
  package init(_ script: HostileScript?, seed: UInt64, cpuCount: Int, now: UInt64, limit: UInt64) {
    self.script = script
    self.seed = seed
    noise = (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15 | 1
    let spread = (seed &* 0xD134_2543_DE82_EF95) >> 61  // >> binds tighter than &*
    shift = script?.comesRarely == true ? spread >> 1 : 2 &+ spread
    if script == .lyingParameters { strikeCount = 1 }
    stalledCPU = Int(truncatingIfNeeded: seed % UInt64(max(1, cpuCount)))
    self.limit = script == nil ? nil : now &+ limit
  }

  /// The next random word.
  package mutating func draw() -> UInt64 {
    noise ^= noise << 13
    noise ^= noise >> 7
    noise ^= noise << 17
    return noise
  }

  /// A number below `count`.
  package mutating func draw(below count: UInt64) -> UInt64 { draw() >> 16 % max(1, count) }

  /// Whether `one` strikes now.
  package mutating func strikes(_ one: HostileScript) -> Bool {
    guard let script, script == one || script == .random else { return false }
    let isHit =
      script == one
      ? draw() >> 32 & (1 << shift &- 1) == 0
      : draw() >> 32 % (UInt64(HostileScript.random.rawValue) << shift) == UInt64(one.rawValue)
    if isHit { strikeCount &+= 1 }
    return isHit
  }

  /// Until when CPU `cpu` is kept from running: half a second, or for ever; nil if it may run.
  package mutating func stalled(_ cpu: Int, now: UInt64, ticksPerSecond: UInt64) -> UInt64? {
    guard cpu >= 0, cpu < 64 else { return nil }
    if stalls[cpu] > now { return stalls[cpu] }
    guard script == .random || cpu == stalledCPU, strikes(.stallCPU) else { return nil }
    stalls[cpu] = draw() & 1 << 20 == 0 ? .max : now &+ ticksPerSecond / 2
    return stalls[cpu]
  }

  /// Lies about a leaf.
  mutating func lie(_ leaf: UInt32, _ answer: inout CPUIDResult) {
    guard strikes(.lyingCPUID) else { return }
    answer.eax ^= UInt32(truncatingIfNeeded: draw() >> 32)
    answer.ebx ^= UInt32(truncatingIfNeeded: draw() >> 32)
    answer.ecx ^= UInt32(truncatingIfNeeded: draw() >> 32)
    answer.edx ^= UInt32(truncatingIfNeeded: draw() >> 32)
  }
}

/// What a guest plants in memory that must stay private: "APUS-CANARY", of which the first eight bytes are looked for.
package enum Canary {
  /// "APUS-CAN".
  package static let word: UInt64 = 0x4E41_432D_5355_5041

  /// Whether one starts in the first of two words that follow each other, at any byte.
  ///
  /// The first word's last byte says at which, so that most words cost one comparison.
  package static func starts(in first: UInt64, _ second: UInt64) -> Bool {
    switch first >> 56 {
    case 0x4E: first == word
    case 0x41: isAt(1, first, second) || isAt(7, first, second)
    case 0x43: isAt(2, first, second)
    case 0x2D: isAt(3, first, second)
    case 0x53: isAt(4, first, second)
    case 0x55: isAt(5, first, second)
    case 0x50: isAt(6, first, second)
    default: false
    }
  }

  private static func isAt(_ byte: UInt64, _ first: UInt64, _ second: UInt64) -> Bool {
    first >> (8 &* byte) | second << (64 &- 8 &* byte) == word
  }
}
