// LatencyCatalog: the metrics in the order in which they are measured, and those that others measure.

enum LatencyCatalog {
  /// Everything that this task can measure on some board.
  static func all() -> [any LatencyMetric] {
    var metrics: [any LatencyMetric] = [
      // Memory first: later on the pools have blocks of others' tasks.
      EmptyProbe(), TaskMemory(), SpawnToRun(), SpawnRunEnd(),
      Yield(1), Yield(2), Yield(10), Yield(1000),
      WakeToRun(), BareInterrupt(), InterruptToRun(),
      BareWake(), RemoteWake(.polling), RemoteWake(.halted),
      BareDeadline(), IdleExit(), TimerLateness(),
    ]
    for armed in numbers { metrics.append(TimerQueueCost(armed)) }
    metrics += [
      ChannelTrip(), ManySenders(), OneShotTrip(), RemoteTrip(),
      Request(.core, .whole), Request(.core, .decode), Request(.core, .handler), Request(.core, .reply),
      Request(.null, .whole), Request(.null, .decode), Request(.null, .dispatch), Request(.null, .handler),
      Request(.null, .reply),
      WakeBesideSlices(),
    ]
    for ring in numbers { metrics.append(Ring(ring)) }
    metrics += [
      Scaling(), SteadyHeap(), CancelToThrow(), Fairness(), Spread(), BootInstructions(),
    ]
    return metrics
  }

  /// How many timers or tasks: runtime.md §6.
  private static var numbers: [Int] { [1, 10, 100, 1_000, 10_000, 100_000] }

  /// Metrics of runtime.md §6 that no run of the suite can take by itself: whoever reads the run makes them of its cold
  /// readings, or of another run, and drops the line.
  static func elsewhere(_ host: LatencyHost) -> [(number: UInt8, key: String, reason: String)] {
    [
      (10, "L10/guest", "no guest is served in this run"),
      (
        14, "L14",
        host.cool == nil ? "this board cannot empty the caches" : "needs the cold readings of L3 and L10"
      ),
      (15, "L15", "taken from images compiled with other trace levels"),
    ]
  }
}
