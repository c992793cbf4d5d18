// PageState: what a 4 KiB page of the guest's address space is to the kernel, in four bits.

/// The state of a page.
///
/// ```
///            validate              pin, unpin
///   invalid ─────────▶ valid ◀───────────────▶ valid, 1 to 3 pins
///      ▲                │ ▲ └──deposit──▶ deposited ──withdraw──▶ valid
///      └────rescind─────┘ └──delete── context, callingArea ◀──create, remap── valid
/// ```
/// Every change between them goes through `claimed`, except pins and calling areas, which are one step.
public struct PageState: RawRepresentable, Equatable, Sendable {
  /// The four bits.
  public let rawValue: UInt8

  /// The state in the low four bits of `rawValue`.
  @inline(__always) public init(rawValue: UInt8) { self.rawValue = rawValue & 0xF }

  /// No memory of the guest.
  public static var outside: PageState { PageState(rawValue: 0) }
  /// The guest's, not validated: shared, or not yet used.
  public static var invalid: PageState { PageState(rawValue: 1) }
  /// The guest's, private, with full rights.
  public static var valid: PageState { PageState(rawValue: 2) }
  /// The kernel's own.
  public static var kernel: PageState { PageState(rawValue: 3) }
  /// Given to the kernel by DEPOSIT_MEM.
  public static var deposited: PageState { PageState(rawValue: 4) }
  /// The saved state of a registered vCPU.
  public static var context: PageState { PageState(rawValue: 5) }
  /// In the hands of one CPU that changes it: BUSY for everybody else.
  public static var claimed: PageState { PageState(rawValue: 6) }
  /// A registered vCPU's calling area; private, the guest has full rights.
  public static var callingArea: PageState { PageState(rawValue: 7) }
  /// Rescinded, but not every CPU has acknowledged the loss of rights.
  public static var withheld: PageState { PageState(rawValue: 11) }

  /// Pins that a page can have at a time.
  public static var maximumPins: UInt8 { 3 }

  /// Whether somebody reads or writes a valid page or calling area just now.
  @inline(__always) public var isPinned: Bool {
    rawValue & 8 != 0 && rawValue & 3 < Self.maximumPins
  }
  /// Whether the page is valid, pinned or not.
  @inline(__always) public var isValid: Bool {
    self == .valid || (isPinned && rawValue & 4 == 0)
  }
  /// Whether the page is a calling area, pinned or not.
  @inline(__always) public var isCallingArea: Bool {
    self == .callingArea || (isPinned && rawValue & 4 != 0)
  }
  /// Whether the page is nothing that a guest may name: no memory, the kernel's, or a vCPU's.
  @inline(__always) public var isProtected: Bool {
    self == .outside || self == .kernel || self == .deposited || self == .context || isCallingArea
  }

  /// The state with one more pin; nil if it can't have one.
  @inline(__always) var pinned: PageState? {
    if self == .valid { return PageState(rawValue: 8) }
    if self == .callingArea { return PageState(rawValue: 12) }
    guard isPinned, rawValue & 3 < Self.maximumPins &- 1 else { return nil }
    return PageState(rawValue: rawValue &+ 1)
  }
  /// The state with one pin less; nil if it has none.
  @inline(__always) var unpinned: PageState? {
    guard isPinned else { return nil }
    if rawValue & 3 != 0 { return PageState(rawValue: rawValue &- 1) }
    return rawValue & 4 == 0 ? .valid : .callingArea
  }
  /// A valid page as a calling area, its pins kept; nil for any other.
  @inline(__always) var asCallingArea: PageState? {
    if self == .valid { return .callingArea }
    return isPinned && rawValue & 4 == 0 ? PageState(rawValue: rawValue | 4) : nil
  }
  /// A calling area as a valid page, its pins kept; nil for any other.
  @inline(__always) var asValid: PageState? {
    if self == .callingArea { return .valid }
    return isPinned && rawValue & 4 != 0 ? PageState(rawValue: rawValue & ~4) : nil
  }
  /// The state in all sixteen places of a word.
  @inline(__always) var everywhere: UInt64 { UInt64(rawValue) &* 0x1111_1111_1111_1111 }
}
