// ProcessorList: the CPUs a platform says it has, by local APIC id.

/// A local APIC id: 8 bits in xAPIC mode, 32 in x2APIC mode, with gaps as the platform likes.
public struct APICID: Equatable, Comparable, Sendable, RawRepresentable {
  /// The id.
  public var rawValue: UInt32
  /// Id `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// Order by id.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// At most 120 CPUs, the boot CPU first.
///
/// 120 is what the mailbox page of the trampoline holds.
public struct ProcessorList: Sendable {
  /// How many CPUs are kept.
  public static var capacity: Int { 120 }
  private var ids = InlineArray<120, UInt32>(repeating: 0)
  /// CPUs kept, at least 1.
  public private(set) var count = 1
  /// CPUs that the platform listed beyond the capacity.
  public private(set) var omitted = 0

  /// A list of the boot CPU alone.
  public init(boot: APICID) { ids[0] = boot.rawValue }

  /// Adds a CPU; one that is listed already (the boot CPU always is) is not added again.
  public mutating func add(_ id: APICID) {
    for index in 0..<count where ids[index] == id.rawValue { return }
    guard count < Self.capacity else {
      omitted &+= 1
      return
    }
    ids[count] = id.rawValue
    count &+= 1
  }

  /// Marks a CPU that the platform listed but that this kernel can't address.
  public mutating func omit() { omitted &+= 1 }

  /// The APIC id of `cpu`, nil beyond `count`.
  public subscript(_ cpu: CPUIndex) -> APICID? {
    cpu.rawValue < UInt32(truncatingIfNeeded: count) ? APICID(rawValue: ids[Int(cpu.rawValue)]) : nil
  }
}
