// CPUSet: up to 64 CPUs as one word.

/// A set of CPUs numbered 0 to 63.
public struct CPUSet: Hashable, Sendable {
  /// Bit n is CPU n.
  public private(set) var bits: UInt64

  /// The most CPUs a model can have.
  public static let capacity = 64

  /// No CPU.
  public init() { bits = 0 }

  /// CPUs 0 to `count` - 1.
  public init(first count: Int) {
    bits = count >= 64 ? .max : (1 << UInt64(max(0, count))) &- 1
  }

  /// Just `cpu`; nothing if it is out of range.
  public init(_ cpu: Int) {
    bits = cpu >= 0 && cpu < 64 ? 1 << UInt64(cpu) : 0
  }

  /// Whether no CPU is in the set.
  public var isEmpty: Bool { bits == 0 }

  /// Whether `cpu` is in the set.
  public func contains(_ cpu: Int) -> Bool { !CPUSet(cpu).isDisjoint(with: self) }

  /// Whether the sets share no CPU.
  public func isDisjoint(with other: CPUSet) -> Bool { bits & other.bits == 0 }

  /// Puts `cpu` in.
  public mutating func insert(_ cpu: Int) { bits |= CPUSet(cpu).bits }

  /// Takes `cpu` out.
  public mutating func remove(_ cpu: Int) { bits &= ~CPUSet(cpu).bits }
}
