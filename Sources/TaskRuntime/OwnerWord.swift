// OwnerWord: what a CPU is doing and which flush generation it has seen, in one word.

/// What the owner of a line is doing.
public struct OwnerState: RawRepresentable, Equatable, Sendable {
  /// The state's two bits.
  public let rawValue: UInt64

  /// The state in the two low bits of `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue & 3 }

  /// Running tasks: it reads its inbox before it rests, so no kick is needed.
  public static var running: OwnerState { OwnerState(rawValue: 0) }
  /// Halted, or about to: a message needs a kick.
  public static var halting: OwnerState { OwnerState(rawValue: 1) }
  /// In its guest, or about to enter: a message needs a kick.
  public static var inGuest: OwnerState { OwnerState(rawValue: 2) }
  /// Not taking part, never started or left out: it handles no messages.
  public static var out: OwnerState { OwnerState(rawValue: 3) }
}

/// The word each CPU publishes: its state and the last generation for which it flushed its TLB.
///
/// ```
///            1 rest            3 message
///   running ─────────▶ halting ─────────▶ running
///            2 enterGuest      4 exit, kick
///   running ─────────▶ inGuest ─────────▶ running      5 out ──▶ running (start)
/// ```
/// halting, inGuest and out are extended quiescent states: entering one is a full fence; leaving one compares generations
/// and flushes before any dynamic mapping is touched.
public struct OwnerWord: Equatable, Sendable {
  /// The word as it stands in memory: state in bits 1:0, generation above.
  public let raw: UInt64

  /// The word read from memory.
  public init(raw: UInt64) { self.raw = raw }

  /// A word of both parts.
  public init(_ state: OwnerState, generation: UInt64) { raw = generation << 2 | state.rawValue }

  /// What the CPU is doing.
  public var state: OwnerState { OwnerState(rawValue: raw) }
  /// The generation it has flushed for.
  public var generation: UInt64 { raw >> 2 }
  /// Whether the CPU touches no dynamic mapping before it has compared generations.
  public var isQuiescent: Bool { state != .running }
}
