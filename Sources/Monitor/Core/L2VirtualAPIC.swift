// L2VirtualAPIC: the virtual-APIC page of an L2 and the interrupt delivery that the CPU does from it.

public import Model

/// A virtual-APIC page with the guest interrupt status that belongs to it (SDM 3C, 30.1 and 30.2).
///
/// Registers lie at the low byte of their x2APIC number times 16 (tdx.md B.7).
public struct L2VirtualAPIC<Memory: PageMemory> {
  private let page: SystemPage
  private var memory: Memory
  /// RVI in the low byte, SVI in the high byte.
  public private(set) var status: UInt16

  private static var taskPriorityOffset: Int { 0x80 }
  private static var processorPriorityOffset: Int { 0xA0 }
  private static var inServiceOffset: Int { 0x100 }
  private static var requestOffset: Int { 0x200 }

  /// The page of an L2 that is entered with this guest interrupt status.
  public init(_ page: SystemPage, status: UInt16, _ memory: Memory) {
    self.page = page
    self.status = status
    self.memory = memory
  }

  /// The vector that is requested: RVI.
  public var requested: UInt8 { UInt8(truncatingIfNeeded: status) }
  /// The vector in service: SVI.
  public var serving: UInt8 { UInt8(truncatingIfNeeded: status >> 8) }
  /// The task priority.
  public var taskPriority: UInt8 { UInt8(truncatingIfNeeded: register(Self.taskPriorityOffset)) }
  /// The processor priority as the last virtualization of it left it.
  public var processorPriority: UInt8 {
    UInt8(truncatingIfNeeded: register(Self.processorPriorityOffset))
  }

  /// The register at byte `offset`, a multiple of 16.
  public func register(_ offset: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: memory.load(page, offset & 0xFF0))
  }

  private mutating func setRegister(_ offset: Int, _ value: UInt32) {
    let old = memory.load(page, offset) & ~0xFFFF_FFFF
    memory.store(page, offset, old | UInt64(value))
  }

  private mutating func set(_ base: Int, _ vector: UInt8, _ isSet: Bool) {
    let offset = base &+ 16 &* Int(vector >> 5)
    let bit: UInt32 = 1 << UInt32(vector & 31)
    setRegister(offset, isSet ? register(offset) | bit : register(offset) & ~bit)
  }

  private func highest(_ base: Int) -> UInt8 {
    var index = 7
    while index >= 0 {
      let word = register(base &+ 16 &* index)
      if word != 0 { return UInt8(index &* 32 &+ 31 &- word.leadingZeroBitCount) }
      index &-= 1
    }
    return 0
  }

  /// PPR virtualization (SDM 3C, 30.1.3).
  public mutating func updatePriority() {
    let task = taskPriority
    let value = task >> 4 >= serving >> 4 ? task : serving & 0xF0
    setRegister(Self.processorPriorityOffset, UInt32(value))
  }

  /// The interrupt that is recognized now (SDM 3C, 30.2.1); nil if RVI's class is not above PPR's.
  public var recognized: UInt8? { requested >> 4 > processorPriority >> 4 ? requested : nil }

  /// The requested vector if only the task priority holds it back.
  public var heldByTaskPriority: UInt8? {
    recognized == nil && requested >> 4 > serving >> 4 ? requested : nil
  }

  /// Virtual-interrupt delivery (SDM 3C, 30.2.2); answers the vector that goes through the IDT.
  public mutating func deliver() -> UInt8 {
    let vector = requested
    set(Self.inServiceOffset, vector, true)
    set(Self.requestOffset, vector, false)
    setRegister(Self.processorPriorityOffset, UInt32(vector & 0xF0))
    status = UInt16(vector) << 8 | UInt16(highest(Self.requestOffset))
    return vector
  }

  /// EOI virtualization (SDM 3C, 30.1.4); answers the vector whose service ends.
  public mutating func endOfInterrupt() -> UInt8 {
    let vector = serving
    set(Self.inServiceOffset, vector, false)
    status = UInt16(highest(Self.inServiceOffset)) << 8 | status & 0xFF
    updatePriority()
    return vector
  }

  /// Self-IPI virtualization (SDM 3C, 30.1.5).
  public mutating func requestItself(_ vector: UInt8) {
    set(Self.requestOffset, vector, true)
    if vector > requested { status = status & 0xFF00 | UInt16(vector) }
  }

  /// TPR virtualization with virtual-interrupt delivery (SDM 3C, 30.1.2).
  public mutating func setTaskPriority(_ value: UInt8) {
    setRegister(Self.taskPriorityOffset, UInt32(value))
    updatePriority()
  }
}
