// PhysicalMachine: the machine below the monitor, as QEMU presents it.

public import Model
public import Monitor
import MonitorBoot
public import Seams

nonisolated(unsafe) private var savePages = InlineArray<64, UInt64>(repeating: 0)
nonisolated(unsafe) private var cpuCount = 1
nonisolated(unsafe) private var ticksPerMicrosecond: UInt64 = 1000
nonisolated(unsafe) private var saysFigures = false

/// Memory one to one, one VMRUN, ports, the local APIC.
///
/// Addresses come from the model's page numbers, which stay below the machine's memory; those below 4 GiB are mapped.
public struct PhysicalMachine: MonitorHardware, Sendable {
  /// The machine.
  public init() {}

  private static let apic: UInt64 = 0xFEE0_0000
  private static let kickVector: UInt32 = 0xF0
  private static let alarmVector: UInt32 = 0xF1

  /// Whether the boot tables map `page`; page 0 is nobody's.
  private func isMapped(_ page: SystemPage) -> Bool {
    page.rawValue > 0 && page.rawValue < 1 << 20
  }

  /// A word of physical memory; 0 outside.
  public func load(_ page: SystemPage, _ offset: Int) -> UInt64 {
    guard isMapped(page), offset >= 0, offset <= 4088 else { return 0 }
    return mon_load64(page.address &+ UInt64(offset))
  }

  /// Stores a word; outside, nothing.
  public func store(_ page: SystemPage, _ offset: Int, _ value: UInt64) {
    guard isMapped(page), offset >= 0, offset <= 4088 else { return }
    mon_store64(page.address &+ UInt64(offset), value)
  }

  /// Clears a page.
  public func zero(_ page: SystemPage) {
    if isMapped(page) { mon_zero_page(page.address) }
  }

  /// MFENCE.
  public func fence() { mon_fence() }

  /// Sends a byte to COM1.
  public func write(_ byte: UInt8) { mon_out8(0x3F8, byte) }

  /// How many CPUs run.
  public var processorCount: Int { unsafe cpuCount }

  /// Five once the entry code has found LA57, which it then turns on.
  public var nestedLevels: Int { mon_has_five_levels() ? 5 : 4 }

  /// VMRUN.
  public func run(cpu: Int, vmcb: SystemPage, registers: SystemPage) {
    guard cpu >= 0, cpu < 64 else { return }
    mon_vmrun(registers.address, vmcb.address)
  }

  /// RDTSC.
  public func timeStamp() -> UInt64 { mon_cycles() }

  /// RDMSR of TSC_AUX.
  public func timeStampAuxiliary() -> UInt64 { mon_read_msr(0xC000_0103) }
  /// WRMSR of TSC_AUX.
  public func setTimeStampAuxiliary(_ value: UInt64) { mon_write_msr(0xC000_0103, value) }

  /// CPUID.
  public func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDAnswer {
    let words = mon_read_cpuid(leaf, subleaf)
    return CPUIDAnswer(words.eax, words.ebx, words.ecx, words.edx)
  }

  /// IN.
  public func portRead(_ port: UInt16, byteCount: UInt8) -> UInt32 {
    switch byteCount {
    case 1: UInt32(mon_in8(port))
    case 2: UInt32(mon_in16(port))
    default: mon_in32(port)
    }
  }

  /// OUT.
  public func portWrite(_ port: UInt16, byteCount: UInt8, _ value: UInt32) {
    switch byteCount {
    case 1: mon_out8(port, UInt8(truncatingIfNeeded: value))
    case 2: mon_out16(port, UInt16(truncatingIfNeeded: value))
    default: mon_out32(port, value)
    }
  }

  /// A fixed interrupt to another CPU, whose APIC id is its number.
  public func kick(_ cpu: Int) {
    mon_store32(Self.apic + 0x310, UInt32(truncatingIfNeeded: cpu) << 24)
    mon_store32(Self.apic + 0x300, 0x4000 | Self.kickVector)
    while mon_load32(Self.apic + 0x300) & 0x1000 != 0 { mon_pause() }
  }

  /// Lets waiting interrupts in.
  public func takeInterrupts() { mon_take_interrupts() }
  /// STI; HLT.
  public func halt() { mon_halt() }
  /// PAUSE.
  public func pause() { mon_pause() }

  /// One shot of the local APIC's timer, which counts nanoseconds under QEMU.
  public func setAlarm(_ deadline: UInt64?) {
    guard let deadline else {
      mon_store32(Self.apic + 0x380, 0)
      return
    }
    let now = mon_cycles()
    let ticks = deadline > now ? deadline &- now : 0
    let nanoseconds = min(ticks, 1 << 40) &* 1000 / max(1, unsafe ticksPerMicrosecond)
    mon_store32(Self.apic + 0x380, UInt32(min(max(nanoseconds, 1), 0xFFFF_FFFF)))
  }

  /// FXSAVE64.
  public func saveVectors(_ page: SystemPage) {
    if isMapped(page) { mon_save_vectors(page.address) }
  }

  /// FXRSTOR64.
  public func restoreVectors(_ page: SystemPage) {
    if isMapped(page) { mon_restore_vectors(page.address) }
  }

  /// A page of the monitor's own.
  public func allocatePage() -> SystemPage? {
    let address = mon_heap_page()
    return address == 0 ? nil : SystemPage(containing: address)
  }

  /// Bytes of the monitor's own memory in use.
  public var usedBytes: UInt64 { mon_heap_used() }

  /// Takes the lock.
  public func lock() { mon_lock() }
  /// Lets go of it.
  public func unlock() { mon_unlock() }

  /// Makes the end say how much of the monitor's own memory was in use.
  public func sayFiguresAtEnd() { unsafe saysFigures = true }

  /// Ends QEMU.
  public func end(_ verdict: Verdict) -> Never {
    if unsafe saysFigures {
      write("monitor: own bytes at the end ")
      write(decimal: usedBytes)
      endLine()
    }
    mon_out8(0xF4, verdict.rawValue)
    while true { mon_stop() }
  }

  /// Makes the CPU that runs this ready for guests and interrupts (APM 2, 15.4; SDM 3A, 11.4).
  func prepare(_ cpu: Int) {
    guard cpu < 64 else { return }
    mon_enable_vectors()
    mon_write_msr(0xC001_0117, unsafe savePages[cpu])
    mon_store32(Self.apic + 0xF0, 0x1FF)
    mon_store32(Self.apic + 0x350, 0x1_0000)
    mon_store32(Self.apic + 0x3E0, 0xB)
    mon_store32(Self.apic + 0x320, Self.alarmVector)
  }

  /// Gives every CPU its pages and starts them; they call `mon_other_main`.
  func start(count: Int) -> Bool {
    for cpu in 0..<min(count, 64) {
      guard let save = allocatePage() else { return false }
      unsafe savePages[cpu] = save.address
    }
    unsafe cpuCount = min(count, 64)
    // The PIC of the firmware would send vector 8.
    mon_out8(0x21, 0xFF)
    mon_out8(0xA1, 0xFF)
    mon_fill_idt()
    prepare(0)
    calibrate()
    guard count > 1 else { return true }
    mon_copy_trampoline()
    mon_store32(Self.apic + 0x300, 0xC_4500)
    delay(microseconds: 20)
    mon_store32(Self.apic + 0x300, 0xC_4600 | UInt32(TRAMPOLINE >> 12))
    let start = mon_cycles()
    let expected = unsafe UInt32(cpuCount - 1)
    while mon_online_count() < expected {
      mon_pause()
      if mon_cycles() &- start > 10_000_000 &* (unsafe ticksPerMicrosecond) { return false }
    }
    return true
  }

  /// How many ticks of the counter a second has, by the APIC's timer.
  public var ticksPerSecond: UInt64 { unsafe ticksPerMicrosecond &* 1_000_000 }

  // A CPU that the host takes away between the two clocks' readings sees the counter run too fast, never too slowly: the
  // slowest of four measurements is right.
  private func calibrate() {
    mon_store32(Self.apic + 0x320, 0x1_0000)
    mon_store32(Self.apic + 0x380, .max)
    var best = UInt64.max
    for _ in 0..<4 { best = min(best, ticksPerMillisecond()) }
    mon_store32(Self.apic + 0x380, 0)
    mon_store32(Self.apic + 0x320, Self.alarmVector)
    unsafe ticksPerMicrosecond = max(1, (best &+ 500) / 1000)
  }

  private func ticksPerMillisecond() -> UInt64 {
    let begin = mon_cycles()
    let first = mon_load32(Self.apic + 0x390)
    var passed: UInt32 = 0
    while passed < 250_000 {
      mon_pause()
      passed = first &- mon_load32(Self.apic + 0x390)
    }
    return (mon_cycles() &- begin) &* 1_000_000 / UInt64(passed)
  }

  private func delay(microseconds: UInt64) {
    let start = mon_cycles()
    while mon_cycles() &- start < microseconds &* (unsafe ticksPerMicrosecond) { mon_pause() }
  }
}
