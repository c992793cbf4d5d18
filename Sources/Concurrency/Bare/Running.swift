// Running: giving the CPU to the chosen task, and what comes back for it through the inbox.
import AsyncEntry

extension ThisCPU {
  /// Resumes the chosen task; returns when nothing was chosen to follow it.
  @inline(__always) public static func runChosen() {
    apus_run()
  }
}

extension TaskRef {
  /// A task came out of this CPU's inbox.
  ///
  /// True: it belongs here and is to be made ready. False: it was
  /// a waiter in custody and has been dealt with.
  @inline(__always) package func arrived() -> Bool { unsafe taskArrived(pointer) }

  /// The task's cancellation came out of this CPU's inbox.
  @inline(__always) package func cancellationArrived() { unsafe taskCancelArrived(pointer) }
}
