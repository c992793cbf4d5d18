// Suite+Language: async calls, async let and actors.
import TaskRuntime
import Tasks
import _Concurrency

@inline(never)
private nonisolated(nonsending) func successor(_ value: UInt64) async -> UInt64 { value &+ 1 }

private actor Tally {
  var sum: UInt64 = 0
  func add(_ value: UInt64) { sum &+= value }
}

extension Suite {
  // An async function called and returned from without suspending.
  nonisolated(nonsending) func calls() async {
    let operations: UInt64 = 100_000
    var sum: UInt64 = 0
    let batch = Batch(host)
    for _ in 0..<operations { sum = await successor(sum) }
    batch.end("async call", operations: operations)
    if sum != operations { host.write("a call was lost\n") }
  }

  // A child task started, run, awaited and ended.
  nonisolated(nonsending) func children() async {
    let operations: UInt64 = 50_000
    var sum: UInt64 = 0
    let batch = Batch(host)
    for _ in 0..<operations {
      async let next = successor(1)
      sum &+= await next
    }
    batch.end("async let", operations: operations)
    if sum != 2 &* operations { host.write("a child was lost\n") }
  }

  // A call of an actor whose home is this CPU.
  nonisolated(nonsending) func actorCalls() async {
    let operations: UInt64 = 100_000
    let tally = Tally()
    let batch = Batch(host)
    for _ in 0..<operations { await tally.add(1) }
    batch.end("actor call at home", operations: operations)
    if await tally.sum != operations { host.write("a call was lost\n") }
  }
}
