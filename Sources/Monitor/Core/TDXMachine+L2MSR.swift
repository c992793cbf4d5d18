// TDXMachine+L2MSR: the MSRs that an L2 reaches without L1: where L1's bitmap and the module allow it.

import Bits
import Model
import TDX

extension TDXMachine {
  /// RDMSR and WRMSR of an L2.
  func msrL2(_ index: Int, _ vm: Int, isWrite: Bool) {
    var cpu = cpu(index, vm: vm)
    let number = UInt32(truncatingIfNeeded: cpu[.rcx])
    switch deliver(index, vm, l2Exit(index, vm, isWrite ? .wrmsr : .rdmsr, length: 2)) {
    case .toL1, .toHost: return
    case .injectGeneralProtection: raise(index, .generalProtection, vm: vm)
    case .resume:
      if isWrite {
        writeL2(index, vm, number, cpu[.rax] & 0xFFFF_FFFF | cpu[.rdx] << 32)
        return
      }
      let value = readL2(index, vm, number)
      cpu[.rax] = value & 0xFFFF_FFFF
      cpu[.rdx] = value >> 32
      cpu.skip(2)
    }
  }

  private func readL2(_ index: Int, _ vm: Int, _ number: UInt32) -> UInt64 {
    let cpu = cpu(index, vm: vm)
    switch number {
    case 0x10: return guestTime(index)
    // APIC-register virtualization (SDM 3C, 30.5).
    case 0x800...0x8FF:
      return UInt64(virtualAPIC(index, vm)?.register(Int(number & 0xFF) << 4) ?? 0)
    case 0xC000_0080:
      return processors[index].unpaged[vm]?.efer ?? cpu[VMCB.efer] & ~TDXControls.svme
    case 0xC000_0103: return hardware.timeStampAuxiliary()
    default: return MSRField.offset(number).map { cpu[$0] } ?? 0
    }
  }

  /// A write that the L2 does natively; RIP moves past it.
  private func writeL2(_ index: Int, _ vm: Int, _ number: UInt32, _ value: UInt64) {
    var cpu = cpu(index, vm: vm)
    switch number {
    case 0x800...0x8FF:
      writeAPIC(index, vm, number, value)
      return
    case 0xC000_0080:
      if processors[index].unpaged[vm] != nil {
        processors[index].unpaged[vm]?.efer = value
      } else {
        cpu[VMCB.efer] = value & ~0x400 | cpu[VMCB.efer] & 0x400 | TDXControls.svme
      }
    case 0xC000_0103: hardware.setTimeStampAuxiliary(value & 0xFFFF_FFFF)
    default:
      if let offset = MSRField.offset(number) { cpu[offset] = value }
    }
    cpu.skip(2)
  }

  /// TPR, EOI and self-IPI, which the CPU virtualizes (SDM 3C, 30.5).
  private func writeAPIC(_ index: Int, _ vm: Int, _ number: UInt32, _ value: UInt64) {
    var cpu = cpu(index, vm: vm)
    guard var apic = virtualAPIC(index, vm), value < 256, number != 0x80B || value == 0 else {
      raise(index, .generalProtection, vm: vm)
      return
    }
    cpu.skip(2)
    switch number {
    case 0x808:
      apic.setTaskPriority(UInt8(truncatingIfNeeded: value))
      cpu[VMCB.virtualInterrupt] = cpu[VMCB.virtualInterrupt] & ~15 | value >> 4
    case 0x80B:
      let vector = apic.endOfInterrupt()
      processors[index].interruptStatus = apic.status
      let word = VMCSEncoding(rawValue: 0x201C &+ 2 &* UInt16(vector >> 6))
      guard field(index, vm, word).bit(Int(vector & 63)) else { return }
      var exit = l2Exit(index, vm, .virtualizedEOI)
      exit.qualification = UInt64(vector)
      deliver(index, vm, exit)
    case 0x83F:
      apic.requestItself(UInt8(truncatingIfNeeded: value))
      processors[index].interruptStatus = apic.status
    default: raise(index, .generalProtection, vm: vm)
    }
  }
}
