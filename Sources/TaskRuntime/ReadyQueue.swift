// ReadyQueue: the tasks that can run now, in eight levels, served in rounds.

/// Ready tasks by level, served in rounds.
///
/// A round is a snapshot: the tasks that were ready when it began. Within a round the most urgent
/// level goes first. A task made ready during the round waits for the next one, so that no set of
/// tasks that keep waking each other can starve another (I3); a *more urgent* one may overtake, at
/// most `overtakesPerRound` times.
///
/// ```
/// push ──▶ incoming[level] ──(1) new round: the sides change names──▶ batch[level] ──(2) pop──▶ runs
///                │                                                                          ▲
///                └──────────────────(3) overtake: more urgent than the batch's best ────────┘
/// ```
public struct ReadyQueue<Node: ReadyNode> {
  /// Levels of urgency.
  public static var levels: Int { 8 }
  /// How many more urgent newcomers may overtake in one round.
  public static var overtakesPerRound: Int { 64 }

  /// Both sides: lists 0–7 and 8–15; `side` says where the incoming ones begin.
  var lists: InlineArray<16, NodeList<Node>>
  var side: Int = 0
  var incomingMask: UInt32 = 0
  var batchMask: UInt32 = 0
  var overtakes: Int

  /// An empty queue.
  public init() {
    lists = InlineArray(repeating: NodeList())
    overtakes = Self.overtakesPerRound
  }

  /// Whether nothing is ready.
  @inline(__always) public var isEmpty: Bool { incomingMask | batchMask == 0 }

  /// Puts a node at the end of its level. Constant time.
  @inline(__always) public mutating func push(_ node: Node) {
    let level = Int(node.level & 7)
    lists[(level | side) & 15].append(node)
    incomingMask |= 1 << UInt32(truncatingIfNeeded: level)
  }

  /// Whether a newcomer is more urgent than all of the batch and may still overtake it.
  @inline(__always) public var canOvertake: Bool { moreUrgent != 0 && overtakes > 0 }

  /// Incoming levels below the batch's lowest set bit; none if the batch is empty.
  @inline(__always) var moreUrgent: UInt32 {
    batchMask == 0 ? 0 : (batchMask &- 1) & ~batchMask & incomingMask
  }

  /// The next node of this round, or nil when the round is over. Constant time.
  @inline(__always) public mutating func pop() -> Node? {
    if canOvertake { return overtake() }
    return popBatch()
  }

  /// Transition (2): the batch's most urgent node, whatever came in since.
  @inline(__always) public mutating func popBatch() -> Node? {
    guard batchMask != 0 else { return nil }
    return popKnownBatch()
  }

  /// The same when the batch is known not to be empty.
  @inline(__always) mutating func popKnownBatch() -> Node? {
    let index = (batchMask.trailingZeroBitCount | (side ^ 8)) & 15
    guard let node = lists[index].popFirst() else { return nil }
    if lists[index].isEmpty { batchMask &= batchMask &- 1 }
    return node
  }

  /// Transition (3). *Requires*: `canOvertake`.
  public mutating func overtake() -> Node? {
    overtakes &-= 1
    let level = moreUrgent.trailingZeroBitCount & 7
    let node = lists[level | side].popFirst()
    if lists[level | side].isEmpty { incomingMask &= ~(1 << UInt32(truncatingIfNeeded: level)) }
    return node
  }

  /// Begins a round: everything ready becomes the batch. Transition (1), constant time.
  ///
  /// *Requires*: `pop` gave nil.
  @inline(__always) public mutating func beginRound() {
    side ^= 8
    batchMask = incomingMask
    incomingMask = 0
    overtakes = Self.overtakesPerRound
  }
}
