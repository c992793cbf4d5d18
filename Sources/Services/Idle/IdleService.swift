// IdleService: the task that halts its CPU when nothing is ready.
public import Seams
import TaskRuntime

/// Halts the CPU whenever nothing is ready; one per CPU, selected by the board.
///
/// The check-then-halt window is closed: wakes are held off, the CPU publishes that it halts, looks once
/// more, and only the halt itself lets wakes in (I2). There is no periodic tick.
public struct IdleService<Rest: Halter & Sendable>: Sendable {
  private let halter: Rest

  /// An idle service over the platform's halt.
  public init(_ halter: Rest) { self.halter = halter }

  /// The task's life.
  public nonisolated(nonsending) func run() async {
    Executor.becomeIdleTask()
    while true {
      await Executor.idleTurn()
      halter.holdWakes()
      switch prepare() {
      case .rest(let deadline): halter.halt(until: deadline)
      case .stay: halter.releaseWakes()
      }
    }
  }

  // Not `flush: halter.flush`, and not in an async function: that makes an object each time, which is never freed (6.3.1).
  @inline(never) private func prepare() -> RestDecision {
    Executor.prepareToRest(as: .halting) { halter.flush() }
  }
}
