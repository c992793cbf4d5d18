// NodeListTests: the waiter list against an array.
import TaskRuntime
import TestSupport
import Testing

@Suite struct NodeListTests {
  private func drain(_ list: inout NodeList<TestNode>) -> [Int] {
    var ids: [Int] = []
    while let node = list.popFirst() { ids.append(node.id) }
    return ids
  }

  @Test func nodesLeaveInTheOrderTheyCame() {
    var list = NodeList<TestNode>()
    #expect(list.isEmpty && drain(&list) == [])
    for id in 1...4 { list.append(TestNode(id)) }
    #expect(!list.isEmpty)
    #expect(drain(&list) == [1, 2, 3, 4])
    #expect(list.isEmpty)
  }

  @Test(arguments: [0, 1, 2])
  func aNodeCanBeTakenOutWhereverItStands(index: Int) {
    var list = NodeList<TestNode>()
    let nodes = (0..<3).map { TestNode($0) }
    for node in nodes { list.append(node) }
    let (first, second) = (list.remove(nodes[index]), list.remove(nodes[index]))
    #expect(first && !second)
    list.append(nodes[index])
    #expect(drain(&list) == [0, 1, 2].filter { $0 != index } + [index])
  }

  @Test func aNodeThatIsNotThereIsNotRemoved() {
    var list = NodeList<TestNode>()
    let found = list.remove(TestNode(1))
    #expect(!found)
    list.append(TestNode(2))
    let other = list.remove(TestNode(1))
    #expect(!other)
    #expect(drain(&list) == [2])
  }

  @Test func randomOperationsAgreeWithAnArray() {
    let seed = UInt64.random(in: .min ... .max)
    print("node list: random seed \(seed)")
    var random = SeededRandom(seed: seed)
    var list = NodeList<TestNode>()
    var model: [TestNode] = []
    let nodes = (0..<8).map { TestNode($0) }
    for _ in 0..<2_000 {
      let node = nodes[Int.random(in: 0..<8, using: &random)]
      switch Int.random(in: 0..<3, using: &random) {
      case 0 where !model.contains(node):
        list.append(node)
        model.append(node)
      case 1:
        let index = model.firstIndex(of: node)
        #expect(list.remove(node) == (index != nil), "seed \(seed)")
        if let index { model.remove(at: index) }
      default:
        let expected = model.isEmpty ? nil : model.removeFirst()
        #expect(list.popFirst()?.id == expected?.id, "seed \(seed)")
      }
    }
    #expect(drain(&list) == model.map(\.id), "seed \(seed)")
  }
}
