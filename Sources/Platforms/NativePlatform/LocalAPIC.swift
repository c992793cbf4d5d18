// LocalAPIC: the CPU's own interrupt controller, in x2APIC mode where there is one, else through its page.
import Seams
import X86

/// The local APIC of the calling CPU; SDM 3A, chapter 10.
///
/// Sending takes two register writes in xAPIC mode: call it from one context per CPU (tasks or an interrupt
/// handler, not both), or with interrupts off.
public struct LocalAPIC<MSRs: MSRSpace, Page: APICPage>: Sendable where MSRs: Sendable, Page: Sendable {
  private let registers: MSRs
  private let page: Page
  /// Whether registers are MSRs.
  public let isX2: Bool

  // Register offsets (table 10-1).
  static var idOffset: UInt16 { 0x20 }
  static var taskPriority: UInt16 { 0x80 }
  static var spuriousVector: UInt16 { 0xF0 }
  static var commandLow: UInt16 { 0x300 }
  static var commandHigh: UInt16 { 0x310 }
  static var timerEntry: UInt16 { 0x320 }
  static var errorEntry: UInt16 { 0x370 }
  static var timerInitial: UInt16 { 0x380 }
  static var timerCurrent: UInt16 { 0x390 }
  static var timerDivide: UInt16 { 0x3E0 }
  /// How often delivery of the last command is looked at before the next one is sent anyway.
  static var patience: Int { 100_000 }

  /// The APIC of a CPU with `features`.
  public init(registers: MSRs, page: Page, features: CPUFeatures) {
    self.registers = registers
    self.page = page
    isX2 = features.contains(.x2apic)
  }

  /// Switches the APIC on: global enable, spurious vector, every priority let in, timer masked.
  public func enable() {
    var base = registers.read(.apicBase) | 1 << 11
    if isX2 { base |= 1 << 10 }
    registers.write(.apicBase, base)
    write(Self.taskPriority, 0)
    write(Self.timerEntry, 1 << 16)
    write(Self.errorEntry, UInt32(Vector.apicError))
    write(Self.spuriousVector, 1 << 8 | UInt32(Vector.spurious))
  }

  /// INIT (10.6.1), level asserted.
  public func sendInit(_ target: APICID) { send(target, 0x4500) }

  /// Start-up at `page` (below 1 MiB).
  public func sendStartUp(_ target: APICID, page: Frame) {
    send(target, 0x4600 | UInt32(truncatingIfNeeded: page.number & 0xFF))
  }

  /// A fixed interrupt.
  public func sendInterrupt(_ target: APICID, vector: UInt8) { send(target, 0x4000 | UInt32(vector)) }

  /// NMI to all but the caller (shorthand 3).
  public func sendNonMaskableToOthers() { send(APICID(rawValue: 0), 0xC_4400) }

  private func send(_ target: APICID, _ command: UInt32) {
    if isX2 {
      registers.write(
        MSR(rawValue: MSR.x2apicFirst.rawValue + 0x30), UInt64(target.rawValue) << 32 | UInt64(command))
      return
    }
    var looks = 0
    while looks < Self.patience, page.read(Self.commandLow) & (1 << 12) != 0 { looks &+= 1 }
    page.write(Self.commandHigh, target.rawValue << 24)
    page.write(Self.commandLow, command)
  }

  /// Whether `target` can be addressed in the present mode.
  public func canAddress(_ target: APICID) -> Bool { isX2 || target.rawValue < 0xFF }

  /// Sets the timer's divider to 1 and its mode to one-shot, masked or not.
  public func setTimer(masked: Bool, deadlineMode: Bool) {
    write(Self.timerDivide, 0b1011)
    let mode: UInt32 = deadlineMode ? 2 << 17 : 0
    write(Self.timerEntry, UInt32(Vector.timer) | mode | (masked ? 1 << 16 : 0))
  }

  /// Starts the one-shot count; 0 stops it.
  public func startTimer(count: UInt32) { write(Self.timerInitial, count) }

  /// What is left of the count.
  public var timerCount: UInt32 { read(Self.timerCurrent) }

  private func read(_ offset: UInt16) -> UInt32 {
    isX2 ? UInt32(truncatingIfNeeded: registers.read(msr(offset))) : page.read(offset)
  }

  private func write(_ offset: UInt16, _ value: UInt32) {
    if isX2 { registers.write(msr(offset), UInt64(value)) } else { page.write(offset, value) }
  }

  private func msr(_ offset: UInt16) -> MSR { MSR(rawValue: MSR.x2apicFirst.rawValue + UInt32(offset >> 4)) }
}
