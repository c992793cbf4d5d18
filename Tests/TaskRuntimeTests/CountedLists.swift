// CountedLists: ready lists over objects, which count their operations.
import TaskRuntime

/// A node of a ready queue or a waiter list.
final class TestNode: ReadyNode {
  let id: Int
  var level: UInt8
  var next: TestNode?

  init(_ id: Int, level: UInt8 = 2) {
    self.id = id
    self.level = level
  }

  static func == (left: TestNode, right: TestNode) -> Bool { left === right }
}

/// How many list operations were made, over all lists of a test.
final class OperationCount {
  var value = 0
}

/// Eight lists as arrays.
///
/// Each operation is a constant number of stores in the CPU's own table.
struct CountedLists: ReadyLists {
  private var lists = [NodeList<TestNode>](repeating: NodeList(), count: 8)
  private let operations: OperationCount

  init(_ operations: OperationCount) { self.operations = operations }

  mutating func append(_ node: TestNode) {
    operations.value += 1
    lists[Int(node.level)].append(node)
  }

  func place(of index: Int) -> Int { index }
  mutating func popFirst(of index: Int) -> (task: TestNode, wasLast: Bool) {
    operations.value += 1
    guard let node = lists[index].popFirst() else { fatalError("the mask named an empty list") }
    return (node, lists[index].isEmpty)
  }
}

/// A ready queue driven as an executor drives it, one node at a time.
struct DrivenQueue {
  let operations = OperationCount()
  var queue: ReadyQueue<CountedLists>
  /// Rounds begun.
  var rounds = 0
  /// Passes begun, at least one every 16 rounds.
  var passes = 0
  private var roundsLeft = 0

  init() {
    queue = ReadyQueue(CountedLists(operations), CountedLists(operations))
  }

  /// What runs next; nil if nothing is ready.
  mutating func next() -> TestNode? {
    if queue.isRoundOver {
      if roundsLeft == 0 {
        passes += 1
        roundsLeft = 16
        queue.renewOvertakes()
      }
      roundsLeft -= 1
      rounds += 1
      if let node = queue.popLone() { return node }
      if queue.isEmpty { return nil }
      queue.beginRound()
    } else if queue.canOvertake {
      return queue.overtake()
    }
    return queue.popBatch()
  }

  /// Everything that is ready, in the order it would run.
  mutating func drain() -> [Int] {
    var ids: [Int] = []
    while let node = next() { ids.append(node.id) }
    return ids
  }
}
