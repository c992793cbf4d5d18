// SimThreads: the Linux-process build: every CPU a pinned thread, halts and kicks by futex, the real clock.
import SimHost

/// The threads of a process that plays a machine on the real clock.
public enum SimThreads {
  private final class Body {
    let run: (Int) -> Void
    init(_ run: @escaping (Int) -> Void) { self.run = run }
  }

  /// From now on the runtime's clock is the time-stamp counter; its rate is measured (about 50 ms).
  public static func useRealClock() { sim_use_real_clock() }

  /// Ticks of the clock in a millisecond, not rounded further.
  public static var kilohertz: UInt64 { sim_kilohertz() }

  /// Runs `body` with the numbers from 0 on as many pinned threads; false if they have not ended after `seconds`.
  public static func run(_ count: Int, seconds: UInt64, _ body: @escaping @Sendable (Int) -> Void) -> Bool {
    let box = Body(body)
    let context = unsafe Unmanaged.passRetained(box).toOpaque()  // kept: threads may outlive the call
    return unsafe sim_run_threads(
      UInt64(count), seconds,
      { context, cpu in
        guard let context = unsafe context else { return }
        unsafe Unmanaged<Body>.fromOpaque(context).takeUnretainedValue().run(Int(cpu))
      }, context) != 0
  }

  /// Rests until CPU `cpu` is kicked, or until tick `deadline`; a kick since the last rest ends it at once.
  public static func halt(_ cpu: UInt16, until deadline: UInt64?) {
    sim_halt(UInt32(cpu), deadline ?? .max)
  }

  /// Ends the rest of CPU `cpu`, or its next one.
  public static func kick(_ cpu: UInt16) { sim_kick(UInt32(cpu)) }

  /// Asks every thread to end.
  public static func stop() { sim_stop() }

  /// Whether they were asked to.
  public static var isStopping: Bool { sim_is_stopping() != 0 }
}

extension SimProcess {
  /// Threads asked for; 0: one thread and the virtual clock.
  public static var threads: Int { Int(sim_threads()) }
  /// Messages between threads.
  public static var wakes: UInt64 { sim_wakes() }
  /// Seconds until what is still missing counts as lost.
  public static var limit: UInt64 { sim_limit() }
  /// Whether a suite of measurements was asked for, and whether it is the one named.
  public static var hasSuite: Bool { sim_has_suite() != 0 }
  /// Whether the suite asked for is `name`.
  public static func isSuite(_ name: StaticString) -> Bool {
    name.withUTF8Buffer { bytes in
      guard let start = bytes.baseAddress else { return false }
      return unsafe sim_is_suite(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self)) != 0
    }
  }
  /// The suite's options.
  public static var words: [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let byte = sim_word_byte(UInt64(bytes.count))
      if byte == 0 { return bytes }
      bytes.append(byte)
    }
  }
  /// Bytes that the tasks' pools hold.
  public static var taskBytes: UInt64 { sim_task_bytes() }
  /// Calls of the heap so far.
  public static var heapCalls: UInt64 { sim_heap_calls() }
}

/// What measurements ask of the process.
public enum SimMeasuring {
  /// Counts the calling thread's instructions by single steps, until `endCount`.
  public static func beginCount() { sim_begin_count() }
  /// Ends the counting: instructions, and locked ones among them.
  public static func endCount() -> (instructions: UInt64, locked: UInt64) {
    sim_end_count()
    return (sim_counted_instructions(), sim_counted_locked())
  }
  /// Interrupts the calling thread by a signal whose handler posts bit 0.
  public static func interrupt() { sim_interrupt() }
  /// The handler's first stamp.
  public static var interruptStamp: UInt64 { sim_interrupt_stamp() }
  /// Empties the first two levels of cache.
  public static func cool() { sim_cool() }
}
