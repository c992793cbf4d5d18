// ReadyQueue: the tasks that can run now, in eight levels, served in rounds.

/// A node that can stand in a ready queue: a task header, or an object of a test.
public protocol ReadyNode: Equatable {
  /// The link to the next node of the same list.
  var next: Self? { get nonmutating set }
  /// The level, 0 (most urgent) to 7.
  var level: UInt8 { get }
}

/// A first-in first-out list of nodes linked through themselves.
@frozen public struct NodeList<Node: ReadyNode> {
  @usableFromInline var head: Node?
  @usableFromInline var tail: Node?

  /// An empty list.
  @inlinable public init() {}

  /// Whether no node is in the list.
  @inlinable public var isEmpty: Bool { head == nil }

  /// Puts a node, which is in no list, at the end.
  @inline(__always) @inlinable public mutating func append(_ node: Node) {
    node.next = nil
    if let last = tail { last.next = node } else { head = node }
    tail = node
  }

  /// Takes the first node out.
  @inline(__always) @inlinable public mutating func popFirst() -> Node? {
    guard let first = head else { return nil }
    head = first.next
    if head == nil { tail = nil }
    return first
  }

  /// Takes a given node out, wherever it stands; false if it is not there. O(length).
  @inlinable public mutating func remove(_ node: Node) -> Bool {
    var previous: Node?
    var cursor = head
    while let here = cursor {
      if here == node {
        if let before = previous { before.next = here.next } else { head = here.next }
        if here.next == nil { tail = previous }
        here.next = nil
        return true
      }
      previous = here
      cursor = here.next
    }
    return false
  }
}

/// Ready tasks by level, served in rounds.
///
/// A round is a snapshot: the tasks that were ready when it began. Within a round the most urgent
/// level goes first. A task made ready during the round waits for the next one, so that no set of
/// tasks that keep waking each other can starve another (I3); a *more urgent* one may overtake, at
/// most `overtakesPerRound` times.
///
/// ```
/// push ──▶ incoming[level] ──(1) new round: lists move──▶ batch[level] ──(2) pop──▶ runs
///                │                                                                 ▲
///                └──────────────(3) overtake: more urgent than the batch's best ───┘
/// ```
@frozen public struct ReadyQueue<Node: ReadyNode> {
  /// Levels of urgency.
  public static var levels: Int { 8 }

  @usableFromInline var incoming: InlineArray<8, NodeList<Node>>
  @usableFromInline var batch: InlineArray<8, NodeList<Node>>
  @usableFromInline var incomingMask: UInt32 = 0
  @usableFromInline var batchMask: UInt32 = 0
  @usableFromInline var overtakes: Int = 0
  /// How many more urgent newcomers may overtake in one round.
  public let overtakesPerRound: Int

  /// An empty queue.
  @inlinable public init(overtakesPerRound: Int = 64) {
    incoming = InlineArray(repeating: NodeList())
    batch = InlineArray(repeating: NodeList())
    self.overtakesPerRound = overtakesPerRound
  }

  /// Whether nothing is ready.
  @inline(__always) @inlinable public var isEmpty: Bool { incomingMask | batchMask == 0 }

  /// Puts a node at the end of its level. Transition (push). Constant time.
  @inline(__always) @inlinable public mutating func push(_ node: Node) {
    let level = Int(node.level & 7)
    incoming[level].append(node)
    incomingMask |= 1 << UInt32(truncatingIfNeeded: level)
  }

  /// The next node of this round, or nil when the round is over. Constant time.
  @inline(__always) @inlinable public mutating func pop() -> Node? {
    // Incoming levels below the lowest set batch bit are more urgent than all of the batch.
    let moreUrgent = (batchMask &- 1) & ~batchMask & incomingMask
    if moreUrgent != 0 { return overtake(moreUrgent) }
    return popBatch()
  }

  @inline(__always) @usableFromInline mutating func popBatch() -> Node? {
    guard batchMask != 0 else { return nil }
    let level = batchMask.trailingZeroBitCount & 7
    guard let node = batch[level].popFirst() else { return nil }
    if batch[level].isEmpty { batchMask &= batchMask &- 1 }
    return node
  }

  /// Transition (3), bounded; also reached when the batch is empty, where it ends the round.
  @inline(never) @usableFromInline mutating func overtake(_ moreUrgent: UInt32) -> Node? {
    guard batchMask != 0 else { return nil }
    guard overtakes > 0 else { return popBatch() }
    overtakes &-= 1
    let level = moreUrgent.trailingZeroBitCount & 7
    let node = incoming[level].popFirst()
    if incoming[level].isEmpty { incomingMask &= ~(1 << UInt32(truncatingIfNeeded: level)) }
    return node
  }

  /// Begins a round: everything ready becomes the batch. Transition (1). Call when `pop` gave nil.
  @inlinable public mutating func beginRound() {
    overtakes = overtakesPerRound
    var mask = incomingMask
    while mask != 0 {
      let level = mask.trailingZeroBitCount & 7
      batch[level] = incoming[level]
      incoming[level] = NodeList()
      mask &= mask &- 1
    }
    batchMask = incomingMask
    incomingMask = 0
  }
}
