// MonitorHardware: what the monitor asks of the machine below it; the room MonitorMachine implements it.

public import Model
public import Seams

/// The physical machine: memory by page, one VMRUN, ports, interrupts, time.
///
/// A value without state of its own. Everything but `run`, `halt`, `pause` and `lock` is called with the monitor's lock
/// held, or before other CPUs run.
public protocol MonitorHardware: PageMemory, Console {
  /// How many CPUs the machine has.
  var processorCount: Int { get }
  /// How many levels nested tables have: 4, or 5 where the CPU has LA57, for guest addresses of more than 48 bits.
  var nestedLevels: Int { get }
  /// Runs the guest of the VMCB in `vmcb` until it exits; `registers` holds 16 words in encoding order, of which RAX and
  /// RSP are the VMCB's (APM 2, 15.5).
  func run(cpu: Int, vmcb: SystemPage, registers: SystemPage)
  /// The time-stamp counter.
  func timeStamp() -> UInt64
  /// CPUID of this CPU.
  func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDAnswer
  /// RDMSR of TSC_AUX, which neither VMRUN nor VMSAVE moves.
  func timeStampAuxiliary() -> UInt64
  /// WRMSR of TSC_AUX.
  func setTimeStampAuxiliary(_ value: UInt64)
  /// Reads `byteCount` (1, 2 or 4) bytes from a port.
  func portRead(_ port: UInt16, byteCount: UInt8) -> UInt32
  /// Writes to a port.
  func portWrite(_ port: UInt16, byteCount: UInt8, _ value: UInt32)
  /// Sends `cpu` an interrupt that ends its halt or its guest's run.
  func kick(_ cpu: Int)
  /// Takes the interrupts that are waiting, whose handlers do nothing else than end them.
  func takeInterrupts()
  /// Halts this CPU until an interrupt, then takes it.
  func halt()
  /// Lets the CPU rest in a loop.
  func pause()
  /// An interrupt for this CPU when the time-stamp counter passes `deadline`; nil for none.
  func setAlarm(_ deadline: UInt64?)
  /// Puts x87 and SSE state of this CPU into a page, 512 bytes as FXSAVE does.
  func saveVectors(_ page: SystemPage)
  /// Takes x87 and SSE state of this CPU from a page.
  func restoreVectors(_ page: SystemPage)
  /// A zeroed page of the monitor's own memory; nil if there is none left.
  func allocatePage() -> SystemPage?
  /// Takes the monitor's lock, first come first served.
  func lock()
  /// Lets go of it.
  func unlock()
  /// Ends the machine.
  func end(_ verdict: Verdict) -> Never
}

/// What a CPU does next.
public enum NextStep: Equatable, Sendable {
  /// Runs a guest: its VMCB and its register page.
  case run(vmcb: SystemPage, registers: SystemPage)
  /// Halts until somebody kicks it or the time-stamp counter passes the deadline.
  case wait(until: UInt64?)
}

/// One confidential guest with its hardware and its host: what SNP and TDX each are to the run loop.
public protocol Personality: AnyObject {
  /// What `cpu` does when it comes to the loop for the first time, or after a halt.
  func next(_ cpu: Int) -> NextStep
  /// What it does after its guest has exited.
  func exited(_ cpu: Int) -> NextStep
}

/// The loop of every CPU.
public enum RunLoop {
  /// Runs `cpu` for ever.
  public static func run<Hardware: MonitorHardware, Guest: Personality>(
    _ cpu: Int, _ guest: Guest, _ hardware: Hardware
  ) -> Never {
    hardware.lock()
    var step = guest.next(cpu)
    while true {
      switch step {
      case .run(let vmcb, let registers):
        hardware.unlock()
        hardware.run(cpu: cpu, vmcb: vmcb, registers: registers)
        hardware.lock()
        step = guest.exited(cpu)
      case .wait(let deadline):
        // Interrupts are held from here to the halt, so that a kick sent since `next` looked ends it at once.
        hardware.setAlarm(deadline)
        hardware.unlock()
        hardware.halt()
        hardware.lock()
        step = guest.next(cpu)
      }
    }
  }
}
