// Spaces: the hardware seams over the real instructions: ports, MSRs, the APIC's page, memory, the pause.
import Boot
public import Seams
public import X86

/// The I/O ports of this machine.
public struct MachinePorts: PortSpace, Sendable {
  /// The ports.
  public init() {}
  /// Reads a byte.
  public func in8(_ port: UInt16) -> UInt8 { apus_in8(port) }
  /// Writes a byte.
  public func out8(_ port: UInt16, _ value: UInt8) { apus_out8(port, value) }
}

/// The MSRs of the CPU that asks.
public struct MachineMSRs: MSRSpace, Sendable {
  /// The registers.
  public init() {}
  /// Reads one.
  public func read(_ register: MSR) -> UInt64 { apus_read_msr(register.rawValue) }
  /// Writes one.
  public func write(_ register: MSR, _ value: UInt64) { apus_write_msr(register.rawValue, value) }
}

/// The local APIC's page, once it is mapped at `KernelLayout.localAPIC`.
public struct MachineAPICPage: APICPage, Sendable {
  /// The page.
  public init() {}
  /// Reads a register.
  public func read(_ offset: UInt16) -> UInt32 {
    apus_device_load32(KernelLayout.localAPIC &+ UInt64(offset & 0xFF0))
  }
  /// Writes a register.
  public func write(_ offset: UInt16, _ value: UInt32) {
    apus_device_store32(KernelLayout.localAPIC &+ UInt64(offset & 0xFF0), value)
  }
}

/// The time-stamp counter.
public struct MachineCycles: CycleCounter, Sendable {
  /// The counter.
  public init() {}
  /// RDTSC.
  public func cycles() -> UInt64 { apus_cycles() }
}

/// PAUSE.
public enum MachineHint: SpinHint {
  /// Rests for a moment.
  public static func relax() { apus_pause() }
}

nonisolated(unsafe) private var cpuidSource: (any CPUIDSource)?

/// What this CPU says of itself.
public enum MachineCPUID {
  /// From now on `source` answers in place of the instruction.
  public static func install(_ source: any CPUIDSource) { unsafe cpuidSource = source }
  /// CPUID.
  public static func read(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDResult {
    if let source = unsafe cpuidSource {
      let result = source.cpuid(leaf, subleaf)
      return CPUIDResult(eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx)
    }
    let result = apus_cpuid(leaf, subleaf)
    return CPUIDResult(eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx)
  }
  /// The features of this CPU.
  public static var features: CPUFeatures { CPUFeatures(cpuid: read) }
  /// This CPU's APIC id: leaf 0xB where it has one (SDM 2A, CPUID), else the 8 bits of leaf 1.
  public static var apicID: APICID {
    if read(0, 0).eax >= 0xB, read(0xB, 0).ebx != 0 { return APICID(rawValue: read(0xB, 0).edx) }
    return APICID(rawValue: read(1, 0).ebx >> 24)
  }
}

/// Physical memory through the direct map, and deposited pages through the guest's window, which follows it.
public struct DirectMemory: PhysicalMemory, Sendable {
  /// The first address that the direct map doesn't show.
  public let limit: PhysicalAddress

  /// Memory below `limit`.
  public init(limit: PhysicalAddress) { self.limit = limit }

  /// What the boot tables of pvh.S map: 4 GiB.
  public static var boot: Self { Self(limit: PhysicalAddress(1 << 32)) }

  // UNSAFETY: in range of the direct map by the check; the caller owns the bytes or the firmware does.
  private func pointer(_ address: PhysicalAddress, _ bytes: Int) -> UnsafeMutableRawPointer? {
    guard address.rawValue < limit.rawValue, limit.rawValue &- address.rawValue >= UInt64(bytes) else {
      return nil
    }
    return unsafe UnsafeMutableRawPointer(
      bitPattern: UInt(truncatingIfNeeded: KernelLayout.direct(address).rawValue))
  }

  /// The integer at `address`.
  public func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  ) -> Value {
    guard let pointer = unsafe pointer(address, MemoryLayout<Value>.size) else { return .max }
    return unsafe pointer.loadUnaligned(as: Value.self)
  }

  /// Stores an integer at `address`.
  public func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress
  ) {
    guard let pointer = unsafe pointer(address, MemoryLayout<Value>.size) else { return }
    unsafe pointer.storeBytes(of: value, as: Value.self)
  }

  /// Fills with zeros.
  public func zero(_ address: PhysicalAddress, count: UInt64) {
    guard count <= UInt64(Int.max), let pointer = unsafe pointer(address, Int(count)) else { return }
    unsafe pointer.initializeMemory(as: UInt8.self, repeating: 0, count: Int(count))
  }

  /// Copies words.
  public func move(_ source: PhysicalAddress, to target: PhysicalAddress, wordCount: UInt64) {
    guard wordCount <= 1 << 40, let from = unsafe pointer(source, Int(wordCount) &* 8),
      let to = unsafe pointer(target, Int(wordCount) &* 8)
    else { return }
    unsafe to.copyMemory(from: from, byteCount: Int(wordCount) &* 8)
  }
}
