// LatencyIdle: the idle task of a CPU that is measured: it halts, or polls while the suite says so.
import TaskRuntime
import Tasks

/// As `IdleService`, with the choice between halting and polling.
public final class LatencyIdle: @unchecked Sendable {
  private let host: LatencyHost
  private let hold: () -> Void
  private let release: () -> Void
  private let halt: (UInt64?) -> Void
  private let flush: () -> Void

  /// An idle task over a board's halt, given as closures so that a task can hold them (`Halter` says what each does).
  public init(
    _ host: LatencyHost, hold: @escaping () -> Void, release: @escaping () -> Void,
    halt: @escaping (UInt64?) -> Void, flush: @escaping () -> Void
  ) {
    self.host = host
    self.hold = hold
    self.release = release
    self.halt = halt
    self.flush = flush
  }

  /// The task's life.
  public nonisolated(nonsending) func run() async {
    Executor.becomeIdleTask()
    while true {
      await Executor.idleTurn()
      if host.idlePolls {
        AtomicCell.pause()
        continue
      }
      hold()
      switch Executor.prepareToRest(as: .halting, flush: flush) {
      case .rest(let deadline): halt(deadline)
      case .stay: release()
      }
    }
  }
}
