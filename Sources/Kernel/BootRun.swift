// BootRun: a CPU's life once it is in: its executor, the board's tasks, and then step after step.
import Seams
import Synchronization
import TaskRuntime
import Tasks
import X86

extension Kernel {
  /// The CPU's life; does not return.
  public func run(_ cpu: CPUIndex) {
    machine.enableInterrupts()
    installExecutor(cpu)
    if options.number("on") == UInt64(cpu.rawValue) { dieOnRequest() }
    if cpu == CPUIndex(1), options.has("test", "stale") { staleEntry.victim(machine) }
    startTasks(cpu)
    while true { _ = Executor.step { self.machine.flush() } }
  }

  private func installExecutor(_ cpu: CPUIndex) {
    let index = UInt16(truncatingIfNeeded: cpu.rawValue)
    guard let seat = machine.makeSeat(),
      Executor.install(index: index, table: machine.ownerTable, seat: seat, flush: { self.machine.flush() })
    else { machine.panic("no memory for a CPU's executor") }
    if let ticks = options.number("stall") { Executor.setStallLimit(ticks: ticks) }
  }

  private func startTasks(_ cpu: CPUIndex) {
    do throws(SpawnError) {
      try taskList?(self, cpu)
      started.add(Executor.currentCounts.spawned, ordering: .relaxed)
      if cpu == .boot, options.has("in", "task") {
        let doomed = DoomedTask(die: { self.dieOnRequest() })
        try spawn("doomed", level: 7) { await doomed.run() }
      }
      try startLean(cpu)
      try startSoak(cpu)
      try startTaskCheck(cpu)
      if cpu == .boot, options.has("until", "idle") {
        let watch = Watch(
          until: { Executor.nothingElseIsReady && self.allOthersIdle }, then: { self.finish() })
        try spawn("until idle", level: 7) { await watch.run() }
      }
    } catch {
      machine.panic("no memory for the board's tasks")
    }
  }

  // `soak=N`: N cross-CPU wakes at random phases, then the verdict.
  private func startSoak(_ cpu: CPUIndex) throws(SpawnError) {
    guard let soak else { return }
    let seed = (options.number("seed") ?? 1) &+ UInt64(cpu.rawValue) &* 977
    let end = SoakEnd(
      soak: soak, relax: { Machine.Hint.relax() },
      finish: {
        self.platform.console.write("soak: wakes=")
        self.platform.console.write(decimal: soak.count)
        self.platform.console.endLine()
        self.platform.console.write("soak: cycles=")
        self.platform.console.write(decimal: self.machine.cycles &- self.machine.entryCycles)
        self.platform.console.endLine()
        self.machine.end(soak.isDone ? .pass : .fail)
      })
    try spawn("soak", level: 3) { await end.run(Int(cpu.rawValue), seed) }
  }

  /// Whether every other CPU that runs has nothing to do.
  var allOthersIdle: Bool {
    for number in 1..<max(1, UInt32(truncatingIfNeeded: processors.count)) {
      let cpu = CPUIndex(number)
      if online.contains(cpu), Executor.state(of: Int(number), in: machine.ownerTable) != .halting {
        return false
      }
    }
    return true
  }

  // The line that `boards/run` makes its JSON object of.
  private func finish() -> Never {
    machine.markIdle()
    let cycles = machine.cycles &- machine.entryCycles
    let console = platform.console
    console.write("apus-idle board=")
    console.write(Platform.name)
    field(" cpus=", UInt64(online.count))
    field(" tasks=", started.load(ordering: .relaxed))
    field(" cycles=", cycles)
    field(" image=", (machine.image?.physical.bytes ?? 0) &- (machine.image?.discardable.bytes ?? 0))
    field(" memory=", usedBytes)
    console.endLine()
    reportStalls()
    if options.has("trace") { dumpTrace() }
    machine.end(.pass)
  }

  private func field(_ name: String, _ value: UInt64) {
    platform.console.write(name)
    platform.console.write(decimal: value)
  }
}

/// A task that yields until something holds, then acts once.
///
/// Not generic, so that a task may hold it.
final class Watch: @unchecked Sendable {
  private let isTime: () -> Bool
  private let act: () -> Void

  init(until isTime: @escaping () -> Bool, then act: @escaping () -> Void) {
    self.isTime = isTime
    self.act = act
  }

  nonisolated(nonsending) func run() async {
    while !isTime() { await Leaf.yield() }
    act()
  }
}

// One CPU's part of the soak, with what it needs of the machine. Not generic, so that a task may hold it.
private final class SoakEnd: @unchecked Sendable {
  private let soak: WakeSoak
  private let relax: () -> Void
  private let finish: () -> Void

  init(soak: WakeSoak, relax: @escaping () -> Void, finish: @escaping () -> Void) {
    self.soak = soak
    self.relax = relax
    self.finish = finish
  }

  nonisolated(nonsending) func run(_ cpu: Int, _ seed: UInt64) async {
    await soak.run(cpu, seed: seed, relax: relax)
    if cpu == 0 { finish() }
  }
}
