// Trace: the seven trace points and what each level of observability records there.
import Tasks

/// What happened at a trace point.
public enum TraceKind: UInt8, Sendable {
  /// A task was started.
  case spawn = 1
  /// A task became ready.
  case ready = 2
  /// A task's run begins.
  case runBegin = 3
  /// A task's run ends (it suspends, yields or ends).
  case runEnd = 4
  /// A task suspended in a leaf.
  case suspend = 5
  /// A task ended.
  case end = 6
  /// The CPU rests.
  case idle = 7

  /// What it is called in reports.
  public var name: String {
    switch self {
    case .spawn: "spawn"
    case .ready: "ready"
    case .runBegin: "run"
    case .runEnd: "run-end"
    case .suspend: "suspend"
    case .end: "end"
    case .idle: "idle"
    }
  }
}

/// How much is recorded, fixed when the image is compiled.
public enum TraceLevel: Sendable {
  /// Nothing beyond `ExecutorCounts`.
  case off
  /// Per-task counters and the stall detector.
  case counters
  /// Counters and the ring of records.
  case full

  /// The level this image was compiled with.
  @inline(__always) public static var current: TraceLevel {
    #if APUS_TRACE_FULL
      .full
    #elseif APUS_TRACE_COUNTERS
      .counters
    #else
      .off
    #endif
  }
}

/// One record of the ring.
public struct TraceRecord: Sendable {
  /// Ticks.
  public var time: UInt64
  /// The task's identifier; 0 for the CPU itself.
  public var task: UInt32
  /// `TraceKind`, and in the upper bits what the task waits for.
  public var kind: UInt32
}

/// The run under way, as counters need it: an executor's first words, which are the entry code's too (`apus_handover`).
struct RunClock {
  #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
    /// When the present run began.
    var runStart: UInt64
    /// Ticks from which on a run counts as a stall.
    var stallLimit = StallLimit.ticks
    /// Whose it is.
    var running: TaskRef?
  #endif

  init(now: UInt64) {
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      runStart = now
    #endif
  }
}

/// A CPU's trace: nothing, counters, or counters and a ring, by `TraceLevel`.
struct TraceState {
  #if APUS_TRACE_FULL
    static var capacity: Int { 1024 }
    var ring = InlineArray<1024, TraceRecord>(repeating: TraceRecord(time: 0, task: 0, kind: 0))
    /// Records ever written; the ring holds the last `capacity` of them.
    var written: UInt64 = 0
  #endif
  #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
    /// Runs longer than the limit, and the longest of them.
    var stalls: UInt64 = 0
    var longestStall: UInt64 = 0
    var stalledTask: UInt32 = 0
    var stalledLabel = TaskLabel()
  #endif

  func summary(_ clock: RunClock) -> TraceSummary {
    var summary = TraceSummary()
    #if APUS_TRACE_FULL
      summary.written = written
    #endif
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      summary.stalls = stalls
      summary.longestStall = longestStall
      summary.stalledTask = stalledTask
      summary.stalledLabel = stalledLabel
      summary.stallLimit = clock.stallLimit
    #endif
    return summary
  }

  #if APUS_TRACE_FULL
    /// Record `number`, counted from the first ever; one that the ring no longer holds has been overwritten.
    func record(_ number: UInt64) -> TraceRecord {
      ring[Int(truncatingIfNeeded: number) & (Self.capacity &- 1)]
    }
  #endif

  @inline(__always) mutating func spawned(_ task: TaskRef, _ clock: RunClock) {
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      task.resetCounters()
    #endif
    record(.spawn, task, clock)
  }
  @inline(__always) mutating func ended(_ task: TaskRef, _ clock: RunClock) { record(.end, task, clock) }
  @inline(__always) mutating func suspends(_ task: TaskRef, _ clock: RunClock) {
    record(.suspend, task, clock)
  }
  @inline(__always) mutating func idles(_ clock: RunClock) { record(.idle, nil, clock) }

  /// The CPU is back from a rest: what becomes ready in this pass waits from now on, not from before the rest.
  @inline(__always) func restEnds(_ clock: inout RunClock) {
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      clock.runStart = ThisCPU.now
    #endif
  }

  @inline(__always) mutating func ready(_ task: TaskRef, _ clock: RunClock) {
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      task.wakes &+= 1
      // The clock was read when the present run began: no second reading (runtime.md §4).
      task.readyAt = clock.runStart
      record(.ready, task, clock)
    #endif
  }

  /// One reading of the clock ends the previous run and begins the next.
  ///
  /// With counters, the entry code does this by itself for the commonest hand-over (`PARK_LEAF`).
  @inline(__always) mutating func runBegins(_ task: TaskRef, _ clock: inout RunClock) {
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      let now = ThisCPU.now
      closeRun(now, clock)
      clock.runStart = now
      clock.running = task
      task.runs &+= 1
      let waited = UInt32(clamping: now &- task.readyAt)
      if waited > task.longestWait { task.longestWait = waited }
      record(.runBegin, task, clock)
    #endif
  }

  /// Nothing follows the present run.
  @inline(__always) mutating func passEnds(_ clock: inout RunClock) {
    #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
      let now = ThisCPU.now
      closeRun(now, clock)
      clock.runStart = now
      clock.running = nil
    #endif
  }

  #if APUS_TRACE_FULL || APUS_TRACE_COUNTERS
    @inline(__always) private mutating func closeRun(_ now: UInt64, _ clock: RunClock) {
      guard let task = clock.running else { return }
      let ran = now &- clock.runStart
      if ran > UInt64(task.longestRun) { task.longestRun = UInt32(clamping: ran) }
      if ran > clock.stallLimit { stalled(task, ran) }
      record(.runEnd, task, clock, at: now)
    }

    @inline(never) mutating func stalled(_ task: TaskRef, _ ran: UInt64) {
      stalls &+= 1
      guard ran > longestStall else { return }
      longestStall = ran
      stalledTask = task.identifier
      stalledLabel = task.label
    }
  #endif

  @inline(__always) private mutating func record(
    _ kind: TraceKind, _ task: TaskRef?, _ clock: RunClock, at time: UInt64? = nil
  ) {
    #if APUS_TRACE_FULL
      let slot = Int(truncatingIfNeeded: written) & (Self.capacity &- 1)
      ring[slot] = TraceRecord(
        time: time ?? clock.runStart,
        task: task?.identifier ?? 0, kind: UInt32(kind.rawValue))
      written &+= 1
    #endif
  }
}

/// How long a run may take before it counts as a stall.
public enum StallLimit {
  /// Ticks; the stated default is 100 µs at the host's clock (`ThisCPU.ticksPerMicrosecond`).
  @inline(__always) public static var ticks: UInt64 { ThisCPU.ticksPerMicrosecond &* 100 }
}
