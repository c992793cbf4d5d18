// BootChecks: tests that need the real machine, asked for on the command line by `test=` or `die=`.
import Seams
import X86

extension Kernel {
  /// Runs what the command line asks for and ends the machine with the verdict; returns if it asks for nothing.
  func checkOnRequest() {
    if !options.has("on"), !options.has("in") { dieOnRequest() }
    guard options.has("test"), !hasTaskCheck else { return }
    var passed = false
    if options.has("test", "stale") { passed = checkStaleEntry() }
    if options.has("test", "heap") { passed = checkHeap() }
    if options.has("test", "exhaust") { passed = checkExhaustion() }
    if options.has("test", "late") { passed = checkLateProcessor() }
    if options.has("test", "timer") { passed = checkTimer() }
    if options.has("test", "registers") { passed = checkRegisters() }
    platform.console.line(passed ? "test passed" : "test FAILED")
    machine.end(passed ? .pass : .fail)
  }

  /// Dies if the command line says so, by `die=`; by `on=N` on CPU N, by `in=task` in a task of the boot CPU.
  func dieOnRequest() {
    for way in DeathWay.allCases where options.has("die", way.name) { machine.dieOnPurpose(way) }
  }

  // An object that is dropped must be freed: its address must not look immortal to the language runtime. A thousand of
  // them take no more than one batch of a stock.
  private func checkHeap() -> Bool {
    guard let heap else { return false }
    let before = heap.usage.live
    for number in 0..<UInt64(1000) {
      probe = HeapProbe(number)
      if probe?.value != number { return false }
      probe = nil
    }
    return heap.usage.live &- before <= 8
  }

  // Memory runs out and comes back; nothing is lost and nothing aborts.
  private func checkExhaustion() -> Bool {
    guard let frames, let heap else { return false }
    let before = frames.withTable { $0.freeCount }
    var chain: UInt64 = 0
    while let frame = try? frames.allocate(.tasks) {
      memory.store(chain, at: frame.start)
      chain = frame.number
    }
    let refused = heap.allocate(bytes: 1_000_000, alignment: 16, on: .boot) == nil
    let empty = frames.withTable { $0.freeCount } == 0
    // What needs an object all the same gets it from the reserve, and new tasks are refused meanwhile.
    let object = heap.allocate(bytes: 50_000, alignment: 16, on: .boot)
    let drawn = object != nil && heap.isLow
    if let object { heap.release(object, on: .boot) }
    while chain != 0 {
      let frame = Frame(number: chain)
      chain = memory.load(UInt64.self, at: frame.start)
      guard (try? frames.release(frame, .tasks)) != nil else { return false }
    }
    let twice = (try? frames.release(Frame(number: 256), .tasks)) == nil
    return refused && empty && twice && drawn && !heap.isLow && frames.withTable { $0.freeCount } == before
  }

  // With `mute=1`: CPU 1 was given up; called now, it must park and leave its record as it is.
  private func checkLateProcessor() -> Bool {
    let late = CPUIndex(1)
    guard let caller, let mailbox, let clock, !online.contains(late), mailbox.state(of: late) == .revoked
    else { return false }
    caller.sendInit(late)
    pause(clock, microseconds: 10_000)
    caller.sendStartUp(late)
    pause(clock, microseconds: 200)
    caller.sendStartUp(late)
    let end = clock.now().advanced(by: clock.ticks(microseconds: 5_000_000))
    while clock.now() < end, !mailbox.hasParked(late) { Machine.Hint.relax() }
    return mailbox.hasParked(late) && mailbox.state(of: late) == .revoked
  }

  // A deadline a millisecond off ends a halt, and not before its time.
  private func checkTimer() -> Bool {
    guard let clock else { return false }
    var good = true
    for _ in 0..<10 {
      let deadline = clock.now().advanced(by: clock.ticks(microseconds: 1000))
      var isArmed = false
      machine.halt { isArmed = platform.alarm(clock, at: deadline) }
      guard isArmed else { return false }
      good = good && clock.now() >= deadline
    }
    return good
  }

  // A hundred timer interrupts, each at another place of the loop that watches the registers.
  private func checkRegisters() -> Bool {
    guard let clock else { return false }
    for round in 0..<UInt64(100) {
      let deadline = clock.now().advanced(by: clock.ticks(microseconds: 100) &+ round &* 7)
      // The interrupt may come as soon as it is asked for; then this round saw nothing of it.
      guard machine.keepsRegisters(over: 1, { platform.alarm(clock, at: deadline) }) else { return false }
    }
    return true
  }

  private func pause(_ clock: Platform.Time, microseconds: UInt64) {
    let end = clock.now().advanced(by: clock.ticks(microseconds: microseconds))
    while clock.now() < end { Machine.Hint.relax() }
  }
}

/// A task that dies on request; not generic, so that a task may hold it.
final class DoomedTask: @unchecked Sendable {
  private let die: () -> Void
  init(die: @escaping () -> Void) { self.die = die }
  nonisolated(nonsending) func run() async { die() }
}

/// An object whose life the heap check watches.
final class HeapProbe {
  let value: UInt64
  init(_ value: UInt64) { self.value = value }
}
