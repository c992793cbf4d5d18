// TDConfiguration: what the host fixes when it creates a TD.

import TDX

/// The parameters of TDH.MNG.INIT that this model looks at.
public struct TDConfiguration: Sendable {
  /// ATTRIBUTES.
  public var attributes: TDAttributes
  /// XFAM; bits 0 and 1 must be set.
  public var xfam: UInt64
  /// CONFIG_FLAGS; bit 0 gives the address width.
  public var flags: TDConfigFlags
  /// How many vCPUs are created, 1 to 64.
  public var vcpuCount: Int
  /// MAX_VCPUS.
  public var maximumVCPUCount: Int
  /// NUM_L2_VMS, 0 to 3.
  public var l2Count: Int
  /// TSC_FREQUENCY in units of 25 MHz.
  public var tscFrequency: UInt16
  /// VM_CTLS: bit n makes a missing L2 SEPT table of VM n an exit to the host instead of a status.
  public var l2WalkFailureExits: UInt8
  /// CPUID(1).EAX of the platform, which vCPUs find in RDX.
  public var cpuSignature: UInt32
  /// The largest element of MR.KEY: what the platform signs report MACs with, marked as a model's.
  public var macKey: UInt64

  /// A TD with 48-bit addresses, SEPT_VE_DISABLE, RBP protected and one L2 unless changed.
  public init(vcpuCount: Int = 1, l2Count: Int = 1) {
    attributes = .septVEDisable
    xfam = 3
    flags = .noRBPModification
    self.vcpuCount = min(max(1, vcpuCount), CPUSet.capacity)
    maximumVCPUCount = self.vcpuCount
    self.l2Count = min(max(0, l2Count), 3)
    tscFrequency = 100
    l2WalkFailureExits = 0
    cpuSignature = 0x000C_06F0
    macKey = 0x4D4F_4445_4C00_0001
  }

  /// 48 or 52.
  public var addressWidth: UInt8 { flags.contains(.gpaw52) ? 52 : 48 }
  /// The number of the shared bit, 47 or 51.
  public var sharedBit: UInt8 { addressWidth - 1 }
  /// A word with only the shared bit.
  public var sharedMask: UInt64 { 1 << UInt64(sharedBit) }

  /// Whether `address` (bytes) is a valid private guest-physical address.
  ///
  /// Rule: tdx.md A.1: shared bit 0, no bits 63:52, and with GPAW 48 no bits 51:48.
  public func isValidPrivate(_ address: UInt64) -> Bool { address >> UInt64(sharedBit) == 0 }
  /// Whether `address` (bytes) lies below the width, shared bit allowed.
  public func isValid(_ address: UInt64) -> Bool { address >> UInt64(addressWidth) == 0 }
}
