// BuildOptions: what a user chooses for an image, beside the board and its kernel.
import IGVM

/// The hypervisor that an image is for.
public enum Hypervisor: UInt32, Sendable {
  /// QEMU with KVM: VMSA at 0xFFFFFFFFF000 and last, the guest manages the C-bit.
  case qemu = 1
  /// Hyper-V and OpenVMM: vTOM at bit 46 (SNP) or the shared bit 47 (TDX), VMSA inside the range.
  case hyperv = 2
  /// Our own monitor: as QEMU.
  case monitor = 3
}

/// The options of `apus igvm build`.
public struct BuildOptions: Equatable, Sendable {
  /// The hypervisor that the image is for.
  public var hypervisor = Hypervisor.qemu
  /// The guest policy; nil = the platform's default.
  public var policy: UInt64?
  /// The processors that the memory range is sized for.
  public var processorCount: UInt64 = 8
  /// The guest memory that the memory range is sized for, bytes.
  public var guestByteCount: UInt64 = 1 << 30
  /// The I/O port of the console.
  public var consolePort: UInt16 = 0x3F8
  /// The page-table bit to set as "encrypted", instead of the layout's.
  public var encryptionBit: Int?
  /// The guest's firmware.
  public var firmware: FirmwareImage?
  /// A flat guest image, loaded at 2 MiB.
  public var guestImage: [UInt8]?
  /// The kernel's own command line, at most 255 bytes; measured.
  public var kernelCommandLine: [UInt8] = []
  /// A Linux guest.
  public var linux: LinuxPayload?

  /// The defaults.
  public init() {}

  /// The shared GPA boundary on a platform: 0 = the guest manages it (reference §4).
  func sharedGPABoundary(_ platform: PlatformType) -> UInt64 {
    guard hypervisor == .hyperv else { return 0 }
    switch platform {
    case .snp: return 1 << 46
    case .tdx: return 1 << 47
    default: return 0
    }
  }
}
