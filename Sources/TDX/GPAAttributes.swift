// GPAAttributes: what one L2 virtual machine may do with one guest page.

/// The 16-bit attributes of one VM, four of which make up RDX of TDG.MEM.PAGE.ATTR.RD and WR.
///
/// Source: TDX module 1.5.01 (reference tdx.md B.4).
public struct GPAAttributes: OptionSet, Hashable, Sendable {
  /// The 16 bits.
  public let rawValue: UInt16

  /// The attributes `rawValue`.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// May be read.
  public static let read = GPAAttributes(rawValue: 1 << 0)
  /// May be written.
  public static let write = GPAAttributes(rawValue: 1 << 1)
  /// May be executed in supervisor mode, or at all without MBEC.
  public static let executeSupervisor = GPAAttributes(rawValue: 1 << 2)
  /// May be executed in user mode (with MBEC).
  public static let executeUser = GPAAttributes(rawValue: 1 << 3)
  /// Guest paging is verified.
  public static let verifyGuestPaging = GPAAttributes(rawValue: 1 << 4)
  /// Paging-write access.
  public static let pagingWrite = GPAAttributes(rawValue: 1 << 5)
  /// Supervisor shadow stack.
  public static let supervisorShadowStack = GPAAttributes(rawValue: 1 << 6)
  /// Suppress #VE; a guest cannot set it.
  public static let suppressVE = GPAAttributes(rawValue: 1 << 7)
  /// The lane holds something.
  public static let valid = GPAAttributes(rawValue: 1 << 15)

  /// Read, write and both kinds of execute.
  public static let full: GPAAttributes = [.read, .write, .executeSupervisor, .executeUser]
  /// The bits that make an alias present.
  public static let presence: GPAAttributes = .full
  /// The bits a guest may set.
  public static let settable = GPAAttributes(rawValue: 0x807F)

  /// Whether any of read, write or execute is allowed.
  public var isPresent: Bool { !isDisjoint(with: .presence) }

  /// Lane `vm` (0 to 3) of the packed word.
  public init(lane vm: Int, of packed: UInt64) {
    rawValue = UInt16(truncatingIfNeeded: packed >> UInt64((vm & 3) * 16))
  }

  /// The attributes at lane `vm` of a packed word.
  public func packed(lane vm: Int) -> UInt64 { UInt64(rawValue) << UInt64((vm & 3) * 16) }
}
