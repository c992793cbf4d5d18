// OneShot: one value from one task to another, once.
import Tasks

/// A value that is sent once and received once, by tasks of the CPU that made it.
public final class OneShot<Value>: @unchecked Sendable {
  private var value: Value?
  private var isClosed = false
  private var receiver: TaskRef?
  private let home = ThisCPU.index

  /// A one-shot without its value.
  public init() {}

  /// Sends the value and wakes the receiver.
  ///
  /// Throws `closed` for a second value.
  public func send(_ value: consuming Value) throws(WaitError) {
    LeafWait.check(home)
    if isClosed { throw .closed }
    isClosed = true
    self.value = value
    wake()
  }

  /// There will be no value: the receiver gets `closed`.
  public func close() {
    LeafWait.check(home)
    isClosed = true
    wake()
  }

  /// The value, suspending until it is sent.
  ///
  /// Throws `closed` if there will be none or it was received already, `cancelled`, `timedOut`, or
  /// `full` when another task is receiving.
  public nonisolated(nonsending) func receive() async throws(WaitError) -> Value {
    LeafWait.check(home)
    try LeafWait.enter()
    while true {
      if let sent = value {
        value = nil
        return sent
      }
      if isClosed { throw .closed }
      guard receiver == nil else { throw .full }
      let task = TaskRef.running
      try LeafWait.begin(task)
      receiver = task
      guard await LeafWait.park() else {
        receiver = nil
        throw LeafWait.reason(task)
      }
    }
  }

  private func wake() {
    guard let task = receiver else { return }
    receiver = nil
    LeafWait.grant(task)
  }
}
