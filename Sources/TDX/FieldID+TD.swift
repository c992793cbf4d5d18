// FieldID+TD: the fields of the TD, system and vCPU scopes.

extension FieldID {
  /// TD_UUID, four 64-bit elements.
  public static let tdUUID = FieldID(rawValue: 0x8010_0003_0000_0020)
  /// NUM_VCPUS.
  public static let numVCPUs = FieldID(rawValue: 0x9010_0002_0000_0001)
  /// NUM_L2_VMS.
  public static let numL2VMs = FieldID(rawValue: 0x9010_0001_0000_0005)
  /// ATTRIBUTES.
  public static let attributes = FieldID(rawValue: 0x1110_0003_0000_0000)
  /// XFAM.
  public static let xfam = FieldID(rawValue: 0x1110_0003_0000_0001)
  /// MAX_VCPUS.
  public static let maxVCPUs = FieldID(rawValue: 0x1110_0002_0000_0002)
  /// GPAW: 0 for 48, 1 for 52.
  public static let gpaw = FieldID(rawValue: 0x1110_0000_0000_0003)
  /// TSC_FREQUENCY in units of 25 MHz.
  public static let tscFrequency = FieldID(rawValue: 0x1110_0001_0000_000C)
  /// NOTIFY_ENABLES.
  public static let notifyEnables = FieldID(rawValue: 0x9110_0003_0000_0010)
  /// CONFIG_FLAGS.
  public static let configFlags = FieldID(rawValue: 0x1110_0003_0000_0016)
  /// TD_CTLS.
  public static let tdControls = FieldID(rawValue: 0x1110_0003_0000_0017)
  /// MRTD, six 64-bit elements.
  public static let mrtd = FieldID(rawValue: 0x1310_0003_0000_0000)
  /// MRCONFIGID, six elements.
  public static let mrConfigID = FieldID(rawValue: 0x1310_0003_0000_0010)
  /// MROWNER, six elements.
  public static let mrOwner = FieldID(rawValue: 0x1310_0003_0000_0018)
  /// MROWNERCONFIG, six elements.
  public static let mrOwnerConfig = FieldID(rawValue: 0x1310_0003_0000_0020)
  /// RTMR, four fields of six elements.
  public static let rtmr = FieldID(rawValue: 0x1310_0003_0000_0040)
  /// SERVTD_HASH, six elements.
  public static let servtdHash = FieldID(rawValue: 0x9910_0003_0000_0000)
  /// SERVTD_NUM.
  public static let servtdNum = FieldID(rawValue: 0x9910_0001_0000_0006)
  /// PRE_IMPORT_UUID.
  public static let preImportUUID = FieldID(rawValue: 0x9810_0003_0000_0040)

  /// VENDOR_ID (0x8086).
  public static let vendorID = FieldID(rawValue: 0x0800_0002_0000_0000)
  /// MINOR_VERSION.
  public static let minorVersion = FieldID(rawValue: 0x0800_0001_0000_0003)
  /// MAJOR_VERSION.
  public static let majorVersion = FieldID(rawValue: 0x0800_0001_0000_0004)
  /// SYS_ATTRIBUTES.
  public static let sysAttributes = FieldID(rawValue: 0x0A00_0002_0000_0000)
  /// NUM_TDX_FEATURES.
  public static let numTDXFeatures = FieldID(rawValue: 0x0A00_0000_0000_0001)
  /// TDX_FEATURES0.
  public static let tdxFeatures0 = FieldID(rawValue: 0x0A00_0003_0000_0008)
  /// GUEST_L2_GPA_ATTR_MASK.
  public static let guestL2AttributeMask = FieldID(rawValue: 0xA200_0001_0000_0000)

  /// VCPU_INDEX.
  public static let vcpuIndex = FieldID(rawValue: 0xA020_0002_0000_0002)
  /// CPUID_SUPERVISOR_VE.
  public static let cpuidSupervisorVE = FieldID(rawValue: 0xA020_0000_0000_0007)
  /// CPUID_USER_VE.
  public static let cpuidUserVE = FieldID(rawValue: 0xA020_0000_0000_0008)
  /// L2_CTLS of VM 0; the others follow.
  public static let l2Controls = FieldID(rawValue: 0xA020_0003_0000_0050)
  /// TSC_DEADLINE of VM 0; the others follow.
  public static let tscDeadline = FieldID(rawValue: 0xA020_0003_0000_0058)
  /// CPUID_CONTROL of the first CPUID entry; 128 follow each other.
  public static let cpuidControl = FieldID(rawValue: 0xA120_0000_0000_0000)

  /// Word 0 of the MSR bitmap of L2 VM `vm` (1 to 3); 512 words follow each other.
  public static func msrBitmap(vm: UInt8) -> FieldID {
    FieldID(rawValue: 0x2520_0003_0000_0000 &+ (UInt64(vm &- 1) << 59))
  }

  /// The VMCS field `encoding` of L2 VM `vm` (1 to 3), with the size bits of its width.
  public static func vmcs(vm: UInt8, encoding: UInt16) -> FieldID {
    let width: UInt64 =
      switch encoding >> 13 & 3 {
      case 0: 1
      case 2: 2
      default: 3
      }
    return FieldID(
      rawValue: 0x2420_0000_0000_0000 &+ (UInt64(vm &- 1) << 59) | width << 32 | UInt64(encoding))
  }
}
