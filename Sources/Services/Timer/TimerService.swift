// TimerService: sleeping on the platform's clock; a board without it has no way to sleep.
public import Seams
public import TaskRuntime

/// Sleep for tasks, on a clock that can do it.
///
/// A platform whose `Clock` is of kind `none` has no `SleepClock`, so sleeping does not compile there.
/// Deadlines are armed by the idle task when the CPU rests and looked at in every pass while it runs.
public struct TimerService<Time: SleepClock & Sendable>: Sendable {
  /// The clock slept on.
  public let clock: Time

  /// A timer service over the platform's clock.
  public init(_ clock: Time) { self.clock = clock }

  /// The timer's task: takes the CPU's timer interrupts, so that none stays unclaimed, and counts them.
  ///
  /// One per CPU, if the board wants it. Sleeping works without: deadlines are looked at in every pass.
  public nonisolated(nonsending) func run(_ count: TimerCount) async {
    while true {
      do throws(WaitError) {
        try await Executor.waitForInterrupt(InterruptSource.timer)
        count.alarms &+= 1
      } catch {
        return
      }
    }
  }

  /// Suspends until `deadline`: never early.
  ///
  /// Throws `cancelled` or `timedOut` (an enclosing scope's).
  public nonisolated(nonsending) func sleep(until deadline: Instant) async throws(WaitError) {
    try await Executor.sleep(until: deadline.ticks)
  }

  /// Suspends for at least `microseconds`.
  public nonisolated(nonsending) func sleep(microseconds: UInt64) async throws(WaitError) {
    let deadline = clock.now().advanced(by: clock.ticks(microseconds: microseconds))
    try await Executor.sleep(until: deadline.ticks)
  }
}

/// What the timer's task of one CPU has counted.
public final class TimerCount: @unchecked Sendable {
  /// Timer interrupts that were taken; several that came at once count as one.
  public fileprivate(set) var alarms: UInt64 = 0
  /// Nothing yet.
  public init() {}
}
