// LocalTimer: the timer of a local APIC, without a line of hardware.

import Bits

/// One-shot, periodic and TSC-deadline mode (SDM 3A, 10.5.4).
///
/// Time is the guest's TSC, given by the caller.
package struct LocalTimer: Equatable, Sendable {
  /// TSC counts per count of the input clock, before the divider.
  package let scale: UInt64
  /// The LVT entry, register 0x832: vector, mask, mode.
  package private(set) var entry: UInt32 = 1 << 16
  /// Register 0x838.
  package private(set) var initialCount: UInt32 = 0
  /// Register 0x83E.
  package private(set) var divide: UInt32 = 0
  /// The next expiry, TSC counts; nil when it does not run.
  package private(set) var deadline: UInt64?

  /// A stopped timer.
  package init(scale: UInt64 = 1) { self.scale = max(1, scale) }

  /// Whether IA32_TSC_DEADLINE is what arms it.
  package var isDeadlineMode: Bool { entry >> 17 & 3 == 2 }
  private var isPeriodic: Bool { entry >> 17 & 3 == 1 }
  /// The logarithm of the divider: 111 is 1, 000 is 2, up to 110, 128 (SDM 3A, figure 10-10).
  private var divideShift: UInt64 { ((UInt64(divide >> 1 & 4) | UInt64(divide & 3)) &+ 1) & 7 }
  /// TSC counts of a whole count.
  private var period: UInt64 { (UInt64(initialCount) &* scale) << divideShift }

  /// Writes the LVT entry; changing to or from deadline mode disarms (SDM 3A, 10.5.4.1).
  package mutating func setEntry(_ value: UInt32) {
    let wasDeadline = isDeadlineMode
    entry = value & 0x7_10FF
    if wasDeadline != isDeadlineMode { deadline = nil }
  }

  /// Writes the divide configuration.
  package mutating func setDivide(_ value: UInt32) { divide = value & 0xB }

  /// Writes the initial count, which starts the timer or, with 0, stops it; false in deadline mode.
  package mutating func setCount(_ value: UInt32, _ now: UInt64) -> Bool {
    initialCount = value
    guard !isDeadlineMode else { return false }
    deadline = value > 0 ? now &+ period : nil
    return true
  }

  /// Writes IA32_TSC_DEADLINE; false in the other modes, where it has no effect.
  package mutating func setDeadline(_ value: UInt64) -> Bool {
    guard isDeadlineMode else { return false }
    deadline = value == 0 ? nil : value
    return true
  }

  /// Register 0x839.
  package func currentCount(_ now: UInt64) -> UInt32 {
    guard !isDeadlineMode, let deadline, now < deadline else { return 0 }
    return UInt32(truncatingIfNeeded: ((deadline &- now) >> divideShift) / scale)
  }

  /// Lets the timer expire if its time has come; the vector, unless masked.
  ///
  /// Never early; a periodic timer that was looked at late fires once and keeps its phase.
  package mutating func expire(now: UInt64) -> UInt8? {
    guard let due = deadline, now >= due else { return nil }
    if isPeriodic, !isDeadlineMode, initialCount > 0 {
      deadline = due &+ ((now &- due) / period &+ 1) &* period
    } else {
      deadline = nil
    }
    return entry >> 16 & 1 == 0 ? UInt8(truncatingIfNeeded: entry) : nil
  }
}
