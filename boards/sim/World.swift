// World: one run of the sim: steps virtual CPUs in a seeded order until all of them rest.
import Idle
import Seams
import SimMachine
import TaskRuntime
import Tasks
import Timer

/// xorshift64*: the order of everything in a run.
struct SimRandom {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
  /// A number below `limit`, which is not 0.
  mutating func below(_ limit: UInt64) -> UInt64 { next() % limit }
}

/// The virtual CPUs, what they rest for, and the workload's books.
///
/// The process has one thread: everything is touched by whichever virtual CPU has its turn.
final class World: @unchecked Sendable {
  private let machine: SimMachine
  private var random: SimRandom
  private let seed: UInt64
  private var resting: [Bool]
  private var deadlines: [UInt64?]
  private var turn = 0
  let workload: Workload

  init(seed: UInt64, cpus: Int) {
    self.seed = seed
    machine = SimMachine(count: cpus)
    random = SimRandom(seed: seed)
    resting = Array(repeating: false, count: cpus)
    deadlines = Array(repeating: nil, count: cpus)
    workload = Workload(seed: seed, cpus: cpus)
  }

  /// The CPU whose turn it is rests until it is kicked or `deadline` comes.
  func rested(until deadline: UInt64?) {
    resting[turn] = true
    deadlines[turn] = deadline
    event("rests")
  }

  /// Runs to the end; true if nothing was lost and nothing was early.
  func run() -> Bool {
    SimProcess.clock = 0
    Executor.prepare(machine.ownerTable)
    for cpu in 0..<machine.count {
      turn = cpu
      machine.enter(cpu)
      guard
        Executor.install(index: UInt16(cpu), table: machine.ownerTable, seat: machine.seat(cpu), flush: {}),
        start(UInt16(cpu))
      else { return false }
    }
    var steps = 0
    while steps < 10_000_000 {
      steps &+= 1
      takeKicks()
      guard let cpu = chooseCPU() else { break }
      turn = cpu
      machine.enter(cpu)
      SimProcess.clock &+= random.below(50)
      _ = Executor.step(flush: {})
    }
    return workload.isComplete
  }

  private func start(_ cpu: UInt16) -> Bool {
    let world = self
    do throws(SpawnError) {
      try spawn("idle", level: 7) { await IdleService(SimHalter(world: world)).run() }
      try workload.start(cpu)
    } catch {
      return false
    }
    return true
  }

  private func takeKicks() {
    var kicks = SimProcess.takeKicks()
    while kicks != 0 {
      let cpu = kicks.trailingZeroBitCount
      kicks &= kicks &- 1
      // A kick may be late: every fourth stays on its way for another turn.
      if random.below(4) == 0 { late |= 1 << UInt64(cpu) } else { wake(cpu) }
    }
    let due = late
    if due != 0, random.below(2) == 0 {
      late = 0
      for cpu in 0..<machine.count where due & (1 << UInt64(cpu)) != 0 { wake(cpu) }
    }
  }
  private var late: UInt64 = 0

  private func wake(_ cpu: Int) {
    guard cpu < machine.count else { return }
    resting[cpu] = false
    deadlines[cpu] = nil
  }

  /// A CPU that does not rest, by lot; else the one whose deadline comes first, and the clock moves there.
  private func chooseCPU() -> Int? {
    let start = Int(truncatingIfNeeded: random.below(UInt64(machine.count)))
    for offset in 0..<machine.count {
      let cpu = (start &+ offset) % machine.count
      if let deadline = deadlines[cpu], resting[cpu], deadline <= SimProcess.clock { wake(cpu) }
      if !resting[cpu] { return cpu }
    }
    if late != 0 {
      let cpu = late.trailingZeroBitCount
      late &= late &- 1
      wake(cpu)
      return cpu
    }
    var best: Int?
    for cpu in 0..<machine.count {
      guard let deadline = deadlines[cpu] else { continue }
      if let chosen = best, let earliest = deadlines[chosen], earliest <= deadline { continue }
      best = cpu
    }
    guard let cpu = best, let deadline = deadlines[cpu] else { return nil }
    SimProcess.clock = max(SimProcess.clock, deadline)
    wake(cpu)
    return cpu
  }

  private func event(_ what: StaticString) {
    guard SimProcess.traces else { return }
    SimProcess.print("t=")
    SimProcess.print(SimProcess.clock)
    SimProcess.print(" cpu=")
    SimProcess.print(UInt64(turn))
    SimProcess.print(" ")
    SimProcess.print(what)
    SimProcess.print("\n")
  }
}
