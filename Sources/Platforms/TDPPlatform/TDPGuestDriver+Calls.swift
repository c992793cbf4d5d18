// TDPGuestDriver+Calls: TDCALL by the L2: a call of the SVSM, or what a TD's kernel asks the module and its host.
import Seams
import TDX
import X86

extension TDPGuestDriver {
  /// TDCALL by the L2.
  ///
  /// R10 = "SVSM" with leaf 0 is a call of ours. Of the rest, what a Linux that knows it is in a TD asks (reference tdx.md
  /// F.2) is answered as the module or host would; unknown leaves have the module's answer for them.
  func tdcall(
    _ stay: L2Stay, _ registers: L2Registers<Window>, _ processor: L2Processor
  ) -> L2Next {
    guard stay.cpl == 0 else {
      processor.raise(13, errorCode: 0)
      return .again
    }
    registers.rip = registers.rip &+ TDGLeaf.instructionLength
    let leaf = registers.rax
    if leaf == UInt64(TDGLeaf.vpVMCALL.rawValue) {
      if registers[10] == SVSMCall.signature {
        processor.hasCalled = true
        return .ended(.returned)
      }
      return hostCall(registers, processor)
    }
    registers.rax = module(leaf, registers, processor).rawValue
    return .again
  }

  private func module(
    _ leaf: UInt64, _ registers: L2Registers<Window>, _ processor: L2Processor
  ) -> TDXStatus {
    switch leaf {
    case UInt64(TDGLeaf.vpInfo.rawValue):
      registers.rcx = UInt64(information.addressWidth)
      registers.rdx = information.attributes | TDAttributes.septVEDisable.rawValue
      let count = UInt64(processors.count)
      registers[8] = count | count << 32
      registers[9] = UInt64(processor.cpu.rawValue)
      registers[10] = 0
      registers[11] = 0
      return .success
    case UInt64(TDGLeaf.veInfoGet.rawValue):
      let found = processor.information
      processor.information = nil
      registers.rcx = UInt64(found?.exitReason ?? 0)
      registers.rdx = found?.qualification ?? 0
      registers[8] = found?.linearAddress ?? 0
      registers[9] = found?.guestAddress ?? 0
      registers[10] = 0
      return found == nil ? .noValidVEInfo : .success
    case UInt64(TDGLeaf.vmRead.rawValue):
      registers[8] = 0
      return FieldID(rawValue: registers.rdx).names(.configFlags) ? .success : .fieldIDIncorrect
    case UInt64(TDGLeaf.vmWrite.rawValue):
      registers[8] = 0
      return FieldID(rawValue: registers.rdx).names(.notifyEnables) ? .success : .fieldNotWritable
    default: return .operandInvalid.with(.rax)
    }
  }

  // TDVMCALL: instructions by their exits' rules; pages change hands by the SVSM's own protocol, not by MapGPA.
  private func hostCall(_ registers: L2Registers<Window>, _ processor: L2Processor) -> L2Next {
    registers.rax = 0
    guard registers[10] == 0 else {
      registers[10] = TDVMCALLStatus.invalidOperand.rawValue
      return .again
    }
    var status = TDVMCALLStatus.success
    switch TDVMCALLFunction(rawValue: registers[11]) {
    case .hlt:
      registers[10] = 0
      return halt(processor)
    case .cpuid:
      let words = GuestCPUID(
        hardware: hardware, index: processor.cpu.rawValue, count: UInt32(truncatingIfNeeded: processors.count)
      ).answer(UInt32(truncatingIfNeeded: registers[12]), UInt32(truncatingIfNeeded: registers[13]), fields)
      registers[12] = UInt64(words.eax)
      registers[13] = UInt64(words.ebx)
      registers[14] = UInt64(words.ecx)
      registers[15] = UInt64(words.edx)
    case .io: status = port(registers)
    case .rdmsr:
      let value = readMSR(UInt32(truncatingIfNeeded: registers[12]), processor)
      registers[11] = value ?? 0
      if value == nil { status = .invalidOperand }
    case .wrmsr:
      if !writeMSR(UInt32(truncatingIfNeeded: registers[12]), registers[13], processor) {
        status = .invalidOperand
      }
    case .wbinvd: break
    case .getInfo: for number in 11...14 { registers[number] = 0 }
    case .reportFatalError:
      return .ended(die(processor, "it reported a fatal error", registers[12]))
    default: status = .invalidOperand
    }
    registers[10] = status.rawValue
    return .again
  }

  private func port(_ registers: L2Registers<Window>) -> TDVMCALLStatus {
    let size = registers[12]
    guard size == 1 || size == 2 || size == 4, registers[13] <= 1, registers[14] <= 0xFFFF else {
      return .invalidOperand
    }
    let number = UInt16(truncatingIfNeeded: registers[14])
    let width = UInt8(truncatingIfNeeded: size)
    if registers[13] == 0 {
      registers[11] = UInt64((try? host.portRead(number, byteCount: width)) ?? .max)
    } else {
      try? host.portWrite(number, byteCount: width, UInt32(truncatingIfNeeded: registers[15]))
    }
    return .success
  }
}
