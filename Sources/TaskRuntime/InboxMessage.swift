// InboxMessage: what one CPU tells another about a task, packed in a word.

/// A message to a task's owner: the address of the task's header and, in its two low bits, the kind.
///
/// A node is in an inbox at most once for each kind, by construction: a park has one wake right, the first canceller claims
/// the cancellation, and only the owner hands a task over. So a kind needs one link word in the header, and a push can't fail.
public struct InboxMessage: Equatable, Sendable {
  /// What the owner is to do.
  public struct Kind: RawRepresentable, Equatable, Sendable {
    /// The kind's two bits.
    public let rawValue: UInt64

    /// The kind in the two low bits of `rawValue`.
    public init(rawValue: UInt64) { self.rawValue = rawValue & 3 }

    /// The task's wait is over: make it ready.
    public static var wake: Kind { Kind(rawValue: 0) }
    /// The task has been cancelled: set its flag, end its wait.
    public static var cancel: Kind { Kind(rawValue: 1) }
    /// The task, suspended, is handed to the receiving CPU, which is its owner from now on.
    public static var adopt: Kind { Kind(rawValue: 2) }
    /// Free for the board's use.
    public static var spare: Kind { Kind(rawValue: 3) }
  }

  /// The message as it stands in an inbox: never zero.
  public let word: UInt64

  /// The message that `word` holds; nil for zero, which ends a list.
  public init?(word: UInt64) {
    guard word != 0 else { return nil }
    self.word = word
  }

  /// A message about the node at `address`, a non-zero multiple of four; nil for any other.
  public init?(_ kind: Kind, node address: UInt64) {
    guard address != 0, address & 3 == 0 else { return nil }
    word = address | kind.rawValue
  }

  /// What the owner is to do.
  public var kind: Kind { Kind(rawValue: word) }
  /// The address of the task's header.
  public var node: UInt64 { word & ~3 }
}
