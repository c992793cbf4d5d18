// TaskLocalValueTests: values bound to a task's scopes.
import TaskRuntime
import Tasks
import Testing

@Suite struct TaskLocalValueTests {
  @Test func theInnermostScopeHoldsAcrossAwaitsAndNoOtherTaskSeesIt() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let name = TaskLocalValue<String>()
      let number = TaskLocalValue<Int>()
      @Sendable func note(_ who: String) {
        machine.journal.note("\(who) \(name.value ?? "-") \(number.value ?? 0)")
      }
      try spawn("bound") {
        note("out")
        await name.with("a") {
          await Leaf.yield()
          note("in")
          await number.with(1) {
            await name.with("b") {
              await Leaf.yield()
              note("deep")
            }
            note("back")
          }
        }
        note("out")
      }
      try spawn("other") { for _ in 0..<3 { note("other"); await Leaf.yield() } }
      machine.settle()
      return machine.journal.take()
    }
    #expect(
      seen?.filter { !$0.hasPrefix("other") } == ["out - 0", "in a 0", "deep b 1", "back a 1", "out - 0"])
    #expect(seen?.filter { $0.hasPrefix("other") } == Array(repeating: "other - 0", count: 3))
  }

  @Test func aScopeThatThrowsIsClosed() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let number = TaskLocalValue<Int>()
      try spawn("bound") {
        machine.journal.note(
          await outcome { () throws(WaitError) in
            try await number.with(1) { () async throws(WaitError) in
              await Leaf.yield()
              throw .closed
            }
          })
        machine.journal.note("\(number.value ?? 0)")
      }
      machine.settle()
      return machine.journal.take()
    }
    #expect(seen == ["closed", "0"])
  }
}
