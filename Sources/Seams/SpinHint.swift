// SpinHint: the moment's rest that every waiting loop takes.

/// Tells the CPU that the caller waits for memory to change (PAUSE).
///
/// Every loop that waits executes it: under one TCG thread it is also what lets the other CPUs run.
public protocol SpinHint {
  /// Rests for a moment.
  static func relax()
}
