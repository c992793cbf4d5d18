// TimerQueue: one CPU's armed timers, in a hierarchical wheel with exact expiry.

/// One CPU's timers: insert and cancel in constant time, expiry in deadline order, never early.
///
/// Eleven levels of 64 slots cover all 64-bit deadlines. A node sits at the level of the highest 6-bit digit in
/// which its deadline differs from `current`, in the slot of that digit; a slot of level 0 is one exact tick.
/// Hence, at every level, occupied slots lie above `current`'s digit, and the first occupied slot of the lowest
/// occupied level holds the earliest deadline: two bit scans find it.
///
/// States of a node:
/// 1. unarmed → armed at some level: `insert`
/// 2. armed at level n → armed at a lower level: a pass reaches the start of its slot (at most ten times)
/// 3. armed at level 0 → unarmed: `nextExpired` returns it
/// 4. armed anywhere → unarmed: `cancel`
///
/// *May be called from*: the owner CPU's executor only (owner rule).
/// *Guarantees*: no allocation; every call but `nextExpired` touches at most three nodes (`nextDeadline`: 8).
public struct TimerQueue<Node: TimerNode>: ~Copyable {
  /// How many nodes of a shared slot `nextDeadline` looks at before it answers the slot's start.
  static var scanLimit: Int { 8 }

  private var heads: InlineArray<704, Node?>
  private var occupied: InlineArray<11, UInt64>
  /// Bit n: level n has an occupied slot.
  private var levels: UInt32 = 0
  /// The slot whose nodes are being moved down, or `TimerSlot.unarmed`.
  private var cascading: UInt32 = TimerSlot.unarmed
  /// The tick that expiry has reached: every node due before it has been handed out.
  public private(set) var current: UInt64
  /// How many nodes are armed.
  public private(set) var count: Int = 0

  /// An empty queue whose clock reads `now`.
  public init(now: UInt64 = 0) {
    heads = InlineArray(repeating: nil)
    occupied = InlineArray(repeating: 0)
    current = now
  }

  /// Arms `node` for tick `deadline`; a node that is armed already moves.
  ///
  /// A deadline that `current` has passed is due at the next pass. Re-check the clock after arming the hardware:
  /// the deadline may have gone by meanwhile.
  public mutating func insert(_ node: Node, deadline: UInt64) {
    if node.timerSlot != TimerSlot.unarmed { unlink(node) } else { count &+= 1 }
    node.deadline = deadline
    place(node)
  }

  /// Disarms `node`; false if it was not armed.
  @discardableResult
  public mutating func cancel(_ node: Node) -> Bool {
    guard node.timerSlot != TimerSlot.unarmed else { return false }
    unlink(node)
    count &-= 1
    return true
  }

  /// The tick at which a pass must be made, nil if nothing is armed; never later than the earliest deadline.
  ///
  /// It is the earliest deadline itself whenever at most 8 nodes share its slot (always, once the deadline is
  /// within 64 ticks); else the start of that slot, where a pass spreads the nodes and answers again.
  @inline(__always) public func nextDeadline() -> UInt64? {
    if cascading != TimerSlot.unarmed, heads[Int(cascading)] != nil { return current }
    guard levels != 0 else { return nil }
    let level = levels.trailingZeroBitCount
    let start = startOfSlot(level, occupied[level].trailingZeroBitCount)
    guard level > 0, let head = heads[level &* 64 &+ occupied[level].trailingZeroBitCount] else {
      return start
    }
    var earliest = head.deadline
    var node = head
    for _ in 0..<Self.scanLimit {
      guard let next = node.timerNext else { return start }
      if next == head { return earliest }
      earliest = min(earliest, next.deadline)
      node = next
    }
    return start
  }

  /// Disarms and returns the earliest node due at or before tick `now`, or nil.
  ///
  /// Each node returned or moved down a level takes one from `budget`; nil with nothing left in `budget` means that
  /// due nodes may remain. Nodes come in order of deadline; one armed for a tick already passed counts as due at the
  /// `current` of its insertion; equal deadlines come in no stated order.
  public mutating func nextExpired(now: UInt64, budget: inout Int) -> Node? {
    while budget > 0 {
      if cascading != TimerSlot.unarmed {
        if let node = heads[Int(cascading)] {
          unlink(node)
          place(node)
          budget &-= 1
          continue
        }
        cascading = TimerSlot.unarmed
      }
      let level = levels.trailingZeroBitCount
      guard level < 11 else { break }
      let digit = occupied[level].trailingZeroBitCount
      let start = startOfSlot(level, digit)
      guard start <= now else { break }
      // The slot found is the earliest, so nothing lies between `current` and its start.
      current = start
      if level > 0 {
        cascading = UInt32(truncatingIfNeeded: level &* 64 &+ digit)
        continue
      }
      guard let node = heads[digit] else { break }
      unlink(node)
      count &-= 1
      budget &-= 1
      return node
    }
    // No occupied slot starts at or before `now`, so every node keeps its level seen from there.
    if budget > 0 { current = max(current, now) }
    return nil
  }

  /// Hands every node due at or before tick `now` to `body`, at most `limit` steps; true if due nodes may remain.
  public mutating func expire(now: UInt64, limit: Int, _ body: (Node) -> Void) -> Bool {
    var budget = limit
    while let node = nextExpired(now: now, budget: &budget) { body(node) }
    return budget <= 0
  }

  private func startOfSlot(_ level: Int, _ digit: Int) -> UInt64 {
    let shift = UInt64(truncatingIfNeeded: level &* 6)
    let above = current & (UInt64.max << (shift &+ 6))
    return above | (UInt64(truncatingIfNeeded: digit) << shift)
  }

  private mutating func place(_ node: Node) {
    let due = max(node.deadline, current)
    let highestBit = 63 &- ((due ^ current) | 1).leadingZeroBitCount
    let level = (highestBit &* 43) &>> 8  // highestBit / 6 for 0...63
    let digit = Int(truncatingIfNeeded: (due >> UInt64(truncatingIfNeeded: level &* 6)) & 63)
    let slot = level &* 64 &+ digit
    node.timerSlot = UInt32(truncatingIfNeeded: slot)
    if let head = heads[slot], let tail = head.timerPrevious {
      node.timerNext = head
      node.timerPrevious = tail
      tail.timerNext = node
      head.timerPrevious = node
    } else {
      node.timerNext = node
      node.timerPrevious = node
      heads[slot] = node
      occupied[level] |= 1 &<< UInt64(truncatingIfNeeded: digit)
      levels |= 1 &<< UInt32(truncatingIfNeeded: level)
    }
  }

  private mutating func unlink(_ node: Node) {
    let slot = Int(truncatingIfNeeded: node.timerSlot)
    guard slot < 704, let next = node.timerNext, let previous = node.timerPrevious else { return }
    if next == node {
      let level = slot &>> 6
      heads[slot] = nil
      occupied[level] &= ~(1 &<< UInt64(truncatingIfNeeded: slot & 63))
      if occupied[level] == 0 { levels &= ~(1 &<< UInt32(truncatingIfNeeded: level)) }
    } else {
      previous.timerNext = next
      next.timerPrevious = previous
      if heads[slot] == node { heads[slot] = next }
    }
    node.timerNext = nil
    node.timerPrevious = nil
    node.timerSlot = TimerSlot.unarmed
  }
}
