// VirtualAPIC: the local APIC of one vCPU, by MSR or by page, without a line of hardware.

import Bits

/// A local APIC in software (SDM 3A, chapter 10): QEMU 7.2 has no x2APIC and the guest's is the
/// monitor's to emulate anyway (svm-monitor.md §4).
///
/// Registers are named by their x2APIC MSR number; the xAPIC page has register n at (n - 0x800) * 16.
/// Time is a count of the guest's TSC, given by the caller; the timer's input clock is the TSC divided
/// by the divide configuration.
public struct VirtualAPIC: Equatable, Sendable {
  /// What a register access asks of the monitor beyond the value.
  public enum Effect: Equatable, Sendable {
    /// Nothing.
    case none
    /// Send this.
    case send(InterprocessorInterrupt)
    /// The vector's service is over; its line may be looked at again.
    case endOfInterrupt(UInt8)
    /// The next deadline changed.
    case timer
  }

  /// The APIC identifier, 32 bits.
  public let id: UInt32
  /// IA32_APIC_BASE: bit 8 boot processor, 10 x2APIC, 11 enabled.
  public private(set) var base: UInt64
  /// Vectors asked for.
  public private(set) var requested = InterruptVectors()
  /// Vectors in service.
  public private(set) var inService = InterruptVectors()
  /// Of the requested ones, those that a level triggered.
  public private(set) var levelTriggered = InterruptVectors()
  /// Task priority, 8 bits.
  public private(set) var taskPriority: UInt8 = 0
  /// An NMI waits.
  public var isNMIPending = false
  private var spurious: UInt32 = 0xFF
  private var commandHigh: UInt32 = 0
  private var commandLow: UInt32 = 0
  private var logicalDestination: UInt32 = 0
  private var destinationFormat: UInt32 = .max
  private var errorStatus: UInt32 = 0
  /// LVT entries 0x82F (CMCI) and 0x832 to 0x837, at index number - 0x82F.
  private var localVectors = InlineArray<9, UInt32>(repeating: 1 << 16)
  private var timer = LocalTimer()

  /// The next expiry of the timer, TSC counts; nil when it does not run.
  public var deadline: UInt64? { timer.deadline }

  /// The default address of the xAPIC page.
  public static let pageAddress: UInt64 = 0xFEE0_0000
  /// The MSR IA32_TSC_DEADLINE.
  public static let deadlineMSR: UInt32 = 0x6E0
  /// The MSR IA32_APIC_BASE.
  public static let baseMSR: UInt32 = 0x1B

  /// An APIC after reset; enabled, and in x2APIC mode if asked.
  public init(id: UInt32, isBootProcessor: Bool, isX2APIC: Bool) {
    self.id = id
    base = Self.pageAddress | 1 << 11 | (isBootProcessor ? 1 << 8 : 0) | (isX2APIC ? 1 << 10 : 0)
  }

  /// Whether the registers are MSRs.
  public var isX2APIC: Bool { base.bit(10) }

  /// The identifier under logical destinations: cluster and bit, or what an xAPIC's software wrote.
  public var logicalID: UInt32 {
    isX2APIC ? (id & ~0xF) << 12 | 1 << (id & 0xF) : logicalDestination
  }

  func matchesLogical(_ mask: UInt32) -> Bool {
    if isX2APIC {
      return mask == .max || (mask >> 16 == logicalID >> 16 && mask & logicalID & 0xFFFF != 0)
    }
    // Flat model only; software that wants the cluster model (DFR 0) matches nothing.
    return destinationFormat >> 28 == 0xF && mask & 0xFF & (logicalDestination >> 24) != 0
  }

  // MARK: Delivery

  /// Notes an interrupt; vectors below 16 are errors and set ESR bit 6 (SDM 3A, 10.5.2).
  public mutating func request(_ vector: UInt8, isLevel: Bool = false) {
    guard vector >= 16 else {
      errorStatus |= 1 << 6
      return
    }
    requested[vector] = true
    levelTriggered[vector] = isLevel
  }

  /// Whether the APIC accepts vectors: enabled in its base and by software (SVR bit 8).
  public var isEnabled: Bool { base.bit(11) && spurious.bit(8) }

  /// Processor priority: the higher of TPR and the highest vector in service (SDM 3A, 10.8.3.1).
  public var processorPriority: UInt8 {
    let service = (inService.highest ?? 0) & 0xF0
    return taskPriority & 0xF0 >= service ? taskPriority : service
  }

  /// The vector that the processor should take now if its interrupt flag allows; nil if none.
  public var pending: UInt8? {
    guard isEnabled, let vector = requested.highest, vector & 0xF0 > processorPriority & 0xF0 else {
      return nil
    }
    return vector
  }

  /// Moves the pending vector into service, as the acknowledgement does, and gives it.
  public mutating func acknowledge() -> UInt8? {
    guard let vector = pending else { return nil }
    requested[vector] = false
    inService[vector] = true
    return vector
  }

  /// The processor is offered `vector`, which may be requested again before it is known whether it was taken.
  public mutating func offer(_ vector: UInt8) { requested[vector] = false }

  /// The processor has taken the vector that it was offered.
  public mutating func accept(_ vector: UInt8) { inService[vector] = true }

  /// It has not.
  public mutating func withdraw(_ vector: UInt8) { requested[vector] = true }

  /// Ends the service of the highest vector.
  public mutating func endOfInterrupt() -> UInt8? {
    guard let vector = inService.highest else { return nil }
    inService[vector] = false
    levelTriggered[vector] = false
    return vector
  }

  /// Sets TPR, as MOV CR8 does with bits 7:4.
  public mutating func setTaskPriority(_ value: UInt8) { taskPriority = value }

  // MARK: Registers

  /// RDMSR; nil is #GP(0).
  public func read(msr: UInt32, now: UInt64) -> UInt64? {
    switch msr {
    case Self.baseMSR: return base
    case Self.deadlineMSR: return timer.isDeadlineMode ? timer.deadline ?? 0 : 0
    case 0x800...0x8FF:
      guard isX2APIC else { return nil }
      if msr == 0x830 { return UInt64(commandHigh) << 32 | UInt64(commandLow) }
      // ICR's upper half, DFR and the write-only registers do not exist as MSRs to be read.
      guard msr != 0x831, msr != 0x80E, msr != 0x80B, msr != 0x83F else { return nil }
      return register(msr, now).map(UInt64.init)
    default: return nil
    }
  }

  /// WRMSR; nil is #GP(0).
  public mutating func write(msr: UInt32, _ value: UInt64, now: UInt64) -> Effect? {
    switch msr {
    case Self.baseMSR: return setBase(value)
    case Self.deadlineMSR:
      return timer.setDeadline(value) ? .timer : Effect.none
    case 0x830:
      guard isX2APIC, value & 0xFFF3_2000 == 0 else { return nil }
      commandHigh = UInt32(truncatingIfNeeded: value >> 32)
      commandLow = UInt32(truncatingIfNeeded: value)
      return .send(InterprocessorInterrupt(icr: value))
    case 0x83F:
      guard isX2APIC, value < 256 else { return nil }
      return .send(InterprocessorInterrupt(icr: value | 1 << 18))
    case 0x800...0x8FF:
      guard isX2APIC, value >> 32 == 0, msr != 0x831, msr != 0x80E, msr != 0x80D else { return nil }
      if msr == 0x80B || msr == 0x828, value != 0 { return nil }
      return setRegister(msr, UInt32(truncatingIfNeeded: value), now)
    default: return nil
    }
  }

  /// A read of the xAPIC page at byte `offset`; unaligned and unknown registers read 0.
  public func read(page offset: UInt64, now: UInt64) -> UInt32 {
    guard !isX2APIC, offset < 4096, offset & 15 == 0 else { return 0 }
    let number = 0x800 &+ UInt32(truncatingIfNeeded: offset >> 4)
    switch number {
    case 0x802: return id << 24
    case 0x80D: return logicalDestination
    case 0x80E: return destinationFormat
    case 0x830: return commandLow
    case 0x831: return commandHigh << 24
    default: return register(number, now) ?? 0
    }
  }

  /// A write of the xAPIC page.
  public mutating func write(page offset: UInt64, _ value: UInt32, now: UInt64) -> Effect {
    guard !isX2APIC, offset < 4096, offset & 15 == 0 else { return .none }
    let number = 0x800 &+ UInt32(truncatingIfNeeded: offset >> 4)
    switch number {
    case 0x80D: logicalDestination = value & 0xFF00_0000
    case 0x80E: destinationFormat = value | 0x0FFF_FFFF
    case 0x831: commandHigh = value >> 24
    case 0x830:
      commandLow = value & ~(1 << 12)
      return .send(InterprocessorInterrupt(icr: UInt64(commandHigh) << 32 | UInt64(value)))
    default: return setRegister(number, value, now) ?? .none
    }
    return .none
  }

  /// The registers that both front ends read alike; nil for one that does not exist.
  private func register(_ number: UInt32, _ now: UInt64) -> UInt32? {
    switch number {
    case 0x802: id
    // Version 0x14, seven LVT entries.
    case 0x803: 0x0006_0014
    case 0x808: UInt32(taskPriority)
    case 0x80A: UInt32(processorPriority)
    case 0x80B: 0
    case 0x80D: logicalID
    case 0x80F: spurious
    case 0x810...0x817: inService.word(Int(number &- 0x810))
    case 0x818...0x81F: levelTriggered.word(Int(number &- 0x818))
    case 0x820...0x827: requested.word(Int(number &- 0x820))
    case 0x828: errorStatus
    case 0x832: timer.entry
    case 0x82F, 0x833...0x837: localVectors[Int(number &- 0x82F)]
    case 0x838: timer.initialCount
    case 0x839: timer.currentCount(now)
    case 0x83E: timer.divide
    default: nil
    }
  }

  /// The registers that both front ends write alike; nil for one that cannot be written.
  private mutating func setRegister(_ number: UInt32, _ value: UInt32, _ now: UInt64) -> Effect? {
    switch number {
    case 0x808: taskPriority = UInt8(truncatingIfNeeded: value)
    case 0x80B:
      return endOfInterrupt().map { .endOfInterrupt($0) } ?? Effect.none
    case 0x80F: spurious = value & 0x1FF
    case 0x828: errorStatus = 0
    case 0x832:
      timer.setEntry(value)
      return .timer
    case 0x82F, 0x833...0x837: localVectors[Int(number &- 0x82F)] = value & 0x1_F7FF
    case 0x838: return timer.setCount(value, now) ? .timer : Effect.none
    case 0x83E:
      timer.setDivide(value)
      return .timer
    default: return nil
    }
    return Effect.none
  }

  private mutating func setBase(_ value: UInt64) -> Effect? {
    // Reserved bits, moving the page, and leaving x2APIC mode except by disabling are #GP
    // (SDM 3A, 10.12.5); moving the page is refused because nobody does it.
    guard value & ~(0xFFFF_F000 | 1 << 8 | 1 << 10 | 1 << 11) == 0, value & 0xFFFF_F000 == Self.pageAddress
    else { return nil }
    if value.bit(10), !value.bit(11) { return nil }
    if isX2APIC, value.bit(11), !value.bit(10) { return nil }
    base = (value & ~(1 << 8)) | (base & 1 << 8)
    return Effect.none
  }

  // MARK: Timer

  /// Lets the timer expire if its time has come; true if its interrupt is asked for.
  ///
  /// A host that drops the interrupt leaves all else as it is.
  public mutating func expire(now: UInt64, isDropped: Bool = false) -> Bool {
    guard let vector = timer.expire(now: now), !isDropped else { return false }
    request(vector)
    return true
  }

  /// Two APICs are the same if all their registers are.
  public static func == (left: Self, right: Self) -> Bool {
    guard left.id == right.id, left.base == right.base, left.requested == right.requested,
      left.inService == right.inService, left.levelTriggered == right.levelTriggered,
      left.taskPriority == right.taskPriority, left.isNMIPending == right.isNMIPending,
      left.spurious == right.spurious, left.timer == right.timer
    else { return false }
    for index in 0..<9 where left.localVectors[index] != right.localVectors[index] { return false }
    return true
  }
}
