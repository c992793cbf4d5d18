// TDEnvironment: what the kernel finds out about its TD, and what it settles with the module, before anything else.
public import Seams
import TDX
import X86

/// Why the kernel will not run in this TD, if it is one.
public enum TDRefusal: Error, Equatable, Sendable {
  /// CPUID does not say that this is a TD.
  case notATD
  /// The module does not answer as it should, or the address width is unknown.
  case module
  /// The processor that runs this is not the one that the start code says.
  case processorIndex
  /// The host could turn our private data into exceptions whenever it likes, and that can't be switched off.
  case pendingExceptions
}

/// The TD as the module describes it; none of it is the host's word.
public struct TDEnvironment: Equatable, Sendable {
  /// TDG.VP.INFO on the boot CPU.
  public let information: TDInformation
  /// XFAM: the extended states that it may use.
  public let xfam: UInt64
  /// L2 VMs that this TD may have; 0 if the module can't partition.
  public let l2Count: UInt8

  /// TDX_FEATURES0 bit 7 (reference tdx.md A.6).
  private static var partitioning: UInt64 { 1 << 7 }
  /// CONFIG_FLAGS bit 1.
  private static var flexiblePending: UInt64 { 1 << 1 }
  /// TD_CTLS bit 0.
  private static var pendingDisabled: UInt64 { 1 }

  /// Steps 4 to 8 of reference E.3, on the boot CPU, which needs no exception handler for them.
  public init<Hardware: TDXHardware>(_ hardware: Hardware) throws(TDRefusal) {
    guard hardware.cpuid(0, 0).eax >= 0x21 else { throw .notATD }
    let signature = hardware.cpuid(0x21, 0)
    // "IntelTDX    "
    guard signature.ebx == 0x6574_6E49, signature.edx == 0x5844_546C, signature.ecx == 0x2020_2020 else {
      throw .notATD
    }
    let calls = ModuleCalls(hardware)
    guard let information = calls.information(),
      information.addressWidth == 48 || information.addressWidth == 52, information.vcpuCount > 0
    else { throw .module }
    guard information.vcpuIndex == 0 else { throw .processorIndex }
    // No #VE after repeated EPT violations: the host could raise it at will.
    _ = calls.writeTD(.notifyEnables, 0, mask: .max)
    try Self.refusePendingExceptions(information, calls)
    self.information = information
    let states = calls.readTD(.xfam)
    guard states.status == .success else { throw .module }
    xfam = states.value
    var count: UInt8 = 0
    if information.hasSystemRead {
      let features = calls.readSystem(.tdxFeatures0)
      if features.status == .success, features.value & Self.partitioning != 0 {
        let number = calls.readTD(.numL2VMs)
        if number.status == .success { count = UInt8(min(number.value, 3)) }
      }
    }
    l2Count = count
  }

  // Step 7: an access to a page that the host took away leaves the TD instead of raising #VE.
  private static func refusePendingExceptions<Hardware: TDXHardware>(
    _ information: TDInformation, _ calls: ModuleCalls<Hardware>
  ) throws(TDRefusal) {
    if TDAttributes(rawValue: information.attributes).contains(.septVEDisable) { return }
    let flags = calls.readTD(.configFlags)
    guard flags.status == .success, flags.value & flexiblePending != 0,
      calls.writeTD(.tdControls, pendingDisabled, mask: pendingDisabled).statusClass == .success
    else { throw .pendingExceptions }
    let controls = calls.readTD(.tdControls)
    guard controls.status == .success, controls.value & pendingDisabled != 0 else { throw .pendingExceptions }
  }
}
