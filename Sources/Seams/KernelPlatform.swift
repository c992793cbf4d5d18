// KernelPlatform: what the kernel asks of the platform it runs on: who it is, console, time, other CPUs.
public import X86

/// One platform: native, SNP or TDX.
public protocol KernelPlatform: SendableMetatype {
  /// The console.
  associatedtype Output: Console
  /// The clock; a platform without alarms has one that is no `SleepClock`, and no task can sleep there.
  associatedtype Time: Clock
  /// How CPUs are called.
  associatedtype Caller: StartCaller & Waker

  /// The board's name, as scripts know it.
  static var name: String { get }
  /// The console; works from the first instruction on.
  var console: Output { get }
  /// What the loader or host handed over, decoded from `memory`.
  func bootInformation(_ memory: some PhysicalMemory) throws(BootInformationError) -> BootInformation
  /// Makes the usable regions of `map` memory of this machine (accepted, validated) before anything is stored there.
  ///
  /// What the loader put there is left as it is. Called once, on the boot CPU, with exceptions reported.
  func claimMemory(_ map: MemoryMap, _ memory: some PhysicalMemory) throws(BootInformationError)
  /// Where the interrupt controller's registers must be mapped (`KernelLayout.localAPIC`), nil if nowhere.
  var controllerPage: PhysicalAddress? { get }
  /// Switches the interrupt controller of `cpu`, the calling one, on.
  func enableController(_ cpu: CPUIndex)
  /// Finds out how fast time goes; the boot CPU, once, with its controller on.
  func calibrate() -> Time
  /// How its other CPUs begin.
  static var startMode: StartMode { get }
  /// How CPUs are called that start in real mode or wait in a page of the image.
  func caller(trampoline: Frame, list: ProcessorList) -> Caller
  /// How CPUs are called: `place` is where they start, `list` who they are.
  func caller(_ place: StartPlace, list: ProcessorList, memory: some PhysicalMemory) -> Caller
  /// Whether a CPU with that id can be called at all.
  func canCall(_ id: APICID) -> Bool
  /// Says on the console what the platform found out once all CPUs are in.
  func describe()
  /// Asks `clock` for one interrupt at `deadline`, for checks at boot; false if the platform has no alarm.
  func alarm(_ clock: Time, at deadline: Instant) -> Bool
  /// How mappings say whether they are private or shared with the host.
  var privacy: PrivacyBits { get }
  /// Pages shared with the host (`KernelLayout.shared`), nil if there are none.
  var sharedPages: MemoryRegion? { get }
  /// The guest's memory, mapped at `KernelLayout.guest`: usable regions that do not meet; empty without a guest.
  var guestMemory: MemoryMap { get }
  /// Reserved pages of the kernel's range that the platform goes on reading: in the direct map, never given away.
  var keptMemory: MemoryMap { get }
  /// Whether the host raises #VC and #HV, which need stacks of their own.
  static var hasHostEvents: Bool { get }
}

/// A plain machine: CPUs that start in a page, nothing private, nothing shared.
extension KernelPlatform {
  /// In a page.
  public static var startMode: StartMode { .page }
  /// No bits.
  public var privacy: PrivacyBits { PrivacyBits() }
  /// None.
  public var sharedPages: MemoryRegion? { nil }
  /// None.
  public var keptMemory: MemoryMap { MemoryMap() }
  /// No guest.
  public var guestMemory: MemoryMap { MemoryMap() }
  /// No.
  public static var hasHostEvents: Bool { false }
  /// At the page with the code.
  public func caller(_ place: StartPlace, list: ProcessorList, memory: some PhysicalMemory) -> Caller {
    caller(trampoline: place.page, list: list)
  }
}

extension KernelPlatform {
  /// Nothing.
  public func describe() {}
}

extension KernelPlatform where Time: SleepClock {
  /// The clock's own alarm.
  public func alarm(_ clock: Time, at deadline: Instant) -> Bool {
    clock.arm(at: deadline)
    return true
  }
}
