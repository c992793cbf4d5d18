// LatencyCatalog: the metrics in the order in which they are measured, and those that others measure.

enum LatencyCatalog {
  /// Everything that this task can measure on some board.
  static func all(_ host: LatencyHost) -> [any LatencyMetric] {
    var metrics: [any LatencyMetric] = [
      EmptyProbe(), SpawnToRun(), SpawnRunEnd(),
      Yield(1), Yield(2), Yield(10), Yield(1000),
      WakeToRun(), BareInterrupt(), InterruptToRun(),
      BareWake(), RemoteWake(.polling), RemoteWake(.halted),
      BareDeadline(), IdleExit(), TimerLateness(),
    ]
    var armed = 1
    while armed <= host.timerLimit {
      metrics.append(TimerQueueCost(armed))
      armed = armed &* 10
    }
    metrics += [
      ChannelTrip(), ManySenders(), OneShotTrip(), RemoteTrip(),
      Request(.core, .whole), Request(.core, .decode), Request(.core, .handler), Request(.core, .reply),
      Request(.null, .whole), Request(.null, .decode), Request(.null, .dispatch), Request(.null, .handler),
      Request(.null, .reply),
      WakeBesideSlices(),
    ]
    var ring = 1
    while ring <= host.taskLimit {
      metrics.append(Ring(ring))
      ring = ring &* 10
    }
    metrics += [
      Scaling(), TaskMemory(), SteadyHeap(), CancelToThrow(), Fairness(), Spread(), BootInstructions(),
    ]
    return metrics
  }

  /// Metrics of runtime.md §6 that no run of the suite can take by itself.
  static var elsewhere: [(UInt8, String)] {
    [
      (14, "see the cold columns of L3 and L9"),
      (15, "taken from images compiled with other trace levels"),
    ]
  }

  static func key(_ number: UInt8) -> String { "L\(number)" }
}
