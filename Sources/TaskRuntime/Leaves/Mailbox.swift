// Mailbox: a bounded queue of words from any CPU to a task of one CPU.
import Tasks

/// A queue of at most `Capacity` words (a power of two) from tasks of any CPU to one receiver.
///
/// Each slot has a turn number: a sender claims a ticket with one compare-exchange, writes the word and
/// passes the turn on with an exchange, which is also the fence between the word and the receiver's
/// waiting word. Whoever takes the receiver out of the waiting word has its wake right (I5).
public final class Mailbox<let Capacity: Int>: Sendable {
  /// Words 0…C−1: the queued words; C…2C−1: the slots' turns; then on lines of their own the tail, the
  /// receiver's waiting word (its handle while it waits, else 0) and the head, the receiver's own.
  private let cells = SharedWords(count: 2 &* Capacity &+ 24)
  private var tail: AtomicCell { cells[2 &* Capacity] }
  private var waiting: AtomicCell { cells[2 &* Capacity &+ 8] }
  private var head: AtomicCell { cells[2 &* Capacity &+ 16] }

  /// An empty mailbox.
  public init() {}

  private func word(_ ticket: UInt64) -> AtomicCell { cells[slot(ticket)] }
  private func turn(_ ticket: UInt64) -> AtomicCell { cells[Capacity &+ slot(ticket)] }
  private func slot(_ ticket: UInt64) -> Int { Int(truncatingIfNeeded: ticket % UInt64(Capacity)) }

  /// Queues `word` and wakes the receiver; from a task of any CPU.
  ///
  /// Throws `full` at once.
  public func send(_ word: UInt64) throws(WaitError) {
    var ticket = tail.loadRelaxed()
    while true {
      let turn = turn(ticket).loadAcquire()
      let lap = ticket / UInt64(Capacity)
      if turn != lap &* 2 {
        // Behind: the receiver has not emptied the slot. Ahead: another sender took the ticket.
        if turn < lap &* 2 { throw .full }
        ticket = tail.loadRelaxed()
        continue
      }
      let seen = tail.compareExchange(expected: ticket, desired: ticket &+ 1)
      if seen == ticket { break }
      ticket = seen
    }
    self.word(ticket).storeRelaxed(word)
    let lap = ticket / UInt64(Capacity)
    _ = turn(ticket).exchange(lap &* 2 &+ 1)
    if waiting.loadRelaxed() != 0 { wake() }
  }

  /// The next word if one is there.
  public func tryReceive() -> UInt64? {
    let ticket = head.loadRelaxed()
    let lap = ticket / UInt64(Capacity)
    guard turn(ticket).loadAcquire() == lap &* 2 &+ 1 else { return nil }
    let word = self.word(ticket).loadRelaxed()
    turn(ticket).storeRelease((lap &+ 1) &* 2)
    head.storeRelaxed(ticket &+ 1)
    return word
  }

  /// The next word, suspending until there is one.
  ///
  /// One receiver, always the same task or its successor.
  public nonisolated(nonsending) func receive() async throws(WaitError) -> UInt64 {
    try LeafWait.enter()
    while true {
      if let word = tryReceive() {
        await LeafWait.spend()
        return word
      }
      let task = TaskRef.running
      try LeafWait.enter()
      try LeafWait.begin(task)
      task.hasWakeArrived = false
      // The exchange is the fence before the second look.
      _ = waiting.exchange(task.word)
      if tryReceiveIsPossible {
        if waiting.exchange(0) == 0 { await takeWake(task) }
        continue
      }
      if let error = await waitForSender(task) { throw error }
    }
  }

  private var tryReceiveIsPossible: Bool {
    let ticket = head.loadRelaxed()
    return turn(ticket).loadAcquire() == (ticket / UInt64(Capacity)) &* 2 &+ 1
  }

  /// Parks until a sender's wake has arrived, or the wait is over and no sender had the wake right.
  private nonisolated(nonsending) func waitForSender(_ task: TaskRef) async -> WaitError? {
    await LeafWait.parkForWake(task)
    if task.hasWakeArrived { return nil }
    if waiting.exchange(0) != 0 { return LeafWait.reason(task) }
    await takeWake(task)
    return nil
  }

  /// A sender has the wake right: its message must be out of the inbox before the task waits again (I5).
  private nonisolated(nonsending) func takeWake(_ task: TaskRef) async {
    task.waitKind = WaitKind.leaf
    while !task.hasWakeArrived { await Leaf.yield() }
    task.waitKind = WaitKind.park
  }

  private func wake() {
    let word = waiting.exchange(0)
    guard word != 0 else { return }
    let task = TaskRef(word: word)
    if task.place == ThisCPU.index {
      ThisCPU.withExecutor(Executor.self) { $0.wakeArrived(task) }
    } else {
      task.unparkRemotely()
    }
  }
}
