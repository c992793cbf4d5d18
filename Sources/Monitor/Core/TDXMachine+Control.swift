// TDXMachine+Control: L1's control registers, which paging off makes the monitor shadow.

import Bits
import Model
import Seams
import TDX

extension TDXMachine {
  /// MOV to or from CR0, CR3 and CR4; LMSW and CLTS.
  func controlRegister(_ index: Int) {
    var cpu = cpu(index)
    guard let found = instruction(at: index) else {
      stop(.panic, index, "no instruction that touches a control register")
    }
    guard case .moveControl(isDebug: false, let isWrite) = found.operation else {
      changeStatusWord(index, found)
      return
    }
    let number = found.controlRegister
    guard isWrite else {
      found.setRegister(control(index, number), &cpu)
      cpu.skip(UInt64(found.length))
      return
    }
    if number == 8 {
      guard let priority = VirtualInterrupt.writePriority(found, &cpu) else {
        raise(index, .generalProtection)
        return
      }
      processors[index].interrupts.taskPriority = priority
      return
    }
    let new = found.registerValue(cpu)
    let qualification = UInt64(number) | UInt64(found.register.rawValue) << 8
    let decision =
      number == 3
      ? L1Outcome.native
      : domain.l1Instruction(
        index, .moveToCR(number, old: control(index, number), new: new, qualification: qualification),
        length: UInt32(found.length), cpl: cpu.cpl)
    if case .fault(let fault) = decision {
      carryOut(index, fault)
      return
    }
    guard setControl(index, &cpu, number, new) else {
      raise(index, .generalProtection)
      return
    }
    cpu.skip(UInt64(found.length))
  }

  /// A control register as it really is, with what paging off hides.
  func control(_ index: Int, _ number: UInt8, vm: Int = 0) -> UInt64 {
    let cpu = cpu(index, vm: vm)
    let shadow = processors[index].unpaged[vm]
    switch number {
    case 0: return shadow == nil ? cpu[VMCB.cr0] : cpu[VMCB.cr0] & ~(1 << 31)
    case 3: return shadow?.cr3 ?? cpu[VMCB.cr3]
    default: return shadow?.cr4 ?? cpu[VMCB.cr4]
    }
  }

  /// Sets a control register as a CPU does; false for #GP (SDM 2B, MOV to CR).
  func setControl(
    _ index: Int, _ cpu: inout PageCPU<Hardware>, _ number: UInt8, _ value: UInt64, vm: Int = 0,
    normal: UInt64 = TDXControls.controlWrites
  ) -> Bool {
    let shadow = processors[index].unpaged[vm]
    switch number {
    case 0:
      if let shadow {
        // CR0 keeps its other bits while paging stays off.
        guard value.bit(31) else {
          cpu[VMCB.cr0] = value | 1 << 31 | 0x10
          return true
        }
        guard UnpagedMode.leave(&cpu, shadow, cr0: value, normal: normal) else {
          return false
        }
        processors[index].unpaged[vm] = nil
      } else if value.bit(31) {
        cpu[VMCB.cr0] = value | 0x10
      } else {
        if cpu.codeSize == .bits64 { return false }
        processors[index].unpaged[vm] = UnpagedMode.enter(&cpu, cr0: value | 0x10)
      }
    case 3:
      if shadow != nil { processors[index].unpaged[vm]?.cr3 = value } else { cpu[VMCB.cr3] = value }
    default:
      if var shadow {
        shadow.cr4 = value
        processors[index].unpaged[vm] = shadow
        UnpagedMode.refresh(&cpu, shadow)
      } else {
        // PAE cannot go in long mode.
        if cpu[VMCB.efer].bit(10), !value.bit(5) { return false }
        cpu[VMCB.cr4] = value
      }
    }
    return true
  }
}
