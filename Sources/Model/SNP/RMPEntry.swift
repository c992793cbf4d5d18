// RMPEntry: what the reverse map knows about one page of system memory.

import Bits
import SNP

/// One entry of the reverse map, packed into 16 bytes.
///
/// The hardware's layout is not architectural; these are the fields of the APM
/// (volume 2, 15.36.3; reference snp-svsm.md B.1.1) plus the in-use mark of a running VMSA.
public struct RMPEntry: Equatable, Sendable {
  private var word: UInt64 = 0
  private var permissionBytes: UInt32 = 0
  /// The address space that owns the page; 0 for the hypervisor and the firmware.
  public var asid: UInt32 = 0

  private static let assignedBit = BitField(0)
  private static let sizeBit = BitField(1)
  private static let immutableBit = BitField(2)
  private static let validatedBit = BitField(3)
  private static let vmsaBit = BitField(4)
  private static let inUseBit = BitField(5)
  private static let pageField = BitField(12...63)

  /// A page that belongs to the hypervisor.
  public init() {}

  /// Whether the page belongs to a guest or the firmware.
  public var isAssigned: Bool {
    get { word.bit(0) }
    set { word = Self.assignedBit.setting(newValue ? 1 : 0, in: word) }
  }
  /// The size the entry covers.
  public var pageSize: RMPPageSize {
    get { word.bit(1) ? .size2M : .size4K }
    set { word = Self.sizeBit.setting(newValue.rawValue, in: word) }
  }
  /// Whether RMPUPDATE and PSMASH are refused and the guest may not use the page.
  public var isImmutable: Bool {
    get { word.bit(2) }
    set { word = Self.immutableBit.setting(newValue ? 1 : 0, in: word) }
  }
  /// Whether the guest has accepted the page.
  public var isValidated: Bool {
    get { word.bit(3) }
    set { word = Self.validatedBit.setting(newValue ? 1 : 0, in: word) }
  }
  /// Whether VMRUN accepts the page as a VMSA.
  public var isVMSA: Bool {
    get { word.bit(4) }
    set { word = Self.vmsaBit.setting(newValue ? 1 : 0, in: word) }
  }
  /// Whether some CPU is running the VMSA in the page.
  public var isInUse: Bool {
    get { word.bit(5) }
    set { word = Self.inUseBit.setting(newValue ? 1 : 0, in: word) }
  }
  /// The guest page that this page backs.
  public var guestPage: GuestPage {
    get { GuestPage(rawValue: Self.pageField.get(word)) }
    set { word = Self.pageField.setting(newValue.rawValue, in: word) }
  }

  /// Whether the hypervisor owns the page: not assigned (reference B.1.1).
  public var isHypervisorOwned: Bool { !isAssigned }

  /// What `vmpl` may do; VMPL0 always everything (reference B.1.1), unknown levels nothing.
  public func permissions(_ vmpl: VMPL) -> RMPPermissions {
    guard vmpl.isArchitectural else { return .none }
    if vmpl == .vmpl0 { return [.full, .supervisorShadowStack] }
    let shift = UInt32(vmpl.rawValue) &* 8
    return RMPPermissions(rawValue: UInt8(truncatingIfNeeded: permissionBytes >> shift))
  }

  /// Gives `vmpl` exactly `permissions`; VMPL0 and unknown levels cannot be changed.
  public mutating func setPermissions(_ permissions: RMPPermissions, for vmpl: VMPL) {
    guard vmpl.isArchitectural, vmpl != .vmpl0 else { return }
    let shift = UInt32(vmpl.rawValue) &* 8
    permissionBytes =
      (permissionBytes & ~(0xFF << shift)) | (UInt32(permissions.rawValue) << shift)
  }

  /// Takes all permissions from VMPL1 to VMPL3.
  public mutating func clearLowerPermissions() { permissionBytes = 0 }

  /// The entry of the 4 KiB page `offset` pages into a 2 MiB entry, as PSMASH writes it.
  public func subpage(_ offset: UInt64) -> RMPEntry {
    var entry = self
    entry.pageSize = .size4K
    entry.guestPage = guestPage.advanced(by: offset)
    return entry
  }
}
