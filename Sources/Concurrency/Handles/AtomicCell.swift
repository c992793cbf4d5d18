// AtomicCell: the place of one 64-bit word that several CPUs or threads share.
import AsyncEntry

/// A handle of a shared word.
///
/// The word stays mapped as long as any handle of it is used.
@safe public struct AtomicCell: @unchecked Sendable {
  let word: UnsafeMutablePointer<UInt64>

  @inline(__always) init(_ word: UnsafeMutablePointer<UInt64>) {
    unsafe self.word = word
  }

  /// The word at `address`, which the host keeps mapped and 8-byte aligned.
  @unsafe public init(address: UnsafeMutableRawPointer) {
    unsafe word = address.assumingMemoryBound(to: UInt64.self)
  }

  // Each access is one aligned 64-bit move or locked instruction on a word that is always mapped.

  /// Reads with no ordering of its own.
  @inline(__always) public func loadRelaxed() -> UInt64 { unsafe apus_load_relaxed64(word) }
  /// Reads before any later access.
  @inline(__always) public func loadAcquire() -> UInt64 { unsafe apus_load_acquire64(word) }
  /// Writes with no ordering of its own.
  @inline(__always) public func storeRelaxed(_ value: UInt64) { unsafe apus_store_relaxed64(word, value) }
  /// Writes after all earlier accesses.
  @inline(__always) public func storeRelease(_ value: UInt64) { unsafe apus_store_release64(word, value) }
  /// Replaces the word; returns what it was.
  ///
  /// A full fence.
  @inline(__always) public func exchange(_ value: UInt64) -> UInt64 {
    unsafe apus_exchange64(word, value)
  }
  /// Stores `desired` if the word is `expected`; returns what it was.
  ///
  /// A full fence.
  @inline(__always) public func compareExchange(expected: UInt64, desired: UInt64) -> UInt64 {
    unsafe apus_compare_exchange64(word, expected, desired)
  }
  /// Completes every earlier access before any later one.
  @inline(__always) public static func fence() { apus_fence() }
  /// Says that the CPU spins (PAUSE).
  @inline(__always) public static func pause() { apus_spin_pause() }
}

/// The lines by which CPUs reach each other, and the flush generation: memory the host sets aside once.
///
/// Line `n` (64 bytes) is CPU n's: word 0 its owner word, word 1 its inbox head, word 2 the
/// address of its executor. The line behind the last holds the flush generation.
@safe public struct OwnerTable: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  /// How many CPUs have a line.
  public let count: Int

  /// A table for `count` CPUs in `(count + 1) * 64` zeroed bytes at `address`, which stay mapped.
  @unsafe public init(address: UnsafeMutableRawPointer, count: Int) {
    unsafe base = address
    self.count = max(0, count)
  }

  /// The owner word of CPU `cpu`; of the last CPU for a number beyond it.
  @inline(__always) public func ownerWord(_ cpu: Int) -> AtomicCell { cell(line: clamp(cpu), word: 0) }
  /// The inbox head of CPU `cpu`; of the last CPU for a number beyond it.
  @inline(__always) public func inboxHead(_ cpu: Int) -> AtomicCell { cell(line: clamp(cpu), word: 1) }
  /// The word that counts removed mappings.
  @inline(__always) public var flushGeneration: AtomicCell { cell(line: count, word: 0) }

  /// Lets others find the calling CPU's executor, as that of CPU `cpu`; once, before the CPU rests for the first time.
  public func publishExecutor(of cpu: Int) {
    guard cpu >= 0, cpu < count else { return }
    unsafe cell(line: cpu, word: 2).storeRelease(UInt64(UInt(bitPattern: apus_this_executor())))
  }

  /// Lends the executor of CPU `cpu` for reading; nil if it has none.
  ///
  /// `E` must be the type that `install` was given. Only for a CPU that rests, or the caller's.
  public func withExecutor<E: ~Copyable, R>(
    of cpu: Int, _ type: E.Type, _ body: (borrowing E) -> R
  ) -> R? {
    guard cpu >= 0, cpu < count else { return nil }
    // The word is null or what `publishExecutor` stored: a seat is never given back.
    let address = UInt(cell(line: cpu, word: 2).loadAcquire())
    guard let place = unsafe UnsafePointer<E>(bitPattern: address) else { return nil }
    return unsafe body(place.pointee)
  }

  @inline(__always) private func clamp(_ cpu: Int) -> Int { cpu >= 0 && cpu < count ? cpu : count &- 1 }

  @inline(__always) private func cell(line: Int, word: Int) -> AtomicCell {
    // Within the bytes that the initialiser's contract names.
    unsafe AtomicCell(address: base + (line &* 64 &+ word &* 8))
  }
}
