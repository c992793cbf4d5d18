// VMCSEncoding: the VMCS field encodings of an L2 that this project names.

/// A VMCS field encoding (SDM volume 3, appendix B).
public struct VMCSEncoding: RawRepresentable, Hashable, Sendable {
  /// The 16 bits: 0 high half, 9:1 index, 11:10 type, 14:13 width.
  public let rawValue: UInt16

  /// The field `rawValue`, known or not.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Whether this names the upper half of a 64-bit field, which TDX refuses.
  public var isHighHalf: Bool { rawValue & 1 != 0 }
  /// The width of the field in bits: 16, 32 or 64 (natural width too).
  public var bitWidth: Int {
    switch rawValue >> 13 & 3 {
    case 0: 16
    case 2: 32
    default: 64
    }
  }
  /// All ones of the field's width.
  public var widthMask: UInt64 {
    switch bitWidth {
    case 16: 0xFFFF
    case 32: 0xFFFF_FFFF
    default: .max
    }
  }

  /// Guest interrupt status.
  public static let guestInterruptStatus = VMCSEncoding(rawValue: 0x0810)
  /// Guest CS selector.
  public static let csSelector = VMCSEncoding(rawValue: 0x0802)
  /// Virtual-APIC page address.
  public static let virtualAPICAddress = VMCSEncoding(rawValue: 0x2012)
  /// EPT pointer.
  public static let eptPointer = VMCSEncoding(rawValue: 0x201A)
  /// Tertiary processor-based controls.
  public static let tertiaryControls = VMCSEncoding(rawValue: 0x2034)
  /// HLAT pointer.
  public static let hlatPointer = VMCSEncoding(rawValue: 0x2040)
  /// DEBUGCTL.
  public static let debugControl = VMCSEncoding(rawValue: 0x2802)
  /// PAT.
  public static let pat = VMCSEncoding(rawValue: 0x2804)
  /// EFER.
  public static let efer = VMCSEncoding(rawValue: 0x2806)
  /// PDPTE0.
  public static let pdpte0 = VMCSEncoding(rawValue: 0x280A)
  /// Pin-based controls.
  public static let pinControls = VMCSEncoding(rawValue: 0x4000)
  /// Primary processor-based controls.
  public static let primaryControls = VMCSEncoding(rawValue: 0x4002)
  /// Exception bitmap.
  public static let exceptionBitmap = VMCSEncoding(rawValue: 0x4004)
  /// VM-exit controls.
  public static let exitControls = VMCSEncoding(rawValue: 0x400C)
  /// VM-entry controls.
  public static let entryControls = VMCSEncoding(rawValue: 0x4012)
  /// VM-entry interruption information.
  public static let entryInterruptionInformation = VMCSEncoding(rawValue: 0x4016)
  /// VM-entry exception error code.
  public static let entryExceptionErrorCode = VMCSEncoding(rawValue: 0x4018)
  /// Secondary processor-based controls.
  public static let secondaryControls = VMCSEncoding(rawValue: 0x401E)
  /// Guest CS limit.
  public static let csLimit = VMCSEncoding(rawValue: 0x4802)
  /// Guest CS access rights.
  public static let csAccessRights = VMCSEncoding(rawValue: 0x4816)
  /// Guest SS access rights.
  public static let ssAccessRights = VMCSEncoding(rawValue: 0x4818)
  /// Interruptibility state.
  public static let interruptibility = VMCSEncoding(rawValue: 0x4824)
  /// CR0 guest/host mask.
  public static let cr0Mask = VMCSEncoding(rawValue: 0x6000)
  /// CR4 guest/host mask.
  public static let cr4Mask = VMCSEncoding(rawValue: 0x6002)
  /// CR0 read shadow.
  public static let cr0Shadow = VMCSEncoding(rawValue: 0x6004)
  /// CR4 read shadow.
  public static let cr4Shadow = VMCSEncoding(rawValue: 0x6006)
  /// Guest CR0.
  public static let cr0 = VMCSEncoding(rawValue: 0x6800)
  /// Guest CR3.
  public static let cr3 = VMCSEncoding(rawValue: 0x6802)
  /// Guest CR4.
  public static let cr4 = VMCSEncoding(rawValue: 0x6804)
  /// Guest CS base.
  public static let csBase = VMCSEncoding(rawValue: 0x6808)
  /// Guest DR7.
  public static let dr7 = VMCSEncoding(rawValue: 0x681A)
  /// Guest RSP.
  public static let rsp = VMCSEncoding(rawValue: 0x681C)
  /// Guest RIP.
  public static let rip = VMCSEncoding(rawValue: 0x681E)
  /// Guest RFLAGS.
  public static let rflags = VMCSEncoding(rawValue: 0x6820)
}
