// KernelPlatform: what the kernel asks of the platform it runs on: who it is, console, time, other CPUs.
public import X86

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
  /// How its other CPUs begin.
  static var startMethod: StartMethod { get }
  /// How CPUs are called: `place` is where they start, `list` who they are.
  func caller(_ place: StartPlace, list: ProcessorList, memory: some PhysicalMemory) -> Caller
  /// Whether a CPU with that id can be called at all.
  func canCall(_ id: APICID) -> Bool
  /// How mappings say whether they are private or shared with the host.
  var privacy: PrivacyBits { get }
  /// Pages shared with the host (`KernelLayout.shared`), nil if there are none.
  var sharedPages: MemoryRegion? { get }
  /// Whether the host raises #VC and #HV, which need stacks of their own.
  static var hasHostEvents: Bool { get }
}

/// A plain machine: CPUs that start in real mode, nothing private, nothing shared.
extension KernelPlatform {
  /// Real mode.
  public static var startMethod: StartMethod { .realMode }
  /// No bits.
  public var privacy: PrivacyBits { PrivacyBits() }
  /// None.
  public var sharedPages: MemoryRegion? { nil }
  /// No.
  public static var hasHostEvents: Bool { false }
}
