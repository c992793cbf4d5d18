// TrustDomain: one TD as the TDX module keeps it.

import Crypto
import TDX

/// The state of a TD: configuration, secure EPT, vCPUs, measurements.
///
/// Behaviour reference: TDX module 1.5.01 as tdx.md describes it. All storage is allocated at `init`.
public struct TrustDomain: ~Copyable {
  /// What the host fixed.
  public let configuration: TDConfiguration
  /// Private memory.
  public internal(set) var sept: SecureEPT
  /// Which system pages are private to the TD.
  public internal(set) var ownership: PageOwnership
  /// Shared memory: the host's own EPT.
  public var shared: SharedEPT
  /// The vCPUs.
  public internal(set) var vcpus: [TDVirtualCPU]
  /// MRTD and the RTMRs.
  public internal(set) var measurements = TDMeasurements()
  /// What the TLBs may hold; level is the VM index, rights are `GPAAttributes` bits 3:0.
  public internal(set) var translations: TranslationCache
  /// Reductions of L2 rights that some CPU may not have noticed.
  public internal(set) var revocations: L2Revocations
  /// What the TD did that hardware lets pass and this model does not.
  public internal(set) var breaches = BreachLog()
  /// TD_CTLS.
  public internal(set) var controls: UInt64
  /// NOTIFY_ENABLES.
  public internal(set) var notifyEnables: UInt64 = 0
  /// The epoch of TDH.MEM.TRACK.
  var epoch: UInt64 = 1
  /// The epoch of the last TDH.MEM.RANGE.BLOCK.
  var lastBlockEpoch: UInt64 = 0
  /// Whether the host holds the lock of the RTMRs, which makes a guest call answer busy.
  public var isRTMRLockedByHost = false

  /// TD_CTLS bit 0.
  public static let pendingVEDisable: UInt64 = 1

  /// A TD of this configuration whose private pages lie in `windows`; nothing is mapped.
  ///
  /// `systemPageCount` is the machine's memory in 4 KiB pages.
  public init(
    _ configuration: TDConfiguration, windows: PageWindows, systemPageCount: Int,
    translationCapacity: Int = 0,
    revocationCapacity: Int = 256
  ) {
    self.configuration = configuration
    sept = SecureEPT(windows: windows, l2Count: configuration.l2Count)
    shared = SharedEPT(windows: windows)
    ownership = PageOwnership(pageCount: systemPageCount)
    vcpus = [TDVirtualCPU](
      repeating: TDVirtualCPU(l2Count: configuration.l2Count), count: configuration.vcpuCount)
    translations = TranslationCache(capacity: translationCapacity)
    revocations = L2Revocations(capacity: revocationCapacity)
    controls = configuration.attributes.contains(.septVEDisable) ? Self.pendingVEDisable : 0
  }

  /// Whether an access to a pending page exits instead of raising #VE.
  public var exitsOnPending: Bool { controls & Self.pendingVEDisable != 0 }

  /// Whether `index` is a vCPU.
  func isVCPU(_ index: Int) -> Bool { index >= 0 && index < vcpus.count }

  /// The general registers of a vCPU that has never run.
  ///
  /// Rule: tdx.md D.4: RBX address width, RCX and R8 the host's argument, RDX CPUID(1).EAX, RSI index.
  public func initialRegisters(vcpu: Int, argument: UInt64) -> GeneralRegisters {
    var registers = GeneralRegisters()
    registers.rbx = UInt64(configuration.addressWidth)
    registers.rcx = argument
    registers.r8 = argument
    registers.rdx = UInt64(configuration.cpuSignature)
    registers.rsi = UInt64(max(0, vcpu))
    return registers
  }

  /// Makes a #VE due on a vCPU and answers the exception that it takes.
  ///
  /// Rule: tdx.md D.1, G.12: with information still waiting it is #DF, and the next one is a triple
  /// fault, which leaves the vCPU dead.
  mutating func raiseVE(_ vcpu: Int, _ info: VEInfo) -> TDFault {
    guard isVCPU(vcpu) else { return .raise(.doubleFault) }
    guard vcpus[vcpu].veInfo != nil else {
      vcpus[vcpu].veInfo = info
      return .raise(.virtualization)
    }
    vcpus[vcpu].veOverruns += 1
    if vcpus[vcpu].veOverruns == 1 { return .raise(.doubleFault) }
    return .exit(tripleFault(vcpu))
  }

  /// A triple fault: the vCPU is dead and the host learns it (tdx.md D.1, G.12).
  public mutating func tripleFault(_ vcpu: Int) -> TDExit {
    if isVCPU(vcpu) { vcpus[vcpu].mode = .dead }
    return TDExit(.nonRecoverableVCPU, .tripleFault)
  }

  mutating func note(_ rule: BreachRule, _ vcpu: Int, vm: Int, _ page: GuestPage) {
    breaches.note(Breach(rule: rule, cpu: vcpu, level: UInt8(truncatingIfNeeded: vm), page: page))
  }
}
