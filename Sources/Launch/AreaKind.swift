// AreaKind: what an area of memory that the builder placed is for.

/// The purpose of an area in the launch information page; any value is representable.
public struct AreaKind: RawRepresentable, Equatable, Sendable {
  /// The number on the wire.
  public let rawValue: UInt32

  /// A kind with any number, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A segment of the kernel's image.
  public static let image = AreaKind(rawValue: 1)
  /// The boot processor's stack.
  public static let stack = AreaKind(rawValue: 2)
  /// The page tables that the kernel starts on.
  public static let pageTables = AreaKind(rawValue: 3)
  /// The SNP CPUID page.
  public static let cpuid = AreaKind(rawValue: 4)
  /// The SNP secrets page.
  public static let secrets = AreaKind(rawValue: 5)
  /// VP count (u32 at 0) and environment (u32 at 4).
  ///
  /// Unmeasured: hostile input.
  public static let parameters = AreaKind(rawValue: 6)
  /// The memory map.
  ///
  /// Unmeasured: hostile input.
  public static let memoryMap = AreaKind(rawValue: 7)
  /// The ACPI MADT.
  ///
  /// Unmeasured: hostile input.
  public static let madt = AreaKind(rawValue: 8)
  /// The device tree.
  ///
  /// Unmeasured: hostile input.
  public static let deviceTree = AreaKind(rawValue: 9)
  /// The start records of the other processors under TDX.
  public static let mailbox = AreaKind(rawValue: 10)
  /// The TDX reset page.
  public static let resetPage = AreaKind(rawValue: 11)
  /// The boot processor's VMSA.
  public static let vmsa = AreaKind(rawValue: 12)
  /// The launch information page itself.
  public static let launchInformation = AreaKind(rawValue: 13)
  /// The guest's firmware, up to 4 GiB.
  public static let firmware = AreaKind(rawValue: 14)
  /// Memory that the firmware expects to be validated.
  public static let firmwareMemory = AreaKind(rawValue: 15)
  /// Where the firmware expects its secrets page.
  public static let firmwareSecrets = AreaKind(rawValue: 16)
  /// Where the firmware expects its CPUID page.
  public static let firmwareCPUID = AreaKind(rawValue: 17)
  /// Where the firmware expects its calling area.
  public static let firmwareCallingArea = AreaKind(rawValue: 18)
  /// Where the firmware expects the hashes of kernel, initrd and command line.
  public static let firmwareKernelHashes = AreaKind(rawValue: 19)
  /// A flat guest image, started at its first byte in 64-bit mode.
  public static let guestImage = AreaKind(rawValue: 20)
  /// A Linux bzImage, whole, as it was on disk.
  public static let linuxKernel = AreaKind(rawValue: 21)
  /// An initial RAM disk.
  public static let initrd = AreaKind(rawValue: 22)
  /// A command line, ended by a zero byte.
  public static let commandLine = AreaKind(rawValue: 23)

  /// The name in layout files, reports and messages.
  public var name: StaticString {
    switch rawValue {
    case 1: "image"
    case 2: "stack"
    case 3: "pageTables"
    case 4: "cpuid"
    case 5: "secrets"
    case 6: "parameters"
    case 7: "memoryMap"
    case 8: "madt"
    case 9: "deviceTree"
    case 10: "mailbox"
    case 11: "resetPage"
    case 12: "vmsa"
    case 13: "launchInformation"
    case 14: "firmware"
    case 15: "firmwareMemory"
    case 16: "firmwareSecrets"
    case 17: "firmwareCPUID"
    case 18: "firmwareCallingArea"
    case 19: "firmwareKernelHashes"
    case 20: "guestImage"
    case 21: "linuxKernel"
    case 22: "initrd"
    case 23: "commandLine"
    default: "unknown"
    }
  }
}
