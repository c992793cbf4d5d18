// Channel: a bounded queue of one CPU: many senders, one receiver.
import Tasks

/// A queue of at most `Capacity` elements between tasks of one CPU.
///
/// A full channel says so at once; a send wakes the one receiver. No locked instruction but what
/// `Element` itself costs. *May be called from*: tasks of the CPU that made it.
public final class Channel<Element, let Capacity: Int>: @unchecked Sendable {
  private var slots = InlineArray<Capacity, Element?>(repeating: nil)
  private var first = 0
  private var filled = 0
  private var isClosed = false
  private var receiver: TaskRef?
  private let home = ThisCPU.index

  /// An empty channel.
  public init() {}

  /// How many elements wait.
  public var count: Int { filled }

  /// Queues an element and wakes the receiver.
  ///
  /// Throws `full` or `closed`; then nothing was queued.
  @inline(__always) public func send(_ element: consuming Element) throws(WaitError) {
    LeafWait.check(home)
    if isClosed { throw .closed }
    guard filled < Capacity else { throw .full }
    let end = first &+ filled
    slots[end < Capacity ? end : end &- Capacity] = element
    filled &+= 1
    if let task = receiver {
      receiver = nil
      LeafWait.grant(task)
    }
  }

  /// No more elements: the receiver gets what is queued, then `closed`.
  public func close() {
    LeafWait.check(home)
    isClosed = true
    if let task = receiver {
      receiver = nil
      LeafWait.grant(task)
    }
  }

  /// The next element, suspending until there is one.
  ///
  /// One receiver at a time.
  ///
  /// Throws `closed` when the channel is closed and empty, `cancelled`, `timedOut`, or `full` when
  /// another task is receiving.
  @inline(__always) public nonisolated(nonsending) func receive() async throws(WaitError) -> Element {
    LeafWait.check(home)
    try LeafWait.enter()
    if let element = take() {
      await LeafWait.spend()
      return element
    }
    return try await receiveSlowly()
  }

  // Inlined too: a call of an async function costs as much as a wake.
  @inline(__always) private nonisolated(nonsending) func receiveSlowly() async throws(WaitError) -> Element {
    while true {
      if let element = take() { return element }
      if isClosed { throw .closed }
      guard receiver == nil else { throw .full }
      let task = TaskRef.running
      try LeafWait.begin(task)
      receiver = task
      if await LeafWait.park(task) { continue }
      receiver = nil
      throw LeafWait.reason(task)
    }
  }

  @inline(__always) private func take() -> Element? {
    guard filled > 0 else { return nil }
    let element = slots[first]
    slots[first] = nil
    first = first &+ 1 < Capacity ? first &+ 1 : 0
    filled &-= 1
    return element
  }
}
