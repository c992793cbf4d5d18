// Channel: a bounded queue of one CPU: many senders, one receiver.
import Tasks

/// A queue of at most `Capacity` elements between tasks of one CPU.
///
/// A full channel says so at once; a send wakes the one receiver. No locked instruction but what
/// `Element` itself costs. *May be called from*: tasks of the CPU that made it.
public final class Channel<Element, let Capacity: Int>: @unchecked Sendable {
  /// The task that waits, until it has run again; nothing was queued when it began to.
  private var receiver: TaskRef?
  /// What the receiver was woken with: older than all that is queued.
  private var handed: Element?
  private var slots = InlineArray<Capacity, Element?>(repeating: nil)
  private var first = 0
  private var filled = 0
  private let home = ThisCPU.index
  /// `home` while the channel is open, a number that no CPU has when it is closed: one look tells both.
  private var gate = ThisCPU.index

  /// An empty channel.
  public init() {}

  /// How many elements wait.
  public var count: Int { handed == nil ? filled : filled &+ 1 }

  /// Queues an element and wakes the receiver.
  ///
  /// Throws `full` or `closed`; then nothing was queued.
  @inline(__always) public func send(_ element: consuming Element) throws(WaitError) {
    guard _fastPath(gate == ThisCPU.index) else { throw refusal() }
    if let task = receiver {
      if _fastPath(handed == nil) {
        handed = element
        return LeafWait.wake(task)
      }
      guard filled &+ 1 < Capacity else { throw .full }
    } else {
      guard filled < Capacity else { throw .full }
    }
    let end = first &+ filled
    slots[end < Capacity ? end : end &- Capacity] = element
    filled &+= 1
  }

  /// No more elements: the receiver gets what is queued, then `closed`.
  public func close() {
    LeafWait.check(home)
    gate = .max
    if let task = receiver { LeafWait.wake(task) }
  }

  /// The next element, suspending until there is one.
  ///
  /// One receiver at a time.
  ///
  /// Throws `closed` when the channel is closed and empty, `cancelled`, `timedOut`, or `full` when
  /// another task is receiving.
  @inline(__always) public nonisolated(nonsending) func receive() async throws(WaitError) -> Element {
    while true {
      guard _fastPath(gate == ThisCPU.index) else { return try remainder() }
      let task = TaskRef.running
      if _slowPath(task.isCancelled) { throw .cancelled }
      guard _fastPath(receiver == nil) else { throw .full }
      if let element = take() {
        await LeafWait.spend()
        return element
      }
      try LeafWait.armScope(task)
      receiver = task
      await LeafWait.parkArmed()
      receiver = nil
      if _fastPath(handed != nil), let element = handed {
        handed = nil
        return element
      }
      // Closed, cancelled, late, or woken for nothing.
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

  // What a closed channel still holds: no wait, and at most `Capacity` times.
  @inline(never) private func remainder() throws(WaitError) -> Element {
    let refusal = refusal()
    try LeafWait.enter()
    guard receiver == nil else { throw .full }
    guard let element = take() else { throw refusal }
    return element
  }

  // Why the gate is shut: closed, unless this is another CPU, which ends the machine.
  @inline(never) private func refusal() -> WaitError {
    LeafWait.check(home)
    return .closed
  }
}
