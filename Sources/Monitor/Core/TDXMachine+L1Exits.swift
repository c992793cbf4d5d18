// TDXMachine+L1Exits: what each exit of L1 is to the module.

import Bits
import Model
import SNP
import Seams
import TDX

extension TDXMachine {
  /// Deals with an exit of L1.
  func exitedL1(_ index: Int) {
    var cpu = cpu(index)
    let code = SVMExitCode(rawValue: cpu[VMCB.exitCode] & 0xFFFF_FFFF)
    switch code {
    case .exceptionUD: undefined(index)
    case .cr0Read, .cr3Read, .cr4Read, .cr0Write, .cr3Write, .cr4Write, .cr8Write: controlRegister(index)
    case .cpuid: cpuid(index)
    case .msr: msr(index, isWrite: cpu[VMCB.exitInfo1] & 1 == 1)
    case .io: port(index)
    case .hlt: instruction(index, .trapped(.hlt), length: 1)
    case .invd: instruction(index, .trapped(.invd), length: 2)
    case .wbinvd:
      // QEMU 7.2 reports INVD with this code too.
      let found = self.instruction(at: index)
      instruction(
        index, .trapped(found?.operation == .invd ? .invd : .wbinvd), length: UInt32(found?.length ?? 2))
    case .monitor: instruction(index, .trapped(.monitor), length: 3)
    case .mwait: instruction(index, .trapped(.mwait), length: 3)
    case .rdpmc: instruction(index, .rdpmc, length: 2)
    case .interrupt:
      hardware.takeInterrupts()
      processors[index].alarm = nil
      _ = domain.asynchronousExit(index, .externalInterrupt, &hardware)
      cpu.resumeDelivery()
    case .nmi: break
    case .iret: processors[index].nmi.returns(&cpu)
    case .virtualInterrupt: break
    case .nestedPageFault: nestedFault(index)
    case .shutdown:
      _ = domain.tripleFault(index)
      stop(.panic, index, "triple fault in L1", tripleFaultEnding(cpu, host))
    case .vmmcall, .invlpga, .vmrun, .vmload, .vmsave, .stgi, .clgi, .skinit, .icebp:
      raise(index, .invalidOpcode)
    default: stop(.panic, index, "unexpected exit")
    }
  }

  /// The instruction at RIP of VM `vm`; nil if it is none that the monitor knows.
  func instruction(at index: Int, vm: Int = 0) -> Instruction? {
    let cpu = cpu(index, vm: vm)
    let paging = GuestPaging(cpu, markBit: domain.configuration.sharedMask)
    return InstructionDecoder.decode(paging.fetch(cpu.codeAddress(cpu[VMCB.rip]), words), cpu.codeSize)
  }

  /// Whether the instruction at RIP is TDCALL without further prefixes: the usual #UD, found without the decoder.
  func isPlainTDCALL(_ index: Int, vm: Int) -> Bool {
    let cpu = cpu(index, vm: vm)
    let linear = cpu[VMCB.rip]
    guard cpu.codeSize == .bits64, linear & 0xFFF < 0xFF8 else { return false }
    let paging = GuestPaging(cpu, markBit: domain.configuration.sharedMask)
    guard let found = try? paging.translate(linear, words), let word = words.word(found.address & ~7) else {
      return false
    }
    let shift = (linear & 7) &* 8
    var bytes = word >> shift
    if shift > 32 {
      guard let next = words.word((found.address & ~7) &+ 8) else { return false }
      bytes |= next << (64 &- shift)
    }
    return bytes & 0xFFFF_FFFF == 0xCC01_0F66
  }

  /// #UD: TDCALL, or an instruction that is undefined in a TD.
  private func undefined(_ index: Int) {
    if isPlainTDCALL(index, vm: 0) {
      tdcall(index)
      return
    }
    switch instruction(at: index)?.operation {
    case .tdcall: tdcall(index)
    case .vmcall: instruction(index, .trapped(.vmcall), length: 3)
    default: raise(index, .invalidOpcode)
    }
  }

  /// Asks the model about an instruction that has no results.
  private func instruction(_ index: Int, _ instruction: L1Instruction, length: UInt32) {
    var cpu = cpu(index)
    switch domain.l1Instruction(index, instruction, length: length, cpl: cpu.cpl) {
    case .native, .emulated, .cpuid: cpu.skip(UInt64(length))
    case .fault(let fault): carryOut(index, fault)
    }
  }

  private func cpuid(_ index: Int) {
    var cpu = cpu(index)
    let leaf = UInt32(truncatingIfNeeded: cpu[.rax])
    let subleaf = UInt32(truncatingIfNeeded: cpu[.rcx])
    switch domain.l1Instruction(index, .cpuid(leaf: leaf, subleaf: subleaf), length: 2, cpl: cpu.cpl) {
    case .cpuid(let answer):
      let words = answer ?? platformCPUID(index, leaf, subleaf)
      cpu[.rax] = UInt64(words.eax)
      cpu[.rbx] = UInt64(words.ebx)
      cpu[.rcx] = UInt64(words.ecx)
      cpu[.rdx] = UInt64(words.edx)
      cpu.skip(2)
    case .fault(let fault): carryOut(index, fault)
    case .native, .emulated: cpu.skip(2)
    }
  }

  /// What the module lets through of the platform's CPUID (tdx.md D.2).
  func platformCPUID(_ index: Int, _ leaf: UInt32, _ subleaf: UInt32) -> CPUIDAnswer {
    var words = hardware.cpuid(leaf, subleaf)
    switch leaf {
    case 1:
      words.ebx = words.ebx & 0x00FF_FFFF | UInt32(truncatingIfNeeded: index) << 24
      // Without VMX, SMX, TSC deadline, and CMPXCHG16B, which QEMU 7.2 gets wrong (svm-monitor.md §4); and without FMA,
      // AVX and F16C, which XFAM does not have.
      words.ecx &= ~(1 << 5 | 1 << 6 | 1 << 12 | 1 << 13 | 1 << 24 | 1 << 27 | 1 << 28 | 1 << 29)
      words.ecx |= 1 << 21 | 1 << 31
      if cpu(index)[VMCB.cr4].bit(18) { words.ecx |= 1 << 27 }
      words.edx |= 1 << 9
    case 7 where subleaf == 0:
      // Without LA57, and without AVX2, AVX-512, protection keys and CET, which XFAM does not have.
      words.ebx &= ~(1 << 5 | 1 << 16 | 1 << 17 | 1 << 21 | 1 << 28 | 1 << 30 | 1 << 31)
      words.ecx &= ~(1 << 3 | 1 << 4 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 16 | 1 << 31)
      words.edx = words.edx & ~(1 << 20) | 1 << 29
    case 7: return CPUIDAnswer(0, 0, 0, 0)
    case 0xD:
      // XFAM is x87 and SSE; of the instructions only XSAVEOPT is there.
      switch subleaf {
      case 0: return CPUIDAnswer(3, 0x240, 0x240, 0)
      case 1: return CPUIDAnswer(words.eax & 1, 0, 0, 0)
      default: return CPUIDAnswer(0, 0, 0, 0)
      }
    case 0x15:
      return CPUIDAnswer(1, UInt32(domain.configuration.tscFrequency), 25_000_000, 0)
    case 0x8000_0001: words.ecx &= ~(1 << 2)
    case 0x8000_0007: words.edx |= 1 << 8
    default: break
    }
    return words
  }

  /// RDMSR and WRMSR.
  private func msr(_ index: Int, isWrite: Bool) {
    var cpu = cpu(index)
    let number = UInt32(truncatingIfNeeded: cpu[.rcx])
    let value = cpu[.rax] & 0xFFFF_FFFF | cpu[.rdx] << 32
    let request: L1Instruction = isWrite ? .wrmsr(number, value) : .rdmsr(number)
    switch domain.l1Instruction(index, request, length: 2, cpl: cpu.cpl) {
    case .fault(let fault):
      carryOut(index, fault)
      return
    case .emulated:
      if !isWrite { set(&cpu, emulated(number)) }
    case .native, .cpuid:
      if isWrite {
        writeNative(index, &cpu, number, value)
      } else {
        set(&cpu, readNative(index, cpu, number))
      }
    }
    cpu.skip(2)
  }

  private func set(_ cpu: inout PageCPU<Hardware>, _ value: UInt64) {
    cpu[.rax] = value & 0xFFFF_FFFF
    cpu[.rdx] = value >> 32
  }

  /// The MSRs that the module answers: no known weakness, and x2APIC mode that cannot be left (bit 21, MSR 0xBD).
  private func emulated(_ number: UInt32) -> UInt64 {
    switch number {
    case 0x10A: 0x20_0179
    case 0xBD: 1
    // MISC_ENABLE: fast strings; no branch trace, no PEBS.
    case 0x1A0: 0x1801
    default: 0
    }
  }

  /// The MSRs that a TD reads without leaving it.
  private func readNative(_ index: Int, _ cpu: PageCPU<Hardware>, _ number: UInt32) -> UInt64 {
    let interrupts = processors[index].interrupts
    switch number {
    case 0x10: return guestTime(index)
    case 0x808: return UInt64(interrupts.taskPriority)
    case 0x80A: return UInt64(interrupts.processorPriority)
    case 0x810...0x817: return UInt64(interrupts.inService.register(Int(number & 7)))
    case 0x820...0x827: return UInt64(interrupts.requested.register(Int(number & 7)))
    case 0xC000_0080: return processors[index].unpaged[0]?.efer ?? cpu[VMCB.efer] & ~TDXControls.svme
    default: return MSRField.offset(number).map { cpu[$0] } ?? 0
    }
  }

  /// The MSRs that a TD writes without leaving it.
  private func writeNative(
    _ index: Int, _ cpu: inout PageCPU<Hardware>, _ number: UInt32, _ value: UInt64
  ) {
    switch number {
    case 0x808: processors[index].interrupts.taskPriority = UInt8(truncatingIfNeeded: value)
    case 0x80B: processors[index].interrupts.end()
    case 0x83F: post(UInt8(truncatingIfNeeded: value), to: index, from: index)
    case 0xC000_0080:
      if processors[index].unpaged[0] != nil {
        processors[index].unpaged[0]?.efer = value
      } else {
        cpu[VMCB.efer] = value & ~0x400 | cpu[VMCB.efer] & 0x400 | TDXControls.svme
      }
    default:
      if let offset = MSRField.offset(number) { cpu[offset] = value }
    }
  }

  /// IN and OUT, in VMX's terms (SDM 3C, table 28-5).
  private func port(_ index: Int) {
    let cpu = cpu(index)
    let qualification = portQualification(cpu[VMCB.exitInfo1], instruction(at: index))
    let length = UInt32(truncatingIfNeeded: cpu[VMCB.exitInfo2] &- cpu[VMCB.rip])
    instruction(index, .io(qualification: qualification), length: length)
  }

  /// SVM's EXITINFO1 of a port access as an exit qualification.
  func portQualification(_ info: UInt64, _ found: Instruction?) -> UInt64 {
    var isImmediate = false
    if case .portAccess(_, .some) = found?.operation { isImmediate = true }
    return VEInfo.portQualification(
      port: UInt16(truncatingIfNeeded: info >> 16), byteCount: UInt8(info >> 4 & 7),
      isInput: info.bit(0), isString: info.bit(2), isRepeated: info.bit(3), isImmediate: isImmediate)
  }
}
