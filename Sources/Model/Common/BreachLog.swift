// BreachLog: what the guest or SVSM did that hardware would let pass but this model counts against it.

/// Which discipline was broken.
public struct BreachRule: RawRepresentable, Hashable, Sendable {
  /// The number of the rule in Sources/Model/README.md.
  public let rawValue: UInt8

  /// The rule numbered `rawValue`.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A VMPL went down, or a call was answered, while a reduction of rights was not flushed everywhere.
  public static let openRevocation = BreachRule(rawValue: 1)
  /// RMPADJUST touched the VMSA that a CPU is running.
  public static let runningVMSAAdjusted = BreachRule(rawValue: 2)
  /// PVALIDATE found CF=1: the page's state is not what the SVSM believed.
  public static let validationMismatch = BreachRule(rawValue: 3)
  /// A guest used an instruction stream, or page tables, that lie in shared memory.
  public static let sharedCodeOrTables = BreachRule(rawValue: 4)
  /// A page was accepted that was accepted before.
  public static let alreadyAccepted = BreachRule(rawValue: 5)
  /// An access used a translation whose right had been taken away and not yet flushed.
  public static let staleTranslationUsed = BreachRule(rawValue: 6)
  /// A leaf or instruction was given memory operands that were not accepted before.
  public static let pendingOperand = BreachRule(rawValue: 7)
  /// L1 wrote EFER (tdx.md G.70).
  public static let eferWritten = BreachRule(rawValue: 8)
}

/// One recorded breach.
public struct Breach: Equatable, Sendable {
  /// The rule that was broken.
  public var rule: BreachRule
  /// The CPU that broke it.
  public var cpu: Int
  /// The VMPL, or the VM index under TDX.
  public var level: UInt8
  /// The guest page concerned.
  public var page: GuestPage

  /// A breach of `rule`.
  public init(rule: BreachRule, cpu: Int, level: UInt8, page: GuestPage) {
    self.rule = rule
    self.cpu = cpu
    self.level = level
    self.page = page
  }
}

/// The first breaches of a run, a fixed number, and the count of all.
public struct BreachLog: Equatable, Sendable {
  /// The first breaches, in order, at most `capacity`.
  public private(set) var first: [Breach] = []
  /// How many there were, saturating.
  public private(set) var count: UInt32 = 0
  /// How many are kept.
  public let capacity: Int

  /// A log that keeps `capacity` breaches.
  public init(capacity: Int = 64) {
    self.capacity = max(0, capacity)
    first.reserveCapacity(self.capacity)
  }

  /// Notes a breach.
  public mutating func note(_ breach: Breach) {
    if first.count < capacity { first.append(breach) }
    if count < .max { count &+= 1 }
  }

  /// Forgets all.
  public mutating func removeAll() {
    first.removeAll(keepingCapacity: true)
    count = 0
  }
}
