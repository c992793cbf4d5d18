// FlushWord: how each CPU says what its TLB can still hold, so that unmapping needs no interrupts.
import Boot
public import Seams

/// {generation, state}: one word per CPU, written by its CPU alone.
public struct FlushWord: Equatable, Sendable, RawRepresentable {
  /// generation << 2 | state.
  public let rawValue: UInt64
  /// The word with that value.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// What a CPU does, as far as its TLB goes.
  public enum State: UInt64, Sendable {
    /// It may use any mapping.
    case running = 0
    /// It halts: no dynamic mapping is touched until it has flushed.
    case halting = 1
    /// It is in its guest: the same.
    case inGuest = 2
    /// It does not run the kernel.
    case out = 3
  }
  init(_ generation: UInt64, _ state: State) { rawValue = generation << 2 | state.rawValue }
  /// Not in the kernel, nothing flushed.
  public static var out: Self { Self(0, .out) }
  var generation: UInt64 { rawValue >> 2 }
  var isRunning: Bool { rawValue & 3 == 0 }
}

/// The points at which a CPU brings its TLB up to date.
public enum FlushPoint {
  /// While running, between two tasks: flushes if a mapping was taken away since the last time.
  public static func pass() {
    let newest = unsafe apus_load64(&apus_live_words().pointee.flush_generation)
    let mine = unsafe FlushWord(rawValue: Processor.block.pointee.flush_word)
    if newest != mine.generation { flush(newest) }
  }

  /// Before halting or entering the guest: from here to `leave` no dynamic mapping is touched.
  public static func enter(_ state: FlushWord.State) {
    let mine = unsafe FlushWord(rawValue: Processor.block.pointee.flush_word)
    unsafe apus_store64(&Processor.block.pointee.flush_word, FlushWord(mine.generation, state).rawValue)
    apus_full_fence()
  }

  /// After halting, after the guest, and when a CPU joins: claims to run with the old generation first, so that
  /// whoever unmaps waits for the flush, then flushes if need be.
  public static func leave() {
    let mine = unsafe FlushWord(rawValue: Processor.block.pointee.flush_word)
    unsafe apus_store64(&Processor.block.pointee.flush_word, FlushWord(mine.generation, .running).rawValue)
    apus_full_fence()
    pass()
  }

  static func isQuiescent(_ cpu: CPUIndex) -> Bool {
    guard let block = unsafe Processor.block(of: cpu) else { return true }
    return unsafe !FlushWord(rawValue: apus_load64(&block.pointee.flush_word)).isRunning
  }

  private static func flush(_ generation: UInt64) {
    apus_write_cr3(apus_read_cr3())
    unsafe apus_store64(&Processor.block.pointee.flush_word, FlushWord(generation, .running).rawValue)
  }
}

/// All CPUs' words, as seen by whoever takes mappings away.
public final class MachineFlushHorizon: FlushHorizon {
  /// The horizon.
  public init() {}

  /// Opens the next generation (a locked operation, so the tables' stores come before it).
  public func advance() -> UInt64 { unsafe apus_increment64(&apus_live_words().pointee.flush_generation) }

  /// Whether every CPU has flushed for `generation` or touches no dynamic mapping until it does.
  public func hasPassed(_ generation: UInt64) -> Bool {
    for number in 0..<Processor.count {
      guard let block = unsafe Processor.block(of: CPUIndex(number)) else { continue }
      let word = unsafe FlushWord(rawValue: apus_load64(&block.pointee.flush_word))
      if word.isRunning, word.generation < generation { return false }
    }
    return true
  }
}
