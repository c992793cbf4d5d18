// TDPGuestDriver+Exits: what each exit of the L2 comes to: an emulated instruction, a fault raised in it, or its end.
import Seams
import TDX
import X86

/// What follows an exit.
enum L2Next: Equatable {
  /// The L2 goes on at once.
  case again
  /// The stay is over.
  case ended(GuestExit)
}

extension TDPGuestDriver {
  /// Deals with an exit (reference tdx.md B.6 "To L1").
  func answer(_ stay: L2Stay, _ processor: L2Processor) -> L2Next {
    processor.deliverAgain(stay)
    let registers = registers(processor)
    switch stay.reason {
    case .cpuid:
      cpuid(registers, processor)
      registers.rip = registers.rip &+ stay.instructionLength
    case .io: port(stay, registers, processor)
    case .rdmsr, .wrmsr: msr(stay, registers, processor)
    case .tdcall: return tdcall(stay, registers, processor)
    case .hlt:
      registers.rip = registers.rip &+ stay.instructionLength
      return halt(processor)
    // Its own timer is brought in before the next entry; L1's has the executor's turn come.
    case .preemptionTimer: return .ended(.handled)
    case .crAccess: control(stay, registers, processor)
    case .eptViolation: missing(stay, processor)
    case .wbinvd, .invd, .pause:
      // Nothing of the guest's memory is uncached: there is nothing to write back.
      registers.rip = registers.rip &+ stay.instructionLength
    case .xsetbv: extendedControl(stay, registers, processor)
    case .rdpmc: processor.raise(13, errorCode: 0)
    case .tripleFault:
      return .ended(die(processor, "triple fault", UInt64(stay.reason.rawValue)))
    case let other where other.rawValue & 1 << 31 != 0:
      return .ended(die(processor, "its state was refused at entry", UInt64(other.rawValue)))
    // VMX and SMX instructions, MONITOR and MWAIT, VMCALL and the like: there is no such thing in this guest.
    default: processor.raise(6)
    }
    return .again
  }

  /// HLT: the vCPU rests, unless an interrupt is waiting; the shadow of an STI before it is over.
  func halt(_ processor: L2Processor) -> L2Next {
    fields.write(.interruptibility, 0, mask: 3)
    guard !isAwake(processor) else { return .again }
    processor.isHalted = true
    return .ended(.refused)
  }

  private func cpuid(_ registers: L2Registers<Window>, _ processor: L2Processor) {
    let words = GuestCPUID(
      hardware: hardware, index: processor.cpu.rawValue, count: UInt32(truncatingIfNeeded: processors.count)
    ).answer(UInt32(truncatingIfNeeded: registers.rax), UInt32(truncatingIfNeeded: registers.rcx), fields)
    registers.rax = UInt64(words.eax)
    registers.rbx = UInt64(words.ebx)
    registers.rcx = UInt64(words.ecx)
    registers.rdx = UInt64(words.edx)
  }

  // IN and OUT go to the host, whose devices they are; string forms are refused by #GP(0).
  private func port(_ stay: L2Stay, _ registers: L2Registers<Window>, _ processor: L2Processor) {
    let size = UInt8(truncatingIfNeeded: stay.qualification & 7) &+ 1
    guard stay.qualification & 1 << 4 == 0, size == 1 || size == 2 || size == 4 else {
      processor.raise(13, errorCode: 0)
      return
    }
    let number = UInt16(truncatingIfNeeded: stay.qualification >> 16)
    let mask: UInt64 = size == 4 ? 0xFFFF_FFFF : (1 << (8 &* UInt64(size))) &- 1
    if stay.qualification & 1 << 3 != 0 {
      // A host that does not answer is an empty bus.
      let value = UInt64((try? host.portRead(number, byteCount: size)) ?? .max) & mask
      registers.rax = size == 4 ? value : registers.rax & ~mask | value
    } else {
      try? host.portWrite(number, byteCount: size, UInt32(truncatingIfNeeded: registers.rax & mask))
    }
    registers.rip = registers.rip &+ stay.instructionLength
  }

  private func msr(_ stay: L2Stay, _ registers: L2Registers<Window>, _ processor: L2Processor) {
    let number = UInt32(truncatingIfNeeded: registers.rcx)
    if stay.reason == .rdmsr {
      guard let value = readMSR(number, processor) else { return processor.raise(13, errorCode: 0) }
      registers.rax = value & 0xFFFF_FFFF
      registers.rdx = value >> 32
    } else {
      let value = registers.rax & 0xFFFF_FFFF | registers.rdx << 32
      guard writeMSR(number, value, processor) else { return processor.raise(13, errorCode: 0) }
    }
    registers.rip = registers.rip &+ stay.instructionLength
  }

  /// What an MSR that exits holds for the L2; nil for one that it has not.
  func readMSR(_ number: UInt32, _ processor: L2Processor) -> UInt64? {
    switch number {
    // APIC_BASE: on, x2APIC, and the boot processor's mark.
    case 0x1B: 0xFEE0_0C00 | (processor.cpu == .boot ? 0x100 : 0)
    // Microcode level, feature control: none.
    case 0x8B, 0x17: 0
    // No MTRRs, and everything write-back.
    case 0xFE: 0
    case 0x2FF: 0xC06
    // Fast strings.
    case 0x1A0: 1
    case 0x800...0x8FF, 0x6E0: readAPIC(number, processor)
    default: nil
    }
  }

  /// Whether the L2 may write this to an MSR that exits.
  ///
  /// EFER: LMA follows CR0, NXE stays (reference B.1): a write that clears NXE is refused, G.66.
  func writeMSR(_ number: UInt32, _ value: UInt64, _ processor: L2Processor) -> Bool {
    switch number {
    case 0x1B: return value == readMSR(0x1B, processor)
    case 0x8B, 0x17: return true
    case 0x800...0x8FF, 0x6E0: return writeAPIC(number, value, processor)
    case 0xC000_0080:
      let old = fields.read(.efer)
      guard value & ~0xD01 == 0, value & EFER.noExecuteEnable != 0 else { return false }
      // LME can't change while paging is on (SDM 3A, 4.1.2).
      if (value ^ old) & EFER.longModeEnable != 0, fields.read(.cr0) & CR0.paging != 0 { return false }
      return fields.write(.efer, value & 0x101 | old & EFER.longModeActive, mask: 0x501)
    default: return false
    }
  }

  // CR0 and CR4 with bits that are L1's: PG and PE, which LMA follows, and VMXE, which is none of the guest's.
  private func control(_ stay: L2Stay, _ registers: L2Registers<Window>, _ processor: L2Processor) {
    let number = stay.qualification & 15
    let kind = stay.qualification >> 4 & 3
    guard number == 0 || number == 4, kind != 1 else { return processor.raise(6) }
    let field: VMCSEncoding = number == 0 ? .cr0 : .cr4
    let old = fields.read(field)
    let value: UInt64
    switch kind {
    case 0:
      let source = Int(stay.qualification >> 8 & 15)
      value = registers[source]
    case 2: value = old & ~8
    default: value = old & ~0xE | stay.qualification >> 16 & 0xF
    }
    let isTaken = number == 0 ? writeCR0(value, old) : writeCR4(value)
    guard isTaken else { return processor.raise(13, errorCode: 0) }
    registers.rip = registers.rip &+ stay.instructionLength
  }

  // SDM 3A, 4.1.2: PG needs PE; with LME it needs PAE and turns LMA on; without PG LMA is off. LMA and the control for
  // IA-32e mode change together, before the next entry (G.66).
  private func writeCR0(_ value: UInt64, _ old: UInt64) -> Bool {
    let isPaging = value & CR0.paging != 0
    guard !isPaging || value & 1 != 0, value >> 32 == 0 else { return false }
    let efer = fields.read(.efer)
    let isLong = isPaging && efer & EFER.longModeEnable != 0
    if isLong, fields.read(.cr4) & CR4.physicalAddressExtension == 0 { return false }
    guard fields.write(.cr0, value, mask: L2Start.writableCR0) else { return false }
    fields.write(.cr0Shadow, value & L2Start.ownedCR0)
    let active = isLong ? EFER.longModeActive : 0
    fields.write(.efer, efer & 0x101 | active, mask: 0x501)
    return fields.write(
      .entryControls, isLong ? L2Start.longModeGuest : 0, mask: L2Start.longModeGuest)
  }

  // PAE can't be cleared while LMA is set (SDM 3A, 4.1.2).
  private func writeCR4(_ value: UInt64) -> Bool {
    guard value & L2Start.ownedCR4 == 0 else { return false }
    if value & CR4.physicalAddressExtension == 0, fields.read(.efer) & EFER.longModeActive != 0 {
      return false
    }
    return fields.write(.cr4, value, mask: L2Start.writableCR4)
  }

  // XCR0 is the CPU's and nobody switches it (B.1): what the TD may have is executed for the L2, as this kernel uses none
  // of it. SDM 2D, XSETBV: #UD without CR4.OSXSAVE, else #GP(0).
  private func extendedControl(
    _ stay: L2Stay, _ registers: L2Registers<Window>, _ processor: L2Processor
  ) {
    guard fields.read(.cr4) & 1 << 18 != 0 else { return processor.raise(6) }
    let value = registers.rax & 0xFFFF_FFFF | registers.rdx << 32
    guard stay.cpl == 0, registers.rcx & 0xFFFF_FFFF == 0, states.allows(value) else {
      return processor.raise(13, errorCode: 0)
    }
    hardware.setExtendedControl(value)
    registers.rip = registers.rip &+ stay.instructionLength
  }

  // A page that is not the L2's: it gets what an L1 would get for a page that it has not accepted, #VE, and can ask what
  // it is about by TDCALL.
  private func missing(_ stay: L2Stay, _ processor: L2Processor) {
    processor.information = VEInfo(
      exitReason: VMXExitReason.eptViolation.rawValue, qualification: stay.qualification,
      linearAddress: stay.linearAddress, guestAddress: stay.guestAddress)
    processor.raise(VEInfo.vector)
  }
}
