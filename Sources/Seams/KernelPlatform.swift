// KernelPlatform: what the kernel asks of the platform it runs on: who it is, console, time, other CPUs.
import X86

/// One platform: native, SNP or TDX.
public protocol KernelPlatform: SendableMetatype {
  /// The console.
  associatedtype Output: Console
  /// The clock.
  associatedtype Time: SleepClock
  /// How CPUs are called.
  associatedtype Caller: StartCaller & Waker

  /// The board's name, as scripts know it.
  static var name: String { get }
  /// The console; works from the first instruction on.
  var console: Output { get }
  /// What the loader or host handed over, decoded from `memory`.
  func bootInformation(_ memory: some PhysicalMemory) throws(BootInformationError) -> BootInformation
  /// Where the interrupt controller's registers must be mapped (`KernelLayout.localAPIC`), nil if nowhere.
  var controllerPage: PhysicalAddress? { get }
  /// Switches the calling CPU's interrupt controller on.
  func enableController()
  /// Finds out how fast time goes; the boot CPU, once, with its controller on.
  func calibrate() -> Time
  /// How CPUs are called: `trampoline` is where they start, `list` who they are.
  func caller(trampoline: Frame, list: ProcessorList) -> Caller
  /// Whether a CPU with that id can be called at all.
  func canCall(_ id: APICID) -> Bool
}
