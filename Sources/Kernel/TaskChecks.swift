// TaskChecks: tests on the machine that run as tasks, asked for on the command line by `test=`.
import Seams
import Synchronization
import TaskRuntime
import Tasks

extension Kernel {
  /// Whether `test=` names one of these.
  var hasTaskCheck: Bool {
    options.has("test", "sleep") || options.has("test", "interrupt") || options.has("test", "reserve")
      || options.has("test", "objects") || options.has("test", "remote") || options.has("test", "stall")
  }

  /// Starts what `test=` asks for on CPU `cpu`.
  func startTaskCheck(_ cpu: CPUIndex) throws(SpawnError) {
    // No verdict: the report at the end names it, though the task has ended by then.
    if cpu == .boot, options.has("test", "stall") {
      try spawn("staller") {
        let end = ThisCPU.now &+ 1000 &* ThisCPU.ticksPerMicrosecond
        while ThisCPU.now < end {}
      }
    }
    guard let clock, let tasks, let heap, let sleepers else { return }
    if options.has("test", "sleep") {
      let seed = (options.number("seed") ?? 1) &+ UInt64(cpu.rawValue) &* 977
      for number in 0..<SleepCheck.perCPU {
        try spawn("sleeper", level: UInt8(number & 3)) { await sleepers.sleep(seed &+ UInt64(number) &* 31) }
      }
      try spawn("hog", level: 3) { await sleepers.hog() }
    }
    guard cpu == .boot else { return }
    let end = CheckEnd(
      report: { what, value in
        self.platform.console.write(what)
        self.platform.console.write(": ")
        self.platform.console.write(decimal: value)
        self.platform.console.endLine()
      },
      verdict: { passed in
        self.platform.console.line(passed ? "test passed" : "test FAILED")
        self.machine.end(passed ? .pass : .fail)
      })
    if options.has("test", "sleep") {
      let wanted = online.count &* SleepCheck.perCPU
      try spawn("sleep check") { end.verdict(await sleepers.collect(wanted, end.report)) }
    }
    if options.has("test", "interrupt") {
      let check = InterruptCheck(arm: { _ = self.platform.alarm(clock, at: Instant(ticks: $0)) })
      try spawn("interrupt check") { end.verdict(await check.run(clock.ticks(microseconds: 200))) }
    }
    if options.has("test", "reserve") || options.has("test", "objects") {
      let check = ReserveCheck(
        blocks: { tasks.reserveUsage.live }, isHeapLow: { heap.isLow }, report: end.report)
      let withClosures = options.has("test", "objects")
      try spawn("reserve check") {
        end.verdict(withClosures ? await check.runObjects() : await check.runFrames())
      }
    }
    if options.has("test", "remote") {
      let check = RemoteCheck(mark: { self.machine.markIdle() })
      try spawn("remote check") { end.verdict(await check.run()) }
    }
  }
}

/// What a check does at its end; not generic, so that a task may hold it.
final class CheckEnd: @unchecked Sendable {
  let report: (String, UInt64) -> Void
  let verdict: (Bool) -> Void

  init(report: @escaping (String, UInt64) -> Void, verdict: @escaping (Bool) -> Void) {
    self.report = report
    self.verdict = verdict
  }
}

/// Sleepers on every CPU, and a task on each that is too busy to look at the clock: nobody wakes early, nobody is forgotten.
final class SleepCheck: @unchecked Sendable {
  static var perCPU: Int { 8 }
  private static var sleeps: Int { 25 }
  private let millisecond: UInt64
  private let done = Mailbox<1024>()
  private let early = Atomic<UInt64>(0)
  private let latest = Atomic<UInt64>(0)

  init(ticksPerMillisecond: UInt64) { millisecond = ticksPerMillisecond }

  nonisolated(nonsending) func sleep(_ seed: UInt64) async {
    var random = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    for _ in 0..<Self.sleeps {
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      let deadline = ThisCPU.now &+ random % (3 &* millisecond)
      try? await Executor.sleep(until: deadline)
      let now = ThisCPU.now
      if now < deadline {
        early.add(1, ordering: .relaxed)
      } else {
        latest.max(now &- deadline, ordering: .relaxed)
      }
    }
    try? done.send(1)
  }

  /// Keeps its CPU for longer than sleeps last, so that timer interrupts come while nobody looks.
  nonisolated(nonsending) func hog() async {
    for _ in 0..<10 {
      let end = ThisCPU.now &+ 2 &* millisecond
      while ThisCPU.now < end {}
      try? await Executor.sleep(until: ThisCPU.now &+ millisecond)
    }
  }

  nonisolated(nonsending) func collect(_ wanted: Int, _ report: (String, UInt64) -> Void) async -> Bool {
    for _ in 0..<wanted { _ = try? await done.receive() }
    report("longest lateness of a sleep in ticks", latest.load(ordering: .relaxed))
    return early.load(ordering: .relaxed) == 0
  }
}

/// The timer's interrupts as a source that a task waits for: each is noticed, whether the CPU halts or is busy.
final class InterruptCheck: @unchecked Sendable {
  private let arm: (UInt64) -> Void
  init(arm: @escaping (UInt64) -> Void) { self.arm = arm }

  nonisolated(nonsending) func run(_ wait: UInt64) async -> Bool {
    for round in 0..<UInt64(100) {
      let deadline = ThisCPU.now &+ wait
      arm(deadline)
      // Every other interrupt comes while this task keeps the CPU: it is kept until somebody waits.
      if round & 1 == 1 { while ThisCPU.now < deadline &+ wait {} }
      // No deadline around this: the idle task would arm the one timer for it.
      do throws(WaitError) { try await Executor.waitForInterrupt(InterruptSource.timer) } catch {
        return false
      }
      if ThisCPU.now < deadline { return false }
    }
    return true
  }
}

/// Invariant I6 on the machine: when spawning fails, growing frames and objects do not.
final class ReserveCheck: @unchecked Sendable {
  private let blocks: () -> UInt64
  private let isHeapLow: () -> Bool
  private let report: (String, UInt64) -> Void
  private static let isOpen = Atomic<Bool>(false)

  init(
    blocks: @escaping () -> UInt64, isHeapLow: @escaping () -> Bool,
    report: @escaping (String, UInt64) -> Void
  ) {
    self.blocks = blocks
    self.isHeapLow = isHeapLow
    self.report = report
  }

  /// Tasks without captures, until there is no block for one more; then frames of 100 KiB.
  nonisolated(nonsending) func runFrames() async -> Bool {
    Self.isOpen.store(false, ordering: .relaxed)
    // The other tasks stand where they wait, with all the frames they need.
    for _ in 0..<4 { await Leaf.yield() }
    var count: UInt64 = 0
    while (try? spawn("filler") { await Self.waitForGate() }) != nil { count &+= 1 }
    let before = blocks()
    let depth: UInt64 = 1000
    let (sum, drawn) = await deepest(depth)
    let after = blocks()
    await openGate()
    let again = (try? spawn("last") {}) != nil
    report("tasks started before memory ran out", count)
    report("blocks of the reserve in use: before", before)
    report("with the deepest frames", drawn)
    report("after", after)
    report("spawning goes on", again ? 1 : 0)
    report("heap low", isHeapLow() ? 1 : 0)
    return count > 1000 && before == 0 && drawn > 0 && sum == depth && after == 0 && again && !isHeapLow()
  }

  /// Objects, until the heap has nothing left but its reserve: they go on, new tasks do not.
  nonisolated(nonsending) func runObjects() async -> Bool {
    var count: UInt64 = 0
    var newest: ListedObject?
    while !isHeapLow(), count < 1 << 20 {
      let object = ListedObject()
      object.next = newest
      newest = object
      count &+= 1
    }
    for _ in 0..<100 {
      let object = ListedObject()
      object.next = newest
      newest = object
    }
    let refused = (try? spawn("refused") {}) == nil
    // One by one: a long chain would be released in as many nested calls.
    while let object = newest {
      newest = object.next
      object.next = nil
    }
    let again = (try? spawn("last") {}) != nil
    report("objects made before the heap ran out", count)
    report("spawning refused then", refused ? 1 : 0)
    report("heap low after", isHeapLow() ? 1 : 0)
    report("spawning goes on", again ? 1 : 0)
    return count > 1000 && refused && !isHeapLow() && again
  }

  private static nonisolated(nonsending) func waitForGate() async {
    while !isOpen.load(ordering: .relaxed) { await Leaf.park() }
  }

  private nonisolated(nonsending) func openGate() async {
    // All of them stand in their first park before the gate opens.
    for _ in 0..<4 { await Leaf.yield() }
    Self.isOpen.store(true, ordering: .relaxed)
    Executor.forEachTask(limit: 1 << 20) { if $0.isIn(.parked) { $0.unpark() } }
    for _ in 0..<4 { await Leaf.yield() }
  }

  // A function of its own: what it keeps in frame memory is gone when it has returned.
  @inline(never) private nonisolated(nonsending) func deepest(_ depth: UInt64) async -> (UInt64, UInt64) {
    var drawn: UInt64 = 0
    let sum = await descend(depth) { drawn = self.blocks() }
    return (sum, drawn)
  }

  private nonisolated(nonsending) func descend(_ depth: UInt64, _ atBottom: () -> Void) async -> UInt64 {
    if depth == 0 {
      await Leaf.yield()
      atBottom()
      return 0
    }
    let below = await descend(depth &- 1, atBottom)
    return below &+ 1
  }
}

/// An object of the check, in a chain of them.
private final class ListedObject {
  var next: ListedObject?
}

/// A thousand wakes of another CPU's tasks between two marks, for the instruction counter.
final class RemoteCheck: @unchecked Sendable {
  static var wakes: Int { 1000 }
  private let mark: () -> Void
  private let woken = Atomic<Int>(0)
  private let standing = Atomic<Int>(0)

  init(mark: @escaping () -> Void) { self.mark = mark }

  nonisolated(nonsending) func run() async -> Bool {
    var targets: [TaskRef] = []
    targets.reserveCapacity(Self.wakes)
    for _ in 0..<Self.wakes {
      guard let task = try? spawn("target", on: 1, { await self.wait() }) else { return false }
      targets.append(task)
    }
    // Their CPU runs: one that halts would be kicked too.
    guard (try? spawn("runner", level: 7, on: 1) { await self.keepRunning() }) != nil else { return false }
    while standing.load(ordering: .acquiring) < Self.wakes { await Leaf.yield() }
    // The last one that counted itself parks in the same run.
    for _ in 0..<1000 { await Leaf.yield() }
    mark()
    for task in targets { task.unparkRemotely() }
    mark()
    while woken.load(ordering: .acquiring) < Self.wakes { await Leaf.yield() }
    return true
  }

  private nonisolated(nonsending) func keepRunning() async {
    while woken.load(ordering: .acquiring) < Self.wakes { await Leaf.yield() }
  }

  private nonisolated(nonsending) func wait() async {
    standing.add(1, ordering: .releasing)
    await Leaf.park()
    woken.add(1, ordering: .releasing)
  }
}
