// Hosted: the workloads on the toolchain's hosted concurrency: its default executor, and a task executor of our own.
import Glibc

func nanoseconds() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// A first-in first-out queue of jobs, run by the thread that calls `run`.
final class Ring: TaskExecutor, @unchecked Sendable {
  private var jobs = [UnownedJob?](repeating: nil, count: 2048)
  private var head = 0
  private var tail = 0
  var isDone = false

  func enqueue(_ job: consuming ExecutorJob) {
    precondition(tail - head < jobs.count)
    jobs[tail & 2047] = UnownedJob(job)
    tail += 1
  }

  func run() {
    let own = asUnownedTaskExecutor()
    while !isDone, head != tail {
      guard let job = jobs[head & 2047] else { return }
      head += 1
      job.runSynchronously(on: own)
    }
  }
}

/// One actor for all tasks of a batch, so that no two of them run at once on the default executor's threads.
@globalActor actor One { static let shared = One() }

/// Without continuations handed from thread to thread: everything on the one actor.
@One func onDefaultExecutor() async {
  let peer = "Swift hosted, default executor"
  let turns = Workloads.turns
  await measureOnOne(peer, "wake to run", turns) {
    let left = Baton()
    let right = Baton()
    Task { @One in
      for _ in 0..<turns / 2 {
        await withUnsafeContinuation { right.waiter = $0 }
        left.wake()
      }
    }
    while right.waiter == nil { await Task.yield() }
    for _ in 0..<turns / 2 {
      right.wake()
      await withUnsafeContinuation { left.waiter = $0 }
    }
  }
  for count in [1, 1000] {
    await measureOnOne(peer, "yield (\(count))", turns) {
      let baton = Baton()
      for _ in 1..<count {
        Task { @One in
          for _ in 0..<turns / count { await Task.yield() }
          baton.count += 1
        }
      }
      for _ in 0..<turns / count { await Task.yield() }
      while baton.count != count - 1 { await Task.yield() }
    }
  }
  await measureOnOne(peer, "spawn, run, end", turns / 10) {
    let baton = Baton()
    for round in 0..<turns / 1000 {
      for _ in 0..<100 { Task { @One in baton.count += 1 } }
      while baton.count != (round + 1) * 100 { await Task.yield() }
    }
  }
  await measureOnOne(peer, "channel round trip", turns / 10) {
    let (there, toThere) = AsyncStream<Int>.makeStream()
    let (back, toBack) = AsyncStream<Int>.makeStream()
    Task { @One in
      for await word in there { toBack.yield(word) }
    }
    var iterator = back.makeAsyncIterator()
    for turn in 0..<turns / 10 {
      toThere.yield(turn)
      _ = await iterator.next(isolation: One.shared)
    }
    toThere.finish()
  }
}

@One func measureOnOne(_ peer: String, _ metric: String, _ operations: Int, _ batch: @One () async -> Void)
  async
{
  var best = UInt64.max
  for turn in 0..<4 {
    let start = nanoseconds()
    await batch()
    if turn > 0 { best = min(best, nanoseconds() - start) }
  }
  let picoseconds = best * 1000 / UInt64(operations)
  print(
    "{\"peer\":\"\(peer)\",\"metric\":\"\(metric)\",\"operations\":\(operations),\"picoseconds\":\(picoseconds)}"
  )
}

@main struct Program {
  static func main() async {
    // The queue is drained on a thread of its own, pinned, as a kernel's CPU would be.
    await onDefaultExecutor()
    let ring = Ring()
    Task(executorPreference: ring) {
      await Workloads.all("Swift hosted, task executor", now: nanoseconds) { body in
        Task(executorPreference: ring) { await body() }
      }
      ring.isDone = true
    }
    ring.run()
  }
}
