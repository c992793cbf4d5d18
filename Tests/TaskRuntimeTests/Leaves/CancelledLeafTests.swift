// CancelledLeafTests: every leaf looks at the cancellation flag, also where it would not have to wait.
import TaskRuntime
import Tasks
import Testing

// Issue 2, item 1: cancellation is checked by every leaf.
@Suite struct CancelledLeafTests {
  @Test func aCancelledTaskTakesNothingThatIsThere() {
    let seen = HostedMachine.run { machine throws(SpawnError) in
      let event = Event(isSet: true)
      let channel = Channel<Int, 4>()
      let shot = OneShot<Int>()
      let semaphore = Semaphore(permits: 1)
      let mutex = AsyncMutex()
      let mailbox = Mailbox<4>()
      try? channel.send(1)
      try? shot.send(1)
      try? mailbox.send(1)
      let task = try spawn("cancelled") {
        let journal = machine.journal
        journal.note(await outcome { () throws(WaitError) in try await event.wait() })
        journal.note(await outcome { () throws(WaitError) in _ = try await channel.receive() })
        journal.note(await outcome { () throws(WaitError) in _ = try await shot.receive() })
        journal.note(await outcome { () throws(WaitError) in try await semaphore.acquire() })
        journal.note(await outcome { () throws(WaitError) in try await mutex.lock() })
        journal.note(await outcome { () throws(WaitError) in _ = try await mailbox.receive() })
        journal.note(await outcome { () throws(WaitError) in try await Executor.waitForInterrupt(2) })
        journal.note(await outcome { () throws(WaitError) in try await Executor.sleep(until: 0) })
      }
      ThisCPU.postPending(4)
      task.cancel()
      machine.settle()
      let ends = machine.journal.take()
      // All of it is still there for somebody else.
      try spawn("heir") {
        let journal = machine.journal
        journal.note(await outcome { () throws(WaitError) in try await event.wait() })
        journal.note(await outcome { () throws(WaitError) in _ = try await channel.receive() })
        journal.note(await outcome { () throws(WaitError) in _ = try await shot.receive() })
        journal.note(await outcome { () throws(WaitError) in try await semaphore.acquire() })
        journal.note(await outcome { () throws(WaitError) in try await mutex.lock() })
        journal.note(await outcome { () throws(WaitError) in _ = try await mailbox.receive() })
        journal.note(await outcome { () throws(WaitError) in try await Executor.waitForInterrupt(2) })
      }
      machine.settle()
      return (ends, machine.journal.take())
    }
    #expect(seen?.0 == Array(repeating: "cancelled", count: 8))
    #expect(seen?.1 == Array(repeating: "done", count: 7))
  }
}
