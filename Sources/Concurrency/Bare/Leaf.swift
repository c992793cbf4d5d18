// Leaf: the bare suspension points: park, unpark, yield, and moving between CPUs.
import AsyncEntry
import _Concurrency

/// The suspension points that everything else is built from.
public enum Leaf {
  /// Suspends the running task until its next `unpark`; returns at once if that came already.
  ///
  /// May also return early when the task is cancelled, if `waitKind` says so: look at the condition
  /// again after every park. Costs no locked instruction.
  @_silgen_name("apus_leaf_park")
  public static nonisolated(nonsending) func park() async

  /// Lets every other task of the round run first.
  @_silgen_name("apus_leaf_yield")
  public static nonisolated(nonsending) func yield() async

  /// Goes on at CPU `cpu` until the next call of a nonisolated async function takes the task home.
  @_silgen_name("apus_leaf_visit")
  public static nonisolated(nonsending) func visit(_ cpu: UInt32) async
}
