// SNPTraps: the driver's exceptions: #VC by table, #HV by note.
import SNP
public import Seams
import X86

/// Answers #VC and #HV on every CPU.
///
/// *#HV*: on its own stack, no GHCB, no MSR, nothing allocated: it cancels a rest that it interrupted; the doorbell's
/// word says the rest. *#VC*: re-decodes the instruction, because a host may inject any code (reference B.3), and
/// makes one exchange. Neither nests: a #VC while an exchange is open is the end.
public final class SNPTraps<Hardware: SNPHardware, Source: CPUIDSource>: TrapHandler {
  private let ghcb: GHCB<Hardware>
  private let cpuid: Source
  private let doorbell: Doorbell<Hardware>
  private let isDying: () -> Bool
  private var hardware: Hardware { ghcb.hardware }

  /// Handlers over `ghcb`; `isDying` says whether another CPU than the calling one reports the kernel's end.
  public init(
    _ ghcb: GHCB<Hardware>, cpuid: Source, doorbell: Doorbell<Hardware>, isDying: @escaping () -> Bool
  ) {
    self.ghcb = ghcb
    self.cpuid = cpuid
    self.doorbell = doorbell
    self.isDying = isDying
  }

  /// Answers exception `vector`.
  public func handle(_ vector: UInt8, _ frame: inout TrapFrame) -> Bool {
    switch vector {
    case Vector.hypervisorInjection:
      if isDying() { hardware.park() }
      if let end = hardware.endOfWindow(frame.rip) { frame.rip = end }
      return true
    case Vector.pageFault: return recover(&frame)
    case Vector.vmmCommunication:
      if frame.error == SVMExitCode.pageNotValidated.rawValue { return recover(&frame) }
      guard !ghcb.isOpen else { return false }
      return communicate(SVMExitCode(rawValue: frame.error), &frame)
    default: return false
    }
  }

  // A page that the host took away from under an access to the guest's memory is that access's answer.
  private func recover(_ frame: inout TrapFrame) -> Bool {
    guard let exit = hardware.faultExit(frame.rip) else { return false }
    frame.rip = exit
    return true
  }

  // One line per reason; what is not known ends the kernel with a report.
  private func communicate(_ code: SVMExitCode, _ frame: inout TrapFrame) -> Bool {
    let hardware = hardware
    let rip = frame.rip
    let instruction = InterceptedInstruction { hardware.codeByte(rip &+ UInt64($0)) }
    switch code {
    case .cpuid: return instruction.kind == .cpuid && answerCPUID(&frame, instruction)
    case .io: return instruction.isPort && answerPort(&frame, instruction)
    case .msr: return instruction.isMSR && answerMSR(&frame, instruction)
    case .rdtsc: return instruction.kind == .rdtsc && answerCounter(.rdtsc, &frame, instruction)
    case .rdtscp: return instruction.kind == .rdtscp && answerCounter(.rdtscp, &frame, instruction)
    case .rdpmc: return instruction.kind == .rdpmc && answerCounter(.rdpmc, &frame, instruction)
    case .wbinvd: return instruction.kind == .wbinvd && notify(.wbinvd, &frame, instruction)
    case .invd: return instruction.kind == .invd && notify(.wbinvd, &frame, instruction)
    case .monitor, .mwait, .vmmcall:
      // Hints, and a call that nobody of ours makes: as if nothing had answered.
      guard instruction.kind == .hint else { return false }
      frame.rip &+= instruction.length
      return true
    case .dr7Read:
      guard instruction.kind == .readDR7 else { return false }
      frame.registers[instruction.register] = 0x400
      frame.rip &+= instruction.length
      return true
    case .dr7Write:
      guard instruction.kind == .writeDR7 else { return false }
      frame.rip &+= instruction.length
      return true
    case .nestedPageFault: return answerDevice(&frame, instruction)
    // #DB and #AC come as themselves when the instruction is taken again.
    case SVMExitCode(rawValue: 0x41), SVMExitCode(rawValue: 0x51): return true
    default: return false
    }
  }

  private func answerCPUID(_ frame: inout TrapFrame, _ instruction: InterceptedInstruction) -> Bool {
    let words = cpuid.cpuid(
      UInt32(truncatingIfNeeded: frame.registers[0]), UInt32(truncatingIfNeeded: frame.registers[1]))
    frame.registers[0] = UInt64(words.eax)
    frame.registers[3] = UInt64(words.ebx)
    frame.registers[1] = UInt64(words.ecx)
    frame.registers[2] = UInt64(words.edx)
    frame.rip &+= instruction.length
    return true
  }

  // INFO1: port 31:16, 64-bit addresses 9, data size 6:4, direction 0 (reference B.5.1).
  private func answerPort(_ frame: inout TrapFrame, _ instruction: InterceptedInstruction) -> Bool {
    let port = instruction.port.map { UInt64($0) } ?? frame.registers[2] & 0xFFFF
    let isInput = instruction.kind == .portRead
    let size: UInt64 = instruction.width == 1 ? 1 << 4 : instruction.width == 2 ? 1 << 5 : 1 << 6
    let mask: UInt64 = instruction.width == 1 ? 0xFF : instruction.width == 2 ? 0xFFFF : 0xFFFF_FFFF
    var request = GHCBRequest(.io, info1: port << 16 | 1 << 9 | size | (isInput ? 1 : 0))
    if !isInput { request.rax = frame.registers[0] & mask }
    let reply = try? ghcb.perform(request)
    if isInput {
      let value = reply?.rax ?? .max
      // A 32-bit result clears the upper half; smaller ones leave the rest.
      frame.registers[0] =
        instruction.width == 4 ? value & mask : frame.registers[0] & ~mask | value & mask
    }
    frame.rip &+= instruction.length
    return true
  }

  private func answerMSR(_ frame: inout TrapFrame, _ instruction: InterceptedInstruction) -> Bool {
    let number = UInt32(truncatingIfNeeded: frame.registers[1])
    if instruction.kind == .wrmsr {
      _ = ghcb.writeMSR(number, frame.registers[0] & 0xFFFF_FFFF | frame.registers[2] << 32)
    } else {
      let value = ghcb.readMSR(number) ?? 0
      frame.registers[0] = value & 0xFFFF_FFFF
      frame.registers[2] = value >> 32
    }
    frame.rip &+= instruction.length
    return true
  }

  private func answerCounter(
    _ event: NAEEvent, _ frame: inout TrapFrame, _ instruction: InterceptedInstruction
  ) -> Bool {
    var request = GHCBRequest(event)
    if event == .rdpmc { request.rcx = frame.registers[1] & 0xFFFF_FFFF }
    let reply = try? ghcb.perform(request)
    frame.registers[0] = (reply?.rax ?? 0) & 0xFFFF_FFFF
    frame.registers[2] = (reply?.rdx ?? 0) & 0xFFFF_FFFF
    if event == .rdtscp { frame.registers[1] = (reply?.rcx ?? 0) & 0xFFFF_FFFF }
    frame.rip &+= instruction.length
    return true
  }

  // INVD becomes WBINVD: dropping dirty lines would undo what was written.
  private func notify(
    _ event: NAEEvent, _ frame: inout TrapFrame, _ instruction: InterceptedInstruction
  ) -> Bool {
    _ = try? ghcb.perform(GHCBRequest(event))
    frame.rip &+= instruction.length
    return true
  }

  // Only addresses of the shared map can be a device's; a fault elsewhere means that the host took memory away.
  private func answerDevice(_ frame: inout TrapFrame, _ instruction: InterceptedInstruction) -> Bool {
    guard instruction.isMemory, frame.address >= KernelLayout.shared, frame.address < KernelLayout.window
    else { return false }
    let address = frame.address &- KernelLayout.shared
    let width = UInt64(instruction.width)
    guard address & (width &- 1) == 0 else { return false }
    let mask: UInt64 = width == 8 ? .max : (1 << (8 &* width)) &- 1
    var request = GHCBRequest(
      instruction.kind == .memoryRead ? .mmioRead : .mmioWrite, info1: address, info2: width)
    if instruction.kind == .memoryRead {
      request.buffer = 0
      let value = ((try? ghcb.perform(request))?.buffer ?? .max) & mask
      frame.registers[instruction.register] =
        width >= 4 || instruction.isExtended
        ? value : frame.registers[instruction.register] & ~mask | value
    } else {
      request.buffer = (instruction.immediate ?? frame.registers[instruction.register]) & mask
      _ = try? ghcb.perform(request)
    }
    frame.rip &+= instruction.length
    return true
  }
}
