// TDXSchedule: when a TD's host lets each vCPU run for the first time, and whether it delivers interrupts.

/// A host's choices that no guest may rely on.
public struct TDXSchedule: Equatable, Sendable {
  /// A vCPU that is never entered; 0 means none, since without vCPU 0 nothing boots.
  public var absent = 0
  /// A vCPU that is entered for the first time `lateMicroseconds` after the others; 0 means none.
  public var late = 0
  /// How much later.
  public var lateMicroseconds: UInt64 = 1_000_000
  /// If not 0: each vCPU but the first is entered for the first time up to 50 ms after the start, by this seed.
  public var seed: UInt64 = 0
  /// Whether interrupts between vCPUs are dropped.
  public var dropsInterrupts = false

  /// All at once, all interrupts delivered.
  public init() {}

  /// Microseconds from the start of the machine to the first entry of vCPU `index`; nil for never.
  func firstEntry(_ index: Int) -> UInt64? {
    guard index > 0 else { return 0 }
    if index == absent { return nil }
    if index == late { return lateMicroseconds }
    guard seed != 0 else { return 0 }
    // SplitMix64's finaliser.
    var value = seed &+ UInt64(truncatingIfNeeded: index) &* 0x9E37_79B9_7F4A_7C15
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return (value ^ (value >> 31)) % 50_000
  }
}
