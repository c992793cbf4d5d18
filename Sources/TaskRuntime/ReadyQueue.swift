// ReadyQueue: the tasks that can run now, in eight levels, served in rounds.

/// Ready tasks by level, served in rounds.
///
/// A round is a snapshot: the tasks that were ready when it began. Within a round the most urgent
/// level goes first. A task made ready during the round waits for the next one, so that no set of
/// tasks that keep waking each other can starve another (I3); a *more urgent* one may overtake, at
/// most `overtakesPerPass` times between two passes.
///
/// ```
/// push ──▶ incoming[level] ──(1) new round: the sides change names──▶ batch[level] ──(2) pop──▶ runs
///                │                                                                          ▲
///                └──────────────────(3) overtake: more urgent than the batch's best ────────┘
/// ```
public struct ReadyQueue<Lists: ReadyLists> {
  /// Levels of urgency.
  public static var levels: Int { 8 }
  /// How many more urgent newcomers may overtake in one pass.
  public static var overtakesPerPass: Int { 64 }

  /// Both sides: lists 0–7 and 8–15; `side` (0 or 8) says where the incoming ones begin.
  var lists: Lists
  var side: Int = 0
  var incomingMask: UInt32 = 0
  var batchMask: UInt32 = 0
  var overtakes: Int

  /// A queue over sixteen empty lists.
  public init(lists: Lists) {
    self.lists = lists
    overtakes = Self.overtakesPerPass
  }

  /// Whether nothing is ready.
  @inline(__always) public var isEmpty: Bool { incomingMask | batchMask == 0 }

  /// Puts a node at the end of its level. Constant time.
  @inline(__always) public mutating func push(_ node: Lists.Node) {
    let level = node.level
    lists.append(node, to: Int(level) | side)
    incomingMask |= 1 &<< UInt32(truncatingIfNeeded: level)
  }

  /// Incoming levels below the batch's lowest set bit; none if the batch is empty.
  @inline(__always) public var moreUrgent: UInt32 {
    batchMask == 0 ? 0 : (batchMask &- 1) & ~batchMask & incomingMask
  }

  /// Whether a newcomer is more urgent than all of the batch and may still overtake it.
  @inline(__always) public var canOvertake: Bool { moreUrgent != 0 && overtakes > 0 }

  /// Whether the round is over.
  @inline(__always) public var isRoundOver: Bool { batchMask == 0 }

  /// Transition (2): the batch's most urgent node. *Requires*: the round is not over. Constant time.
  @inline(__always) public mutating func popBatch() -> Lists.Node {
    let (node, wasLast) = lists.popFirst(of: batchMask.trailingZeroBitCount | (side ^ 8))
    if wasLast { batchMask &= batchMask &- 1 }
    return node
  }

  /// Transition (3). *Requires*: `canOvertake`. Constant time.
  public mutating func overtake() -> Lists.Node {
    overtakes &-= 1
    let level = moreUrgent.trailingZeroBitCount
    let (node, wasLast) = lists.popFirst(of: level | side)
    if wasLast { incomingMask &= ~(1 &<< UInt32(truncatingIfNeeded: level)) }
    return node
  }

  /// Transition (1): everything ready becomes the batch. *Requires*: the round is over. Constant time.
  @inline(__always) public mutating func beginRound() {
    side ^= 8
    batchMask = incomingMask
    incomingMask = 0
  }

  /// Allows overtaking again, at the beginning of a pass.
  @inline(__always) public mutating func renewOvertakes() { overtakes = Self.overtakesPerPass }
}

/// Sixteen first-in first-out lists: the CPU's table on bare metal, an array of objects in tests.
public protocol ReadyLists {
  /// What the lists hold.
  associatedtype Node: ReadyNode
  /// Puts a node, which is in no list, at the end of list `index` (0 to 15).
  mutating func append(_ node: Node, to index: Int)
  /// Takes the first node of list `index`, which is not empty; true with the last one.
  mutating func popFirst(of index: Int) -> (task: Node, wasLast: Bool)
}
