// HostedMachine: CPUs with executors on one thread, and a record of what their tasks did.
import TaskRuntime
import Tasks

/// What the tasks of a test did, in order.
///
/// All of it happens on the test's one thread.
final class Journal: @unchecked Sendable {
  private(set) var lines: [String] = []

  func note(_ line: String) { lines.append(line) }

  /// What was noted since the last call.
  func take() -> [String] {
    defer { lines = [] }
    return lines
  }
}

/// A value that several tasks of one thread share.
final class Shared<Value>: @unchecked Sendable {
  var value: Value

  init(_ value: Value) { self.value = value }
}

/// One to four CPUs whose tasks run when the test says so, all on the calling thread.
final class HostedMachine: @unchecked Sendable {
  private let first = HostedCPU()
  private let second = HostedCPU()
  let table: OwnerTable
  let journal = Journal()
  /// Times that a CPU was told to flush its TLB.
  private(set) var flushes = 0

  private init() {
    table = OwnerTable.hosted(count: 2)
    Executor.prepare(table)
    for cpu in [1, 0] as [UInt16] {
      enter(cpu)
      let seat = cpu == 0 ? first.seat : second.seat
      precondition(Executor.install(index: cpu, table: table, seat: seat) {})
    }
  }

  /// Runs `body` with a machine of two CPUs, on a thread that is CPU 0; returns what it returns.
  static func run<Value>(_ body: (HostedMachine) throws(SpawnError) -> Value) -> Value? {
    var result: Value?
    onHostedThreads(1) { _ in
      do throws(SpawnError) { result = try body(HostedMachine()) } catch {}
    }
    return result
  }

  /// Runs `body` on two threads at once, one for each CPU; `body` gets the thread's CPU.
  func runOnBothCPUs(_ body: (UInt16) -> Void) {
    onHostedThreads(2) { number in
      let cpu = UInt16(number)
      enter(cpu)
      body(cpu)
    }
  }

  /// Makes CPU `cpu` the thread's.
  func enter(_ cpu: UInt16) {
    if cpu == 0 { first.enter() } else { second.enter() }
  }

  /// One step of CPU `cpu`.
  @discardableResult func step(_ cpu: UInt16 = 0) -> StepResult {
    enter(cpu)
    return Executor.step { flushes += 1 }
  }

  /// Steps CPU `cpu` until nothing is ready, at most `limit` times; false if something still is.
  @discardableResult func settle(_ cpu: UInt16 = 0, limit: Int = 10_000) -> Bool {
    for _ in 0..<limit where step(cpu) == .idle { return true }
    return false
  }

  /// Steps both CPUs in turn until neither has anything ready.
  @discardableResult func settleBoth(limit: Int = 10_000) -> Bool {
    for _ in 0..<limit {
      let results = [step(1), step(0)]
      if results == [.idle, .idle] { return true }
    }
    return false
  }

  /// Moves the clock to `ticks` and lets CPU 0 run until nothing is ready.
  func advance(to ticks: UInt64) {
    ThisCPU.setHostedClock(ticks)
    settle()
  }
}

/// What a wait ended with, as a word.
func outcome(_ wait: nonisolated(nonsending) () async throws(WaitError) -> Void) async -> String {
  do throws(WaitError) {
    try await wait()
    return "done"
  } catch {
    return "\(error)"
  }
}
