// PageCPU: a stopped vCPU whose VMCB and general registers lie in pages of system memory.

public import Model
public import TDX

/// A stopped vCPU over any memory: the real one's in the monitor, an array in tests.
public struct PageCPU<Memory: PageMemory>: CPUState {
  /// The page of the VMCB.
  public let vmcbPage: SystemPage
  /// The page whose first 16 words are the general registers, in encoding order; RAX and RSP are the VMCB's.
  public let registersPage: SystemPage
  private var memory: Memory

  /// The vCPU in these pages.
  public init(vmcb: SystemPage, registers: SystemPage, memory: Memory) {
    vmcbPage = vmcb
    registersPage = registers
    self.memory = memory
  }

  /// A word of the VMCB.
  public func vmcb(_ offset: Int) -> UInt64 { memory.load(vmcbPage, offset) }
  /// Stores a word of the VMCB.
  public mutating func setVMCB(_ offset: Int, _ value: UInt64) {
    memory.store(vmcbPage, offset, value)
  }
  /// A register that VMRUN does not load.
  public func stored(_ register: GeneralRegister) -> UInt64 {
    memory.load(registersPage, 8 &* Int(register.rawValue))
  }
  /// Stores such a register.
  public mutating func setStored(_ register: GeneralRegister, _ value: UInt64) {
    memory.store(registersPage, 8 &* Int(register.rawValue), value)
  }

  /// All general registers.
  public var registers: GeneralRegisters {
    get {
      var result = GeneralRegisters()
      for number in 0..<16 { result[number] = memory.load(registersPage, 8 &* number) }
      result.rax = vmcb(VMCB.rax)
      result.rsp = vmcb(VMCB.rsp)
      return result
    }
    set {
      for number in 0..<16 { memory.store(registersPage, 8 &* number, newValue[number]) }
      setVMCB(VMCB.rax, newValue.rax)
      setVMCB(VMCB.rsp, newValue.rsp)
    }
  }
}

extension CPUState where Self: ~Copyable {
  /// Moves RIP past an instruction; STI and MOV-SS blocking end.
  public mutating func skip(_ length: UInt64) {
    self[VMCB.rip] = self[VMCB.rip] &+ length
    self[VMCB.interruptShadow] = 0
  }

  /// Makes an event due at the next VMRUN (APM 2, 15.20): type 0 interrupt, 2 NMI, 3 exception.
  public mutating func inject(vector: UInt8, type: UInt64, errorCode: UInt32? = nil) {
    var word = UInt64(vector) | type << 8 | 1 << 31
    if let errorCode { word |= 1 << 11 | UInt64(errorCode) << 32 }
    self[VMCB.eventInjection] = word
  }

  /// Makes the event that was being delivered when the guest exited due again (APM 2, 15.7.2).
  ///
  /// A software interrupt is not: its RIP still points to the INT.
  public mutating func resumeDelivery() {
    let event = self[VMCB.exitIntInfo]
    guard event & 1 << 31 != 0, event >> 8 & 7 != 4 else { return }
    self[VMCB.eventInjection] = event
    self[VMCB.exitIntInfo] = 0
  }
}
