// Relay: tokens that go from thread to thread at random phases; a lost wake stops one for ever.
import Idle
import Seams
import SimMachine
import TaskRuntime
import Tasks
import Timer
import _Concurrency

/// Counts what all CPUs do: each entry is a hand-over of a running task to the actor's home and back.
private actor Ledger {
  private(set) var hops: UInt64 = 0
  func add(_ count: UInt64) { hops &+= count }
}

/// Tokens, each with the number of hops it has left; every hop wakes a task of a CPU drawn by lot.
///
/// The receiver is parked, about to park, running, or its CPU halted: delays are drawn so that all phases occur.
/// Every hundredth hop is also an entry of an actor, a short sleep and a cancellation.
final class Relay: @unchecked Sendable {
  private let cpus: Int
  private let tokens: UInt64
  private let seed: UInt64
  private let hopsEach: UInt64
  private let boxes: [Mailbox<64>]
  private let done = Mailbox<64>()
  // Written by the boot CPU's tasks only.
  private var ledger: Ledger?
  private(set) var isComplete = false

  /// Tokens for `wakes` hops in all.
  init(cpus: Int, wakes: UInt64, seed: UInt64) {
    self.cpus = cpus
    self.seed = seed
    // Fewer tokens than CPUs, so that CPUs halt in between; on one CPU it wakes itself.
    tokens = UInt64(max(1, min(cpus &- 1, 8)))
    hopsEach = max(1, wakes / tokens)
    boxes = (0..<cpus).map { _ in Mailbox<64>() }
  }

  /// Messages that a complete run has sent.
  var hops: UInt64 { tokens &* hopsEach }

  /// Starts the tasks of one CPU, on it.
  func start(_ cpu: UInt16) throws(SpawnError) {
    try spawn("idle", level: 7) { await IdleService(ThreadHalter()).run() }
    try spawn("relay") { await self.receive(cpu) }
    if cpu == 0 { try spawn("judge") { await self.judge() } }
  }

  private nonisolated(nonsending) func judge() async {
    ledger = Ledger()
    for token in 0..<tokens { put(hopsEach, into: Int(truncatingIfNeeded: token) % cpus) }
    var early: UInt64 = 0
    for _ in 0..<tokens { early &+= (try? await done.receive()) ?? 1 }
    let counted = await ledger?.hops ?? 0
    isComplete = early == 0 && counted == (hopsEach / 100) &* tokens
    SimThreads.stop()
  }

  // No box holds more words than there are tokens.
  private func put(_ word: UInt64, into box: Int) {
    do throws(WaitError) { try boxes[box].send(word) } catch { ThisCPU.fatal("a mailbox was full") }
  }

  private nonisolated(nonsending) func receive(_ cpu: UInt16) async {
    var random = SimRandom(seed: seed &+ UInt64(cpu))
    var faults: UInt64 = 0
    while let left = try? await boxes[Int(cpu)].receive() {
      if left % 100 == 0, left != 0 { faults &+= await excursion(&random) }
      // From "still in its last pass" to "halted long ago".
      let delay = random.next() & 0x1F == 0 ? random.below(40_000) : random.below(2_000)
      let end = ThisCPU.now &+ delay
      while ThisCPU.now < end {}
      if left == 0 {
        try? done.send(faults)
      } else {
        put(left &- 1, into: Int(truncatingIfNeeded: random.below(UInt64(cpus))))
      }
    }
  }

  // An actor's entry, a sleep that must not be early, a wait that a cancellation must end.
  private nonisolated(nonsending) func excursion(_ random: inout SimRandom) async -> UInt64 {
    var faults: UInt64 = 0
    await ledger?.add(1)
    let deadline = ThreadClock().now().advanced(by: random.below(100_000))
    try? await TimerService(ThreadClock()).sleep(until: deadline)
    if ThreadClock().now() < deadline { faults &+= 1 }
    let waiter = Task { () -> Bool in
      let never = Event()
      do throws(WaitError) { try await never.wait() } catch { return error == .cancelled }
      return false
    }
    if random.below(2) == 0 { await Leaf.yield() }
    waiter.cancel()
    return await waiter.value ? faults : faults &+ 1
  }
}
