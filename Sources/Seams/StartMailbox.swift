// StartMailbox: how a CPU is called, and the one word by which both sides agree whether it may join.

/// The states of a CPU's start record; each change is one compare-exchange, so that exactly one side wins.
///
/// ```
///            boot CPU                    the CPU itself
/// empty ──────────────▶ go ─────────────────────▶ started ──────────▶ online
///                        │  boot, limit passed       │ boot, limit passed
///                        ▼                           ▼
///                     revoked                     expelled
/// ```
/// A CPU that loses parks for ever on a page that never changes. Before `started` it has touched nothing but its
/// mailbox; before `online` nothing but what was set aside for it, which is never taken back.
public struct StartState: Equatable, Sendable, RawRepresentable {
  /// The word in the mailbox.
  public let rawValue: UInt32
  /// The state with that word.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The CPU was not called.
  public static let empty = Self(rawValue: 0)
  /// The CPU may start.
  public static let go = Self(rawValue: 1)
  /// The CPU has taken the call and is setting itself up.
  public static let started = Self(rawValue: 2)
  /// The CPU runs the kernel.
  public static let online = Self(rawValue: 3)
  /// The call was taken back: a CPU that comes now parks.
  public static let revoked = Self(rawValue: 4)
  /// The CPU took the call but did not get through: if it ever does, it parks.
  public static let expelled = Self(rawValue: 5)
}

/// The mailbox that start records lie in.
public protocol StartMailbox {
  /// The state of `cpu`.
  func state(of cpu: CPUIndex) -> StartState
  /// Changes the state of `cpu` if it is `expected`; says what it was.
  func exchange(_ cpu: CPUIndex, expected: StartState, with desired: StartState) -> StartState
  /// Whether `cpu` came too late and has parked.
  func hasParked(_ cpu: CPUIndex) -> Bool
}

/// How the boot CPU calls another one.
public protocol StartCaller {
  /// Whether a CPU must be called; false where all wait on their records by themselves.
  static var calls: Bool { get }
  /// INIT to `cpu`.
  func sendInit(_ cpu: CPUIndex)
  /// Start-up to `cpu`, at the trampoline.
  func sendStartUp(_ cpu: CPUIndex)
}

extension StartCaller {
  /// A CPU must be called.
  public static var calls: Bool { true }
}
