// ReadyQueueTests: rounds, levels, overtaking and fairness of the ready queue (I3).
import TaskRuntime
import TestSupport
import Testing

@Suite struct ReadyQueueTests {
  @Test func anEmptyQueueHasNothingToRun() {
    var driven = DrivenQueue()
    #expect(driven.queue.isEmpty)
    #expect(driven.drain() == [])
  }

  @Test func aSingleNodeNeverTouchesTheLists() {
    var driven = DrivenQueue()
    let node = TestNode(1)
    for _ in 0..<10 {
      driven.queue.push(node)
      #expect(!driven.queue.isEmpty)
      #expect(driven.next()?.id == 1)
    }
    #expect(driven.operations.value == 0)
    #expect(driven.queue.isEmpty)
  }

  @Test func theLoneNodeKeepsItsPlaceBeforeThoseThatCameLater() {
    var driven = DrivenQueue()
    for id in 1...3 { driven.queue.push(TestNode(id)) }
    #expect(driven.drain() == [1, 2, 3])
  }

  @Test func aNodeThatYieldsGoesBehindTheLoneOne() {
    var driven = DrivenQueue()
    driven.queue.push(TestNode(1))
    driven.queue.pushToLists(TestNode(2))
    #expect(driven.drain() == [1, 2])
  }

  @Test func withinARoundTheMostUrgentLevelGoesFirst() {
    var driven = DrivenQueue()
    for (id, level) in [(1, 7), (2, 3), (3, 0), (4, 3), (5, 7)] {
      driven.queue.push(TestNode(id, level: UInt8(level)))
    }
    #expect(driven.drain() == [3, 2, 4, 1, 5])
  }

  @Test func aNodeMadeReadyDuringARoundWaitsForTheNextOne() {
    // I3: 1 wakes itself at each run; 2 and 3 still get their turn in the round it began in.
    var driven = DrivenQueue()
    let nodes = [1, 2, 3].map { TestNode($0) }
    for node in nodes { driven.queue.push(node) }
    var order: [Int] = []
    for _ in 0..<6 {
      guard let node = driven.next() else { break }
      order.append(node.id)
      if node.id == 1 { driven.queue.push(node) }
    }
    #expect(order == [1, 2, 3, 1, 1, 1])
  }

  @Test func aLessUrgentNodeDoesNotWaitLongerThanARound() {
    // I3: urgent nodes that were not ready when the round began go before it, but only as overtakers.
    var driven = DrivenQueue()
    driven.queue.push(TestNode(1, level: 0))
    driven.queue.push(TestNode(2, level: 7))
    #expect(driven.next()?.id == 1)
    driven.queue.push(TestNode(3, level: 7))
    driven.queue.push(TestNode(4, level: 3))
    #expect(driven.drain() == [4, 2, 3])
  }

  @Test func overtakingEndsAfterTheStatedNumberInOnePass() {
    // I3: an urgent node that wakes itself for ever delays the round by 64 runs, not more.
    var driven = DrivenQueue()
    let urgent = TestNode(0, level: 0)
    driven.queue.push(urgent)
    driven.queue.push(TestNode(7, level: 7))
    var urgentRuns = 0
    while let node = driven.next(), node.id == 0 {
      urgentRuns += 1
      driven.queue.push(node)
      if urgentRuns > 1000 { break }
    }
    #expect(urgentRuns == 1 + ReadyQueue<CountedLists>.overtakesPerPass)
  }

  @Test func aNodeOfTheSameLevelDoesNotOvertake() {
    var driven = DrivenQueue()
    for id in 1...3 { driven.queue.push(TestNode(id, level: 4)) }
    #expect(driven.next()?.id == 1)
    driven.queue.push(TestNode(9, level: 4))
    #expect(!driven.queue.canOvertake)
    #expect(driven.drain() == [2, 3, 9])
  }

  @Test(arguments: [1, 10, 1_000, 10_000])
  func aYieldCostsTwoListOperationsHoweverManyAreReady(count: Int) {
    // Issue 2: yield is flat to 1,000 tasks; a list operation touches a constant number of words.
    var driven = DrivenQueue()
    for id in 0..<count { driven.queue.pushToLists(TestNode(id, level: UInt8(id % 8))) }
    let before = driven.operations.value
    let yields = 3 * count
    for _ in 0..<yields {
      guard let node = driven.next() else { break }
      driven.queue.pushToLists(node)
    }
    #expect(driven.operations.value - before == 2 * yields)
  }

  /// Runs random tasks that wake each other, and checks the bound of I3 for each wait.
  private func worstExcess(seed: UInt64, runs: Int) -> (worst: Int, served: Int) {
    var random = SeededRandom(seed: seed)
    let count = 40
    let nodes = (0..<count).map { TestNode($0, level: UInt8.random(in: 0..<8, using: &random)) }
    var driven = DrivenQueue()
    var readySince = [Int?](repeating: nil, count: count)
    var servedOf = [Int](repeating: 0, count: count)
    for node in nodes {
      driven.queue.push(node)
      readySince[node.id] = 0
    }
    // At most the rest of the present round, the next one, and a pass's overtakes in each.
    let bound = 2 * count + 2 * ReadyQueue<CountedLists>.overtakesPerPass
    var worst = 0
    for now in 1...runs {
      guard let node = driven.next() else { break }
      if let since = readySince[node.id] { worst = max(worst, now - since - bound) }
      readySince[node.id] = nil
      servedOf[node.id] += 1
      // The one that ran wakes itself, and urgent ones more often than others.
      for _ in 0..<3 {
        let first = nodes[Int.random(in: 0..<count, using: &random)]
        let second = nodes[Int.random(in: 0..<count, using: &random)]
        let other = first.level < second.level ? first : second
        if readySince[other.id] == nil {
          readySince[other.id] = now
          driven.queue.push(other)
        }
      }
      if readySince[node.id] == nil {
        readySince[node.id] = now
        driven.queue.pushToLists(node)
      }
    }
    return (worst, servedOf.min() ?? 0)
  }

  @Test func nobodyStarvesWhateverTheLevels() {
    // I3, property: every ready node runs within a bound that depends on the number of nodes only.
    let chosen = UInt64.random(in: .min ... .max)
    print("ready queue fairness: random seed \(chosen)")
    for seed in (RunLength.isFull ? 1...1_000 : 1...10).map(UInt64.init) + [chosen] {
      let result = worstExcess(seed: seed, runs: 20_000)
      #expect(result.worst <= 0, "seed \(seed): \(result.worst) runs beyond the bound")
      #expect(result.served > 20, "seed \(seed): a node was served \(result.served) times")
    }
  }
}
