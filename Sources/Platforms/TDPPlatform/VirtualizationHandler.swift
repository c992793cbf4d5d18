// VirtualizationHandler: #VE: what an L1 does about its own instructions that a TD does not simply execute.
public import Seams
import TDX
import X86

/// The handler of vector 20 (reference tdx.md D.1, G.16–18).
///
/// The first thing it does is TDG.VP.VEINFO.GET; before that no port, MSR, CPUID or memory that could raise another #VE
/// is touched, so a second one can't meet the first. It uses the interrupted stack, allocates nothing and takes no lock.
public final class VirtualizationHandler<Hardware: TDXHardware>: TrapHandler, Sendable {
  private let hardware: Hardware
  private let module: ModuleCalls<Hardware>
  private let host: HostCalls<Hardware>
  private let console: TDPConsole<Hardware>
  private let sharedMask: UInt64
  private let processorCount: UInt32

  /// The vector of #VE.
  public static var vector: UInt8 { VEInfo.vector }

  /// A handler for a TD of `processorCount` vCPUs in which `sharedMask` makes an address shared.
  public init(
    _ hardware: Hardware, console: TDPConsole<Hardware>, sharedMask: UInt64, processorCount: UInt32
  ) {
    self.hardware = hardware
    self.console = console
    self.sharedMask = sharedMask
    self.processorCount = processorCount
    module = ModuleCalls(hardware)
    host = HostCalls(hardware)
  }

  /// Answers a #VE; false if the kernel can't go on, said why on the console.
  public func handle(_ vector: UInt8, _ frame: inout TrapFrame) -> Bool {
    guard let info = module.virtualizationInformation() else {
      console.line("#VE without information")
      return false
    }
    if VMXExitReason(rawValue: info.exitReason) == .eptViolation {
      return violation(info, &frame) || report(info)
    }
    guard instruction(info, &frame) else { return report(info) }
    frame.rip &+= UInt64(info.instructionLength)
    return true
  }

  // Whether the instruction has had its effect; RIP is still at it.
  private func instruction(_ info: VEInfo, _ frame: inout TrapFrame) -> Bool {
    switch VMXExitReason(rawValue: info.exitReason) {
    case .cpuid: return cpuid(&frame)
    case .hlt: return halt(frame)
    case .io: return port(info.qualification, &frame)
    case .rdmsr: return readMSR(&frame)
    case .wrmsr: return writeMSR(frame)
    case .wbinvd: return (try? host.writeBackCaches()) != nil
    default: return false
    }
  }

  private func report(_ info: VEInfo) -> Bool {
    console.write("#VE reason ")
    console.write(decimal: UInt64(info.exitReason))
    console.write(" qualification ")
    console.write(hex: info.qualification)
    console.write(" linear ")
    console.write(hex: info.linearAddress)
    console.write(" physical ")
    console.write(hex: info.guestAddress)
    console.endLine()
    return false
  }

  // G.17: the host's word only in the hypervisor's own leaves; topology is our own; all else is zero.
  private func cpuid(_ frame: inout TrapFrame) -> Bool {
    let leaf = UInt32(truncatingIfNeeded: frame.registers[0])
    let subleaf = UInt32(truncatingIfNeeded: frame.registers[1])
    var answer = CPUIDResult(eax: 0, ebx: 0, ecx: 0, edx: 0)
    if leaf >= 0x4000_0000, leaf <= 0x4FFF_FFFF {
      if let told = try? host.cpuid(leaf, subleaf) {
        answer = CPUIDResult(eax: told.eax, ebx: told.ebx, ecx: told.ecx, edx: told.edx)
      }
    } else if leaf == 0xB || leaf == 0x1F {
      answer = topology(subleaf)
    }
    frame.registers[0] = UInt64(answer.eax)
    frame.registers[3] = UInt64(answer.ebx)
    frame.registers[1] = UInt64(answer.ecx)
    frame.registers[2] = UInt64(answer.edx)
    return true
  }

  // One package of single-threaded cores whose ids are the vCPU indices (SDM 2A, CPUID leaf 0BH).
  private func topology(_ subleaf: UInt32) -> CPUIDResult {
    let id = module.information()?.vcpuIndex ?? 0
    let width = UInt32(32 &- (max(1, processorCount) &- 1).leadingZeroBitCount)
    switch subleaf {
    case 0: return CPUIDResult(eax: 0, ebx: 1, ecx: 0x100, edx: id)
    case 1: return CPUIDResult(eax: width, ebx: processorCount, ecx: 0x201, edx: id)
    default: return CPUIDResult(eax: 0, ebx: 0, ecx: subleaf & 0xFF, edx: id)
    }
  }

  private func halt(_ frame: TrapFrame) -> Bool {
    // RFLAGS.IF; a host that refuses makes it a busy wait.
    if (try? host.halt(isBlocked: frame.rflags & 1 << 9 == 0)) == nil { hardware.pause() }
    return true
  }

  // Qualification as in SDM 3C, table 28-5; string forms are refused: no code of ours uses them.
  private func port(_ qualification: UInt64, _ frame: inout TrapFrame) -> Bool {
    let byteCount = UInt8(truncatingIfNeeded: qualification & 7) &+ 1
    guard byteCount == 1 || byteCount == 2 || byteCount == 4, qualification & 1 << 4 == 0 else {
      return false
    }
    let number = UInt16(truncatingIfNeeded: qualification >> 16)
    if qualification & 1 << 3 == 0 {
      return
        (try? host.portWrite(
          number, byteCount: byteCount, UInt32(truncatingIfNeeded: frame.registers[0]))) != nil
    }
    // An empty bus reads as ones.
    let value = UInt64((try? host.portRead(number, byteCount: byteCount)) ?? .max)
    let mask: UInt64 = byteCount == 4 ? 0xFFFF_FFFF : (1 << (8 &* UInt64(byteCount))) &- 1
    frame.registers[0] = (byteCount == 4 ? 0 : frame.registers[0] & ~mask) | value & mask
    return true
  }

  // The registers that only the host has: APIC base and x2APIC (reference C.5, D.3).
  private static func isHostRegister(_ number: UInt32) -> Bool {
    number == MSR.apicBase.rawValue || (number >= 0x800 && number <= 0x8FF)
  }

  private func readMSR(_ frame: inout TrapFrame) -> Bool {
    let number = UInt32(truncatingIfNeeded: frame.registers[1])
    guard Self.isHostRegister(number), let value = try? host.readMSR(number) else { return false }
    frame.registers[0] = value & 0xFFFF_FFFF
    frame.registers[2] = value >> 32
    return true
  }

  private func writeMSR(_ frame: TrapFrame) -> Bool {
    let number = UInt32(truncatingIfNeeded: frame.registers[1])
    let value = frame.registers[2] << 32 | frame.registers[0] & 0xFFFF_FFFF
    return Self.isHostRegister(number) && (try? host.writeMSR(number, value)) != nil
  }

  // Shared: a device of the host. Private: memory that was taken from us, and no reason to accept it anew (G.18).
  private func violation(_ info: VEInfo, _ frame: inout TrapFrame) -> Bool {
    guard info.guestAddress & sharedMask != 0 else { return false }
    guard let move = MoveInstruction(hardware.instruction(at: VirtualAddress(frame.rip))),
      info.guestAddress & 0xFFF &+ UInt64(move.memoryBytes) <= Frame.bytes
    else { return false }
    if let value = move.stored(frame.registers) {
      guard (try? host.mmioWrite(info.guestAddress, byteCount: move.memoryBytes, value)) != nil else {
        return false
      }
    } else {
      guard let value = try? host.mmioRead(info.guestAddress, byteCount: move.memoryBytes) else {
        return false
      }
      move.load(value, into: &frame.registers)
    }
    frame.rip &+= UInt64(move.length)
    return true
  }
}
