// Halter: how a CPU rests when nothing is ready.

/// The resting instruction of a CPU and what closes the window before it.
public protocol Halter {
  /// Holds off whatever could end a rest, from before the last look at the inbox on (CLI, #HV window).
  func holdWakes()
  /// Lets it in again without resting.
  func releaseWakes()
  /// Rests until an interrupt, or until about tick `deadline` if there is one; wakes are let in with the
  /// resting instruction itself, so that one that came since `holdWakes` ends the rest at once.
  func halt(until deadline: UInt64?)
  /// Empties the CPU's TLB.
  func flush()
}
