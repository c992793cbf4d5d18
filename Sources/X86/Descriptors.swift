// Descriptors: the GDT, IDT and TSS as the CPU reads them in 64-bit mode.

/// The selectors of our GDT, the same on every CPU.
public enum Selector {
  /// 64-bit code.
  public static var code: UInt16 { 0x08 }
  /// Data and stack.
  public static var data: UInt16 { 0x10 }
  /// The task state segment, two slots wide.
  public static var taskState: UInt16 { 0x18 }
}

/// The 8-byte descriptors of the GDT (SDM 3A, 3.4.5 and 7.2.3).
public enum SegmentDescriptor {
  /// 64-bit code, accessed set ahead so that loading it never writes the GDT.
  public static var code: UInt64 { 0x00AF_9B00_0000_FFFF }
  /// Flat data, accessed set ahead.
  public static var data: UInt64 { 0x00CF_9300_0000_FFFF }

  /// The low and high half of an available 64-bit TSS descriptor at `base` with `limit`.
  public static func taskState(base: VirtualAddress, limit: UInt32) -> (low: UInt64, high: UInt64) {
    let address = base.rawValue
    var low = UInt64(limit & 0xFFFF)
    low |= (address & 0xFF_FFFF) << 16
    low |= 0x89 << 40
    low |= UInt64((limit >> 16) & 0xF) << 48
    low |= ((address >> 24) & 0xFF) << 56
    return (low, address >> 32)
  }
}

/// A 16-byte IDT gate (SDM 3A, figure 6-8), always an interrupt gate of privilege 0.
public struct InterruptGate: Equatable, Sendable {
  /// Bytes 0 to 7.
  public let low: UInt64
  /// Bytes 8 to 15.
  public let high: UInt64

  /// A gate to `handler` that switches to stack `stackTable` of the TSS, or stays (0).
  public init(handler: VirtualAddress, stackTable: InterruptStack = .current) {
    let address = handler.rawValue
    low =
      (address & 0xFFFF) | UInt64(Selector.code) << 16 | UInt64(stackTable.rawValue) << 32
      | 0x8E << 40 | ((address >> 16) & 0xFFFF) << 48
    high = address >> 32
  }
}

/// The interrupt stack table: which vector has a stack of its own.
public enum InterruptStack: UInt8, Sendable {
  /// Stay on the interrupted stack.
  case current = 0
  /// #DF, which a stack overflow ends in.
  case doubleFault = 1
  /// NMI.
  case nonMaskable = 2
  /// #MC.
  case machineCheck = 3
  /// #VC, mapped only where the platform raises it.
  case vmmCommunication = 4
  /// #HV, mapped only where the platform raises it.
  case hypervisorInjection = 5
}

/// Where fields lie in the 64-bit TSS (SDM 3A, figure 7-11).
public enum TaskState {
  /// Bytes in the TSS, without an I/O bitmap.
  public static var bytes: Int { 104 }
  /// Byte offset of RSP0.
  public static var rsp0: Int { 4 }
  /// Byte offset of IST1; IST2 follows 8 bytes later.
  public static var interruptStack1: Int { 36 }
  /// Byte offset of the I/O map base, a 16-bit value; at or beyond the limit means none.
  public static var ioMapBase: Int { 102 }
}
