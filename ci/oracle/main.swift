// main: the conformance program on the toolchain's runtime; prints the events of each logical task in order.
import Conformance
import Foundation

final class Events: Recorder, @unchecked Sendable {
  private let lock = NSLock()
  private var lines: [(task: Int, event: Int)] = []
  func record(_ task: Int, _ event: Int) { lock.withLock { lines.append((task, event)) } }
  func print() {
    for task in 0..<32 {
      for line in lines where line.task == task { Swift.print("\(task) \(line.event)") }
    }
  }
}

let events = Events()
await conformance(events)
events.print()
