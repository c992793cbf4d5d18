// FlushHorizon: which CPUs can still use a translation that was taken away.

/// Who may still use a stale translation; a seam over one word per CPU.
///
/// Each CPU publishes the generation it has flushed for and whether it is quiescent (halting or in its guest,
/// where it touches no dynamic mapping and flushes on leaving).
public protocol FlushHorizon: AnyObject {
  /// Opens the next generation and returns it: translations removed before the call are stale from then on.
  func advance() -> UInt64
  /// Whether no CPU can still use a translation removed before `generation` was opened.
  func hasPassed(_ generation: UInt64) -> Bool
}
