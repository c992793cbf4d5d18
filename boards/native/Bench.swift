// Bench: the board with the latency suite among its tasks (`boards/build native --bench`).
#if APUS_BENCH
  import Kernel
  import Latency
  import Machine
  import Seams
  import TaskLatency
  import TaskRuntime
  import Tasks

  /// What the suite needs of this board; made before boot, because every CPU's list of tasks uses it.
  final class NativeBench: @unchecked Sendable {
    private let host: LatencyHost

    init(_ table: OwnerTable, put: @escaping (UInt8) -> Void, end: @escaping (Bool) -> Void) {
      host = LatencyHost(table: table, put: put, end: end)
    }

    /// Starts the tasks of CPU `cpu`, on it.
    func start<Bare: BareMachine & TaskHost, Platform: KernelPlatform>(
      _ kernel: Kernel<Bare, Platform>, _ cpu: CPUIndex
    ) throws(SpawnError) where Platform.Time: SleepClock & Sendable {
      guard let clock = kernel.clock else { return }
      let halter = MachineHalter(clock)
      let idle = LatencyIdle(
        host, hold: { halter.holdWakes() }, release: { halter.releaseWakes() },
        halt: { halter.halt(until: $0) }, flush: { halter.flush() })
      try spawn("idle", level: 7) { await idle.run() }
      guard cpu == .boot else { return }
      host.cpus = kernel.online.count
      host.kilohertz = clock.frequency / 1000
      host.hasTimer = true
      host.timerLimit = 10_000
      host.taskLimit = 10_000
      host.taskBytes = { (kernel.tasks?.usage.frames ?? 0) &* 4096 }
      host.rest = { deadline, isOver in
        halter.holdWakes()
        if isOver() { halter.releaseWakes() } else { halter.halt(until: deadline) }
      }
      switch TraceLevel.current {
      case .off: break
      case .counters: host.flags.insert(.counters)
      case .full: host.flags.insert(.trace)
      }
      if kernel.options.has("exact") {
        host.flags.insert(.exact)
        host.bootInstructions = kernel.machine.cycles &- kernel.machine.entryCycles
      }
      let suite = LatencySuite(host, Self.options(kernel.options))
      try spawn("latency") { await suite.run() }
    }

    private static func options(_ words: BootOptions) -> LatencyOptions {
      var options = LatencyOptions()
      if let number = words.number("samples"), number > 0 { options.samples = number }
      if let number = words.number("slow"), number > 0 { options.slowSamples = number }
      if let number = words.number("cold") { options.coldSamples = number }
      if let number = words.number("select") { options.selection = number }
      if let number = words.number("probe-limit"), number > 0 { options.probeLimit = number }
      return options
    }
  }
#endif
