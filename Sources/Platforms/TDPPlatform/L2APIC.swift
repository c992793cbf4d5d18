// L2APIC: the local APIC of an L2 vCPU, as far as L1 emulates it: identity, commands and timer; delivery is the CPU's.
import X86

/// Registers behind x2APIC MSRs that exit (SDM 3A, chapter 11; reference tdx.md B.7).
///
/// Priorities, EOI and delivery are done by virtual-interrupt delivery on the virtual-APIC page; L1 sets request bits
/// there and says the highest in the guest interrupt status.
struct L2APIC: Equatable {
  /// What a command asks for.
  enum Command: Equatable {
    /// Nothing that is done here: INIT, start-up, NMI, an undefined mode.
    case nothing
    /// Interrupt `vector` to one vCPU.
    case one(UInt32, UInt8)
    /// To all, the sender included or not.
    case all(includingSelf: Bool, UInt8)
    /// To those of a cluster whose bit is set (SDM 3A, 11.12.10.2).
    case cluster(UInt32, mask: UInt32, UInt8)
  }

  let index: UInt32
  /// Time-stamp ticks per tick of the timer at divider 1 (CPUID 15H, EBX/EAX).
  let scale: UInt64
  private(set) var spurious: UInt32 = 0xFF
  private var command: UInt64 = 0
  /// LVT: timer, thermal, performance, LINT0, LINT1, error; masked.
  private var entries = InlineArray<6, UInt32>(repeating: 1 << 16)
  private var initialCount: UInt32 = 0
  private var divide: UInt32 = 0
  /// When the timer is due, in time-stamp ticks; all ones for never.
  private(set) var expiry = UInt64.max

  init(index: UInt32, scale: UInt64) {
    self.index = index
    self.scale = max(1, scale)
  }

  static func == (left: L2APIC, right: L2APIC) -> Bool {
    left.index == right.index && left.expiry == right.expiry && left.spurious == right.spurious
      && left.initialCount == right.initialCount && left.divide == right.divide
  }

  /// Version 14H with six LVT entries.
  static var version: UInt64 { 0x5_0014 }
  /// Where the page shows a register: the MSR's low byte, times 16 (B.7).
  static func offset(_ msr: UInt32) -> UInt64 { UInt64(msr & 0xFF) << 4 }

  /// The logical identifier: cluster in 31:16, one bit in 15:0.
  var logical: UInt64 { UInt64(index >> 4) << 16 | 1 << UInt64(index & 15) }

  /// What a register holds; nil if there is none to read, or the page holds it.
  func read(_ msr: UInt32, now: UInt64) -> UInt64? {
    switch msr {
    case 0x802: UInt64(index)
    case 0x803: Self.version
    case 0x80D: logical
    case 0x80F: UInt64(spurious)
    case 0x828: 0
    case 0x830: command
    case 0x832...0x837: UInt64(entries[Int(msr &- 0x832)])
    case 0x838: UInt64(initialCount)
    case 0x839: currentCount(now)
    case 0x83E: UInt64(divide)
    case 0x6E0: mode == 2 && expiry != .max ? expiry : 0
    default: nil
    }
  }

  /// Writes a register; nil if that is a general-protection fault.
  mutating func write(_ msr: UInt32, _ value: UInt64, now: UInt64) -> Command? {
    switch msr {
    case 0x80F:
      guard value >> 9 == 0 || value & ~0x13FF == 0 else { return nil }
      spurious = UInt32(truncatingIfNeeded: value)
    case 0x828: guard value == 0 else { return nil }
    case 0x830:
      guard value & 0xFFF3_3000 == 0 else { return nil }
      command = value
      return decode(value)
    case 0x832...0x837:
      guard value & ~0x7_F7FF == 0 else { return nil }
      let old = mode
      entries[Int(msr &- 0x832)] = UInt32(truncatingIfNeeded: value)
      if msr == 0x832, mode != old { expiry = .max }
    case 0x838:
      guard value >> 32 == 0 else { return nil }
      guard mode != 2 else { return .nothing }
      initialCount = UInt32(truncatingIfNeeded: value)
      expiry = initialCount == 0 ? .max : now &+ period
    case 0x83E:
      guard value & ~0xB == 0 else { return nil }
      divide = UInt32(truncatingIfNeeded: value)
    case 0x6E0:
      guard mode == 2 else { return .nothing }
      expiry = value == 0 ? .max : value
    default: return nil
    }
    return .nothing
  }

  /// The vector of a timer that is due; it is set again if it is periodic, beyond `now`.
  mutating func takeTimer(now: UInt64) -> UInt8? {
    guard expiry <= now else { return nil }
    if mode == 1, period > 0 {
      expiry = now &+ period &- (now &- expiry) % period
    } else {
      expiry = .max
    }
    let entry = entries[0]
    // A masked timer counts and tells nobody; vectors below 16 are errors.
    return entry & 1 << 16 == 0 && entry & 0xFF >= 16 ? UInt8(truncatingIfNeeded: entry) : nil
  }

  // 0 once, 1 periodic, 2 deadline.
  private var mode: UInt32 { entries[0] >> 17 & 3 }

  // SDM 3A, figure 11-10.
  private var divider: UInt64 {
    let code = divide & 3 | divide >> 1 & 4
    return code == 7 ? 1 : 2 << UInt64(code)
  }

  private var period: UInt64 { UInt64(initialCount) &* divider &* scale }

  private func currentCount(_ now: UInt64) -> UInt64 {
    guard mode != 2, expiry != .max, expiry > now else { return 0 }
    return min((expiry &- now) / (divider &* scale), UInt64(initialCount))
  }

  // Fixed and lowest priority, which goes to one of those meant: here to the first.
  private func decode(_ value: UInt64) -> Command {
    let vector = UInt8(truncatingIfNeeded: value)
    guard value >> 8 & 7 <= 1, vector >= 16 else { return .nothing }
    let destination = UInt32(truncatingIfNeeded: value >> 32)
    switch value >> 18 & 3 {
    case 1: return .one(index, vector)
    case 2: return .all(includingSelf: true, vector)
    case 3: return .all(includingSelf: false, vector)
    default:
      if destination == .max { return .all(includingSelf: true, vector) }
      if value & 1 << 11 == 0 { return .one(destination, vector) }
      return .cluster(destination >> 16, mask: destination & 0xFFFF, vector)
    }
  }
}
