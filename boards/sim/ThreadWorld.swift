// ThreadWorld: a run of the sim on pinned threads and the real clock: tokens between all CPUs, none lost.
import Idle
import Seams
import SimMachine
import TaskRuntime
import Tasks
import Timer

/// Rests by futex; a kick since the last rest ends the next one at once, so no wake falls into the window.
struct ThreadHalter: Halter, Sendable {
  func holdWakes() {}
  func releaseWakes() {}
  func halt(until deadline: UInt64?) { SimThreads.halt(ThisCPU.index, until: deadline) }
  func flush() {}
}

/// The real clock as the timer service's.
struct ThreadClock: SleepClock, Sendable {
  static var kind: ClockKind { .interrupt }
  var frequency: UInt64 { SimThreads.kilohertz &* 1000 }
  func now() -> Instant { Instant(ticks: ThisCPU.now) }
  func arm(at deadline: Instant) {}
  func disarm() {}
}

/// One machine of threads and what its CPUs start.
final class ThreadWorld: @unchecked Sendable {
  private let machine: SimMachine
  /// Called once by each CPU, on itself; not changed once the threads run.
  var start: @Sendable (UInt16) throws(SpawnError) -> Void

  /// `cpus` CPUs.
  init(cpus: Int, start: @escaping @Sendable (UInt16) throws(SpawnError) -> Void = { _ in }) {
    machine = SimMachine(count: cpus)
    self.start = start
    Executor.prepare(machine.ownerTable)
  }

  /// The lines by which the CPUs reach each other.
  var table: OwnerTable { machine.ownerTable }

  /// Runs until something calls `SimThreads.stop`; false if that takes more than `seconds`.
  func run(seconds: UInt64) -> Bool {
    SimThreads.run(machine.count, seconds: seconds) { self.live($0) }
  }

  private func live(_ cpu: Int) {
    let index = UInt16(truncatingIfNeeded: cpu)
    machine.enter(cpu)
    guard Executor.install(index: index, table: machine.ownerTable, seat: machine.seat(cpu), flush: {}) else {
      ThisCPU.fatal("a seat is too small for an executor")
    }
    do throws(SpawnError) { try start(index) } catch { ThisCPU.fatal("no memory for the tasks") }
    while !SimThreads.isStopping { _ = Executor.step(flush: {}) }
  }
}
