// Mailbox: a bounded queue of words from any CPU to a task of one CPU.
import Synchronization
import Tasks

/// A queue of at most `Capacity` words (a power of two) from tasks of any CPU to one receiver.
///
/// Each slot has a turn number: a sender claims a ticket with one compare-exchange, writes the word and
/// passes the turn on with an exchange, which is also the fence between the word and the receiver's
/// waiting word. Whoever takes the receiver out of the waiting word has its wake right (I5).
public final class Mailbox<let Capacity: Int>: Sendable {
  private let words = InlineAtomics<Capacity>()
  private let turns = InlineAtomics<Capacity>()
  private let tail = Atomic<UInt64>(0)
  /// The receiver's handle word while it waits, else 0.
  private let waiting = Atomic<UInt64>(0)
  // Only the receiver touches it.
  private let head = Atomic<UInt64>(0)

  /// An empty mailbox.
  public init() {}

  /// Queues `word` and wakes the receiver; from a task of any CPU. Throws `full` at once.
  public func send(_ word: UInt64) throws(WaitError) {
    var ticket = tail.load(ordering: .relaxed)
    while true {
      let turn = turns[ticket].load(ordering: .acquiring)
      let lap = ticket / UInt64(Capacity)
      if turn != lap &* 2 {
        // Behind: the receiver has not emptied the slot. Ahead: another sender took the ticket.
        if turn < lap &* 2 { throw .full }
        ticket = tail.load(ordering: .relaxed)
        continue
      }
      let (done, seen) = tail.weakCompareExchange(
        expected: ticket, desired: ticket &+ 1, successOrdering: .relaxed, failureOrdering: .relaxed)
      if done { break }
      ticket = seen
    }
    words[ticket].store(word, ordering: .relaxed)
    let lap = ticket / UInt64(Capacity)
    _ = turns[ticket].exchange(lap &* 2 &+ 1, ordering: .sequentiallyConsistent)
    if waiting.load(ordering: .relaxed) != 0 { wake() }
  }

  /// The next word if one is there.
  public func tryReceive() -> UInt64? {
    let ticket = head.load(ordering: .relaxed)
    let lap = ticket / UInt64(Capacity)
    guard turns[ticket].load(ordering: .acquiring) == lap &* 2 &+ 1 else { return nil }
    let word = words[ticket].load(ordering: .relaxed)
    turns[ticket].store((lap &+ 1) &* 2, ordering: .releasing)
    head.store(ticket &+ 1, ordering: .relaxed)
    return word
  }

  /// The next word, suspending until there is one. One receiver, always the same task or its successor.
  public nonisolated(nonsending) func receive() async throws(WaitError) -> UInt64 {
    while true {
      if let word = tryReceive() {
        await LeafWait.spend()
        return word
      }
      let task = TaskRef.running
      try LeafWait.begin(task)
      task.hasWakeArrived = false
      // The exchange is the fence before the second look.
      _ = waiting.exchange(task.word, ordering: .sequentiallyConsistent)
      if tryReceiveIsPossible {
        if waiting.exchange(0, ordering: .acquiring) == 0 { await takeWake(task) }
        continue
      }
      if let error = await waitForSender(task) { throw error }
    }
  }

  private var tryReceiveIsPossible: Bool {
    let ticket = head.load(ordering: .relaxed)
    return turns[ticket].load(ordering: .acquiring) == (ticket / UInt64(Capacity)) &* 2 &+ 1
  }

  /// Parks until a sender's wake has arrived, or the wait is over and no sender had the wake right.
  private nonisolated(nonsending) func waitForSender(_ task: TaskRef) async -> WaitError? {
    await LeafWait.parkForWake(task)
    if task.hasWakeArrived { return nil }
    if waiting.exchange(0, ordering: .acquiring) != 0 { return LeafWait.reason(task) }
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
    let word = waiting.exchange(0, ordering: .acquiringAndReleasing)
    guard word != 0 else { return }
    let task = TaskRef(word: word)
    if task.place == ThisCPU.index {
      ThisCPU.withExecutor(Executor.self) { $0.wakeArrived(task) }
    } else {
      task.unparkRemotely()
    }
  }
}

/// `Count` shared words, found by ticket; `Count` is a power of two.
struct InlineAtomics<let Count: Int>: ~Copyable {
  private let words = InlineArray<Count, Atomic<UInt64>> { _ in Atomic(0) }

  subscript(ticket: UInt64) -> Atomic<UInt64> {
    _read { yield words[Int(truncatingIfNeeded: ticket % UInt64(Count))] }
  }
}
