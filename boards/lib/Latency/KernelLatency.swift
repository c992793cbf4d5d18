// KernelLatency: the latency suite among a kernel's tasks, for every board that `boards/build BOARD --bench` can build.
public import Kernel
import Latency
public import Seams
public import TaskLatency
import TaskRuntime
public import Tasks

/// What the suite needs of a board with a kernel; made before boot, because every CPU's list of tasks uses it.
public final class KernelLatency: @unchecked Sendable {
  /// What the suite knows of the board; a board adds what it can offer beyond the rest of this type.
  public let host: LatencyHost

  /// A suite that sends by `put`; `end` is told whether every measurement was taken.
  public init(_ table: OwnerTable, put: @escaping (UInt8) -> Void, end: @escaping (Bool) -> Void) {
    host = LatencyHost(table: table, put: put, end: end)
  }

  /// Starts the tasks of CPU `cpu`, on it: an idle task over `halter`, and on the boot CPU the suite.
  ///
  /// `canSleep`: whether a deadline ends the halter's rest. `extend` may add to `host` before the suite begins.
  public func start<Bare: BareMachine & TaskHost, Platform: KernelPlatform, Rest: Halter & Sendable>(
    _ kernel: Kernel<Bare, Platform>, _ cpu: CPUIndex, _ halter: Rest, canSleep: Bool,
    extend: (LatencyHost) -> Void = { _ in }
  ) throws(SpawnError) {
    let idle = LatencyIdle(
      host, hold: { halter.holdWakes() }, release: { halter.releaseWakes() },
      halt: { halter.halt(until: $0) }, flush: { halter.flush() })
    try spawn("idle", level: 7) { await idle.run() }
    guard cpu == .boot, let clock = kernel.clock else { return }
    host.cpus = kernel.online.count
    host.kilohertz = max(1, clock.frequency / 1000)
    host.hasTimer = canSleep
    host.taskLimit = Self.taskLimit(kernel)
    host.timerLimit = host.taskLimit
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
    extend(host)
    let suite = LatencySuite(host, Self.options(kernel.options))
    try spawn("latency") { await suite.run() }
  }

  /// Ten thousand tasks, or the tenth of that, or so on, that fit into what the pool of tasks may still take.
  private static func taskLimit<Bare: BareMachine & TaskHost, Platform: KernelPlatform>(
    _ kernel: Kernel<Bare, Platform>
  ) -> Int {
    guard let frames = kernel.frames else { return 1 }
    // A task with its closure and frames takes 1 KiB; half as much again for what others keep in their stocks.
    let tasks = min(frames.withTable { $0.freeCount }, frames.tags.frameCount / 2) &* 4096 / 1536
    var limit = 10_000
    while limit > 1, UInt64(limit) > tasks { limit /= 10 }
    return limit
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
