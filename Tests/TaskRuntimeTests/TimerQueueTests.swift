// TimerQueueTests: the timer wheel against a sorted list, and its cost from 1 to 100,000 armed timers.
import TaskRuntime
import TestSupport
import Testing

/// Counts the accesses to node fields: the wheel's own work is constant, what could grow is walking nodes.
final class AccessCount {
  var value = 0
}

/// A timer node as a class, which counts each access to its links.
final class TestTimer: TimerNode {
  let id: Int
  let accesses: AccessCount
  private var next: TestTimer?
  private var previous: TestTimer?
  private var tick: UInt64 = 0
  private var slot = TimerSlot.unarmed

  init(_ id: Int, _ accesses: AccessCount = AccessCount()) {
    self.id = id
    self.accesses = accesses
  }

  var timerNext: TestTimer? {
    get { count(next) }
    set { next = count(newValue) }
  }
  var timerPrevious: TestTimer? {
    get { count(previous) }
    set { previous = count(newValue) }
  }
  var deadline: UInt64 {
    get { count(tick) }
    set { tick = count(newValue) }
  }
  var timerSlot: UInt32 {
    get { count(slot) }
    set { slot = count(newValue) }
  }

  private func count<Value>(_ value: Value) -> Value {
    accesses.value += 1
    return value
  }

  static func == (left: TestTimer, right: TestTimer) -> Bool { left === right }
}

/// The queue behind a class, since `#expect` takes no non-copyable values.
final class TestWheel {
  private var queue: TimerQueue<TestTimer>
  init(now: UInt64 = 0) { queue = TimerQueue(now: now) }
  var current: UInt64 { queue.current }
  var count: Int { queue.count }
  func insert(_ node: TestTimer, deadline: UInt64) { queue.insert(node, deadline: deadline) }
  @discardableResult func cancel(_ node: TestTimer) -> Bool { queue.cancel(node) }
  func nextDeadline() -> UInt64? { queue.nextDeadline() }
  func nextExpired(now: UInt64, budget: inout Int) -> TestTimer? {
    queue.nextExpired(now: now, budget: &budget)
  }
  func expire(now: UInt64, limit: Int, _ body: (TestTimer) -> Void) -> Bool {
    queue.expire(now: now, limit: limit, body)
  }
}

@Suite struct TimerQueueTests {
  @Test func anEmptyQueueHasNoDeadlineAndYieldsNothing() {
    let queue = TestWheel(now: 5)
    #expect(queue.nextDeadline() == nil)
    var budget = 10
    #expect(queue.nextExpired(now: .max, budget: &budget) == nil)
    #expect(queue.current == .max)
  }

  @Test func theWheelFitsItsPlaceInThePerCPUBlock() {
    #expect(MemoryLayout<TimerQueue<TestTimer>>.size <= 8192)
  }

  @Test(arguments: [0, 1, 63, 64, 4095, 4096, 1 << 40, UInt64.max - 1, .max])
  func aTimerIsNeverEarlyAndNeverMissed(deadline: UInt64) {
    let queue = TestWheel()
    let timer = TestTimer(0)
    queue.insert(timer, deadline: deadline)
    #expect(queue.nextDeadline() == deadline)
    var budget = 100
    if deadline > 0 {
      #expect(queue.nextExpired(now: deadline - 1, budget: &budget) == nil)
      #expect(queue.nextDeadline() == deadline)
    }
    #expect(queue.nextExpired(now: deadline, budget: &budget) === timer)
    #expect(timer.timerSlot == TimerSlot.unarmed)
    #expect(queue.count == 0)
    #expect(queue.nextDeadline() == nil)
  }

  @Test func aTimerForAPassedTickIsDueAtOnce() {
    let queue = TestWheel(now: 1000)
    let timer = TestTimer(0)
    queue.insert(timer, deadline: 3)
    #expect((queue.nextDeadline() ?? .max) <= 1000)
    var budget = 1
    #expect(queue.nextExpired(now: 1000, budget: &budget) === timer)
  }

  @Test func cancellingTwiceAnswersFalse() {
    let queue = TestWheel()
    let timer = TestTimer(0)
    queue.insert(timer, deadline: 77)
    #expect(queue.cancel(timer))
    #expect(!queue.cancel(timer))
    #expect(queue.nextDeadline() == nil)
  }

  @Test func anExhaustedBudgetStopsInTheMiddleOfASlotAndLosesNothing() {
    let queue = TestWheel()
    let timers = (0..<100).map { TestTimer($0) }
    for timer in timers { queue.insert(timer, deadline: 1 << 30 + UInt64(timer.id % 7)) }
    var seen: [Int] = []
    var passes = 0
    var more = true
    while more {
      more = queue.expire(now: 1 << 40, limit: 3) { seen.append($0.id) }
      passes += 1
      if passes == 10 {
        // A cancel and an insert between two bounded passes.
        #expect(queue.cancel(timers[50]))
        queue.insert(timers[50], deadline: 1 << 41)
        #expect(queue.nextDeadline() == queue.current)
      }
    }
    #expect(seen.sorted() == (0..<100).filter { $0 != 50 })
    #expect(seen.map { $0 % 7 } == seen.map { $0 % 7 }.sorted())
    #expect(queue.nextDeadline() == 1 << 41)
  }

  /// The sorted list that the wheel must agree with: effective deadline and identity.
  @Test func theWheelAgreesWithASortedListUnderRandomUse() {
    let fresh = UInt64.random(in: 0...UInt64.max)
    print("TimerQueueTests random seed: \(fresh)")
    for seed in [1, 2, 3, fresh] {
      agreesWithOracle(seed: seed, steps: RunLength.isFull ? 2_000_000 : 20_000)
    }
  }

  private func agreesWithOracle(seed: UInt64, steps: Int) {
    var random = SeededRandom(seed: seed)
    var now = random.next() >> UInt64.random(in: 1...64, using: &random)
    let queue = TestWheel(now: now)
    let timers = (0..<200).map { TestTimer($0) }
    var armed: [Int: UInt64] = [:]
    for step in 0..<steps {
      let timer = timers[Int.random(in: 0..<timers.count, using: &random)]
      switch UInt8.random(in: 0..<10, using: &random) {
      case 0..<5:
        let (sum, overflow) = now.addingReportingOverflow(
          random.next() >> UInt64.random(in: 0...64, using: &random))
        var deadline = overflow ? UInt64.max : sum
        if UInt8.random(in: 0..<16, using: &random) == 0 { deadline = now / 2 }
        queue.insert(timer, deadline: deadline)
        armed[timer.id] = max(deadline, queue.current)
      case 5..<7:
        #expect(
          queue.cancel(timer) == (armed.removeValue(forKey: timer.id) != nil), "seed \(seed) step \(step)")
      default:
        if UInt8.random(in: 0..<4, using: &random) == 0, let next = queue.nextDeadline() {
          now = max(now, next)
        } else {
          let advance = random.next() >> UInt64.random(in: 20...64, using: &random)
          let (sum, overflow) = now.addingReportingOverflow(advance)
          now = overflow ? now : sum
        }
        let limit = Int.random(in: 1...40, using: &random)
        var last: UInt64 = 0
        let more = queue.expire(now: now, limit: limit) { node in
          let due = armed.removeValue(forKey: node.id)
          // Never early, never twice, in order, and nothing earlier is left behind.
          guard let due else {
            Issue.record("seed \(seed) step \(step): a timer that is not armed came")
            return
          }
          #expect(due <= now && due >= last, "seed \(seed) step \(step)")
          last = due
        }
        let earliest = armed.values.min()
        if more {
          #expect((earliest ?? .max) >= last, "seed \(seed) step \(step)")
        } else {
          #expect((earliest ?? .max) > now || earliest == nil, "seed \(seed) step \(step)")
        }
      }
      #expect(queue.count == armed.count)
      let earliest = armed.values.min()
      let answer = queue.nextDeadline()
      #expect((answer == nil) == (earliest == nil), "seed \(seed) step \(step)")
      if let answer, let earliest { #expect(answer <= earliest, "seed \(seed) step \(step)") }
    }
  }

  @Test func passesAtNextDeadlineReachATimerInAtMostElevenWakes() {
    var random = SeededRandom(seed: 9)
    for _ in 0..<200 {
      let queue = TestWheel(now: random.next() >> 8)
      let start = queue.current
      let deadline = start &+ (random.next() >> UInt64.random(in: 8...60, using: &random))
      // Enough company in the same slot to deny the exact answer.
      let timers = (0..<40).map { TestTimer($0) }
      for timer in timers { queue.insert(timer, deadline: deadline) }
      var passes = 0
      var seen = 0
      while let next = queue.nextDeadline() {
        #expect(next <= deadline)
        _ = queue.expire(now: next, limit: 1000) { _ in seen += 1 }
        passes += 1
        guard passes <= 11 else { break }
      }
      #expect(seen == 40 && passes <= 11)
    }
  }

  @Test func insertAndCancelCostTheSameFrom1To100000Armed() {
    let accesses = AccessCount()
    var random = SeededRandom(seed: 4)
    let queue = TestWheel()
    let probe = TestTimer(-1, accesses)
    var kept: [TestTimer] = []
    var worst: [Int] = []
    for armed in [1, 10, 100, 1_000, 10_000, 100_000] {
      while kept.count < armed {
        let timer = TestTimer(kept.count, accesses)
        queue.insert(timer, deadline: random.next() >> UInt64.random(in: 20...50, using: &random))
        kept.append(timer)
      }
      var most = 0
      for _ in 0..<1000 {
        let deadline = random.next() >> UInt64.random(in: 20...50, using: &random)
        let before = accesses.value
        queue.insert(probe, deadline: deadline)
        _ = queue.nextDeadline()
        queue.cancel(probe)
        most = max(most, accesses.value - before)
      }
      worst.append(most)
    }
    print("TimerQueue: node accesses of insert + nextDeadline + cancel at 1...100,000 armed: \(worst)")
    #expect(worst.allSatisfy { $0 <= 44 })
    while let timer = kept.popLast() { queue.cancel(timer) }
    #expect(queue.count == 0)
  }
}
