// Workload: what the sim's tasks do: messages between all CPUs, sleeps, deadlines, cancellation, actors.
import Seams
import SimMachine
import TaskRuntime
import Tasks
import Timer
import _Concurrency

/// A counter that several CPUs' tasks enter: each entry is a hand-over to its home CPU.
actor Tally {
  private(set) var total: UInt64 = 0
  func add(_ amount: UInt64) -> UInt64 {
    total &+= amount
    return total
  }
}

/// The tasks of one run and the books that must balance at its end.
final class Workload: @unchecked Sendable {
  static let messages: UInt64 = 12
  private let seed: UInt64
  private let cpus: Int
  private let boxes: [Mailbox<8>]
  private var sent: UInt64 = 0
  private var received: UInt64 = 0
  private var sendersLeft: Int
  private var early = 0
  private var cancelled = 0
  private var timedOut = 0
  private var tally: Tally?
  private var entered: UInt64 = 0
  private var finished = 0
  private let label = TaskLocalValue<UInt64>()
  private var labelled: UInt64 = 0

  init(seed: UInt64, cpus: Int) {
    self.seed = seed
    self.cpus = cpus
    sendersLeft = cpus
    boxes = (0..<cpus).map { _ in Mailbox<8>() }
  }

  /// Whether every message arrived, nobody woke early, and every task came to its end.
  var isComplete: Bool {
    sent == UInt64(cpus) &* Self.messages && received == sent && early == 0 && cancelled == cpus
      && timedOut == cpus && finished == cpus && entered == UInt64(cpus) &* Self.messages
      && labelled == UInt64(cpus) &* 3
  }

  /// Starts the tasks of one CPU, on it.
  func start(_ cpu: UInt16) throws(SpawnError) {
    if tally == nil { tally = Tally() }
    try spawn("receiver") { await self.receive(cpu) }
    try spawn("sender") { await self.send(cpu) }
    try spawn("timers", level: 1) { await self.time(cpu) }
  }

  private nonisolated(nonsending) func send(_ cpu: UInt16) async {
    var random = SimRandom(seed: seed ^ UInt64(cpu) &* 0xABCD)
    let timer = TimerService(SimClock())
    for _ in 0..<Self.messages {
      let target = Int(truncatingIfNeeded: random.below(UInt64(cpus)))
      await put(1, target)
      sent &+= 1
      if let tally {
        _ = await tally.add(1)
        entered &+= 1
      }
      if random.below(3) == 0 { try? await timer.sleep(microseconds: random.below(5)) }
    }
    sendersLeft &-= 1
    // The last sender tells every receiver to stop.
    if sendersLeft == 0 { for target in 0..<cpus { await put(0, target) } }
  }

  private nonisolated(nonsending) func put(_ word: UInt64, _ target: Int) async {
    while true {
      do throws(WaitError) {
        return try boxes[target].send(word)
      } catch {
        await Leaf.yield()
      }
    }
  }

  private nonisolated(nonsending) func receive(_ cpu: UInt16) async {
    while let word = try? await boxes[Int(cpu)].receive(), word != 0 { received &+= word }
    finished &+= 1
  }

  // A child sees its parent's value across a hand-over to the tally's CPU; a task of its own sees none.
  private nonisolated(nonsending) func checkLabel(_ cpu: UInt16) async {
    await label.with(UInt64(cpu) &+ 1) {
      async let inherited = childLabel()
      if let tally { _ = await tally.add(0) }
      if label.value == UInt64(cpu) &+ 1 { labelled &+= 1 }
      if await inherited == UInt64(cpu) &+ 1 { labelled &+= 1 }
      if await Task(priority: .high, operation: { self.label.value }).value == nil { labelled &+= 1 }
    }
  }

  private nonisolated(nonsending) func childLabel() async -> UInt64 {
    await Leaf.yield()
    return label.value ?? 0
  }

  private nonisolated(nonsending) func time(_ cpu: UInt16) async {
    await checkLabel(cpu)
    let timer = TimerService(SimClock())
    var random = SimRandom(seed: seed &+ UInt64(cpu))
    for _ in 0..<6 {
      let deadline = timer.clock.now().advanced(by: random.below(10_000))
      try? await timer.sleep(until: deadline)
      if timer.clock.now() < deadline { early &+= 1 }
    }
    let never = Event()
    do throws(WaitError) {
      try await withDeadline(timer.clock.now().ticks &+ random.below(3_000)) { () async throws(WaitError) in
        try await never.wait()
      }
    } catch {
      if error == .timedOut { timedOut &+= 1 }
    }
    let waiter = Task { () -> Bool in
      let forever = Event()
      do throws(WaitError) { try await forever.wait() } catch { return error == .cancelled }
      return false
    }
    if random.below(2) == 0 { await Leaf.yield() }
    waiter.cancel()
    if await waiter.value { cancelled &+= 1 }
  }
}
