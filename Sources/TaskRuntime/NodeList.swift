// NodeList: a first-in first-out list of tasks linked through their own headers.

/// A node that can stand in a ready queue or a waiter list: a task header, or an object of a test.
public protocol ReadyNode: Equatable {
  /// The link to the next node of the same list.
  var next: Self? { get nonmutating set }
  /// The level, 0 (most urgent) to 7.
  var level: UInt8 { get }
}

/// A first-in first-out list; a node is in at most one list at a time.
public struct NodeList<Node: ReadyNode> {
  private(set) var head: Node?
  private var tail: Node?

  /// An empty list.
  public init() {}

  /// Whether no node is in the list.
  @inline(__always) public var isEmpty: Bool { head == nil }

  /// Puts a node, which is in no list, at the end.
  @inline(__always) public mutating func append(_ node: Node) {
    node.next = nil
    if let last = tail { last.next = node } else { head = node }
    tail = node
  }

  /// Takes the first node out.
  @inline(__always) public mutating func popFirst() -> Node? {
    guard let first = head else { return nil }
    head = first.next
    if head == nil { tail = nil }
    return first
  }

  /// Takes a given node out, wherever it stands; false if it is not there.
  ///
  /// O(length).
  public mutating func remove(_ node: Node) -> Bool {
    var previous: Node?
    var cursor = head
    while let here = cursor {
      if here == node {
        if let before = previous { before.next = here.next } else { head = here.next }
        if here.next == nil { tail = previous }
        here.next = nil
        return true
      }
      previous = here
      cursor = here.next
    }
    return false
  }
}
