// Guest: what all CPUs share about the guest that they serve.
public import Seams
public import Tasks
public import X86

/// The guest: its pages, its vCPUs, and a few words that everybody may set.
///
/// Made by the board before any request loop runs.
public final class Guest: Sendable {
  /// What its pages are.
  public let pages: PageStates
  /// Its vCPUs.
  public let vcpus: VCPUTable
  private let words: SharedWords
  private let available: AtomicCell
  private let told: AtomicCell

  /// A guest of `regions`, of which every page is outside until `pages.assign`, on `cpuCount` CPUs.
  public init(regions: [GuestRegion], cpuCount: Int, words: SharedWords? = nil) {
    pages = PageStates(regions, words: words)
    vcpus = VCPUTable(cpuCount: cpuCount)
    let own = SharedWords(count: 16)
    self.words = own
    // On lines of their own: the first is everybody's, the second the start-up vCPU's CPU's.
    available = own.line(0)[0]
    told = own.line(1)[0]
  }

  /// Registers the vCPU that the guest starts with, or one that the kernel starts itself.
  ///
  /// Before the request loops run. False if its CPU does not exist, or the calling area is no valid page.
  public func start(
    _ context: VCPUContext, callingArea: PhysicalAddress, cpu: Int, isStartUp: Bool
  ) -> Bool {
    guard pages.takeAsCallingArea(callingArea) == .valid else { return false }
    let found = pages.state(of: context.address)
    if found != .outside, found != .kernel {
      pages.assign(GuestRegion(firstPage: context.address.rawValue >> 12, pageCount: 1), .context)
    }
    return vcpus.install(context, callingArea: callingArea, cpu: cpu, isStartUp: isStartUp) != nil
  }

  /// What SVSM_MEM_AVAILABLE in the start-up vCPU's calling area is to say (reference snp-svsm.md A.6, WITHDRAW_MEM).
  public var isMemoryAvailable: Bool {
    get { available.loadRelaxed() != 0 }
    set { available.storeRelaxed(newValue ? 1 : 0) }
  }

  /// What the calling area was last told; the start-up vCPU's CPU only.
  var wasMemoryAvailable: Bool {
    get { told.loadRelaxed() != 0 }
    set { told.storeRelaxed(newValue ? 1 : 0) }
  }
}
