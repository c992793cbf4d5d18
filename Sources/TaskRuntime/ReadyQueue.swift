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
///
/// A queue of one is a word (`lone`): two tasks that wake each other never touch the lists.
public struct ReadyQueue<Lists: ReadyLists> {
  /// Levels of urgency.
  public static var levels: Int { 8 }
  /// How many more urgent newcomers may overtake in one pass.
  public static var overtakesPerPass: Int { 64 }

  /// The only ready node; the lists are empty then.
  ///
  /// The first word: the entry code looks here too.
  var lone: Lists.Node?
  /// Levels that have a node: incoming in bits 7:0, batch in bits 15:8.
  ///
  /// The second word: the entry code's too.
  var mask: UInt32 = 0
  /// Lists 0–7 of the two sides: where newcomers go, and where the round takes from.
  ///
  /// These, the next and the one behind it are the entry code's too.
  var incoming: Lists
  var batch: Lists
  /// The list of the batch's most urgent level, kept while the round lasts.
  var batchPlace: Lists.Place
  /// The incoming levels that come before that one; all while no round is under way.
  var urgentLevels: UInt32 = .max
  var overtakes: Int

  /// A queue over two times eight empty lists.
  public init(_ first: Lists, _ second: Lists) {
    incoming = first
    batch = second
    batchPlace = second.place(of: 0)
    overtakes = Self.overtakesPerPass
  }

  /// Whether nothing is ready.
  @inline(__always) public var isEmpty: Bool { mask == 0 && lone == nil }

  /// Puts a node at the end of its level.
  ///
  /// Constant time.
  @inline(__always) public mutating func push(_ node: Lists.Node) {
    // Two tasks that wake each other: what they pass should be one straight line.
    if _fastPath(mask == 0), _fastPath(lone == nil) {
      lone = node
    } else {
      pushBesideOthers(node)
    }
  }

  @inline(never) private mutating func pushBesideOthers(_ node: Lists.Node) { pushToLists(node) }

  /// The same for a node that goes to the back of the round even when it is alone.
  @inline(__always) public mutating func pushToLists(_ node: Lists.Node) {
    if let first = lone {
      lone = nil
      append(first)
    }
    append(node)
  }

  @inline(__always) private mutating func append(_ node: Lists.Node) {
    incoming.append(node)
    mask |= 1 &<< UInt32(truncatingIfNeeded: node.level)
  }

  /// Takes the only ready node, if there is just one and it is in no list.
  @inline(__always) public mutating func popLone() -> Lists.Node? {
    guard let node = lone else { return nil }
    lone = nil
    return node
  }

  /// Whether the round is over.
  @inline(__always) public var isRoundOver: Bool { mask < 0x100 }

  /// Incoming levels below the batch's lowest set bit.
  ///
  /// *Requires*: the round is not over.
  @inline(__always) public var moreUrgent: UInt32 { mask & urgentLevels }

  /// Whether a newcomer is more urgent than all of the batch and may still overtake it.
  @inline(__always) public var canOvertake: Bool { !isRoundOver && moreUrgent != 0 && overtakes > 0 }

  /// Transition (2): the batch's most urgent node.
  ///
  /// *Requires*: the round is not over. Constant time.
  @inline(__always) public mutating func popBatch() -> Lists.Node {
    let (node, wasLast) = batch.popFirst(of: batchPlace)
    if wasLast { endBatchLevel() }
    return node
  }

  /// A yield during a round: takes the batch's most urgent node and puts `node` behind what is ready.
  ///
  /// *Requires*: the round is not over. Constant time.
  @inline(__always) public mutating func exchangeBatch(_ node: Lists.Node) -> Lists.Node {
    let (first, wasLast) = batch.popFirst(of: batchPlace)
    if _slowPath(wasLast) {
      endBatchLevel()
      // The two are all there is: from here on they take turns without the lists.
      if mask == 0 {
        lone = node
        return first
      }
    }
    append(node)
    return first
  }

  // The batch's most urgent level has become empty.
  @inline(__always) private mutating func endBatchLevel() {
    let batchMask = mask &>> 8
    let rest = batchMask & (batchMask &- 1)
    mask = mask & 0xFF | rest &<< 8
    if rest != 0 { noteBatch() } else { urgentLevels = .max }
  }

  @inline(__always) private mutating func noteBatch() {
    let batchMask = mask &>> 8
    batchPlace = batch.place(of: batchMask.trailingZeroBitCount)
    urgentLevels = (batchMask & (0 &- batchMask)) &- 1
  }

  /// Transition (3).
  ///
  /// *Requires*: `canOvertake`. Constant time.
  public mutating func overtake() -> Lists.Node {
    overtakes &-= 1
    let level = moreUrgent.trailingZeroBitCount
    let (node, wasLast) = incoming.popFirst(of: incoming.place(of: level))
    if wasLast { mask &= ~(1 &<< UInt32(truncatingIfNeeded: level)) }
    return node
  }

  /// Transition (1): everything ready becomes the batch.
  ///
  /// *Requires*: the round is over. Constant time.
  @inline(__always) public mutating func beginRound() {
    swap(&incoming, &batch)
    mask = mask &<< 8
    noteBatch()
  }

  /// Whether at most one node is ready, and in no list: rounds of one, which need no lists.
  @inline(__always) public var isLoneRound: Bool { mask == 0 }

  /// A yield while `isLoneRound`: who runs next, the lone node or `node` itself; nil if the lists must decide.
  @inline(__always) public mutating func exchangeLone(_ node: Lists.Node) -> Lists.Node? {
    guard let other = lone else { return node }
    guard other.level <= node.level else { return nil }
    lone = node
    return other
  }

  /// Allows overtaking again, at the beginning of a pass.
  @inline(__always) public mutating func renewOvertakes() { overtakes = Self.overtakesPerPass }
}

/// Eight first-in first-out lists: the CPU's table on bare metal, an array of objects in tests.
public protocol ReadyLists {
  /// What the lists hold.
  associatedtype Node: ReadyNode
  /// One of the lists: kept while a round takes from it, so that finding it is done once.
  associatedtype Place
  /// List `index`, 0 to 7.
  func place(of index: Int) -> Place
  /// Puts a node, which is in no list, at the end of its level's.
  mutating func append(_ node: Node)
  /// Takes the first node of a list of these, which is not empty; true with the last one.
  mutating func popFirst(of place: Place) -> (task: Node, wasLast: Bool)
}
