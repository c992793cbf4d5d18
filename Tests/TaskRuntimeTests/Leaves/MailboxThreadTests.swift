// MailboxThreadTests: mailboxes between two CPUs that really run at once.
import Synchronization
import TaskRuntime
import Tasks
import TestSupport
import Testing

@Suite struct MailboxThreadTests {
  /// Steps of a CPU with nothing to do before a lost wake is assumed.
  private static let patience = 50_000_000

  @Test func twoCPUsThatSendToEachOtherLoseNoWake() {
    // I2, I5: each word is answered by the next, so one lost wake stops both for ever.
    let rounds: UInt64 = RunLength.isFull ? 10_000_000 : 1_000
    let boxes = [Mailbox<2>(), Mailbox<2>()]
    let received = HostedMachine.run { machine throws(SpawnError) in
      let counts = [Shared<UInt64>(0), Shared<UInt64>(0)]
      machine.runOnBothCPUs { cpu in
        let (mine, other, count) = (boxes[Int(cpu)], boxes[1 - Int(cpu)], counts[Int(cpu)])
        _ = try? spawn("player") {
          _ = await outcome { () throws(WaitError) in
            if cpu == 0 { try other.send(0) }
            while count.value < rounds {
              let expected = 2 * count.value + (cpu == 0 ? 1 : 0)
              guard try await mine.receive() == expected else { return }
              count.value += 1
              if expected + 1 < 2 * rounds { try other.send(expected + 1) }
            }
          }
        }
        var idle = 0
        while count.value < rounds, idle < Self.patience {
          if Executor.step(flush: {}) == .idle { idle += 1 } else { idle = 0 }
        }
      }
      return counts.map(\.value)
    }
    #expect(received == [rounds, rounds])
  }

  @Test func sendersOnBothCPUsAndCancellationsInBetweenLoseNoWord() {
    // Words of one sender come in order, and each comes once, whatever becomes of the receivers.
    let words: UInt64 = RunLength.isFull ? 1_000_000 : 2_000
    let box = Mailbox<4>()
    let isSent = Atomic<Bool>(false)
    let received = HostedMachine.run { machine throws(SpawnError) in
      let received = Shared<[UInt64]>([])
      let receivers = Shared(0)
      machine.runOnBothCPUs { cpu in
        if cpu == 0 {
          _ = try? spawn("sender") {
            var next: UInt64 = 0
            while next < words {
              do throws(WaitError) {
                try box.send(next)
                next += 1
              } catch {}
              await Leaf.yield()
            }
          }
          while Executor.step(flush: {}) == .more {}
          isSent.store(true, ordering: .releasing)
          return
        }
        var isOver = false
        var idle = 0
        while !isOver, idle < Self.patience {
          let task = try? spawn("receiver") {
            _ = await outcome { () throws(WaitError) in
              while true { received.value.append(try await box.receive()) }
            }
            receivers.value += 1
          }
          let before = receivers.value
          for _ in 0..<50 where Executor.step(flush: {}) == .idle { idle += 1 }
          isOver = isSent.load(ordering: .acquiring) && received.value.count == words
          task?.cancel()
          while receivers.value == before { _ = Executor.step(flush: {}) }
        }
      }
      return (received.value == Array(0..<words), receivers.value)
    }
    #expect(received?.0 == true)
    #expect(received.map { $0.1 > 10 } == true, "\(String(describing: received))")
  }
}
