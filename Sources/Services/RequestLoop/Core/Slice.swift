// Slice: how much work a call has done since other tasks of its CPU could run.
import TaskRuntime
import Tasks

/// Work since the call began and since it last let others run, in instructions as an upper estimate.
///
/// A slice is at most 250,000 instructions (design.md, "The runtime"); the estimate leaves a fifth of that.
struct Slice {
  static let limit = 200_000
  /// A page changing hands, with its list entry.
  static let page = 1_500
  /// 4 KiB cleared with 8-byte stores, unrolled or not.
  static let clearedPage = 600

  private var used = 0
  private var total = 0

  /// Whether the call has done a slice's worth of work: answer INCOMPLETE rather than begin another entry.
  var isUsedUp: Bool { total >= Self.limit }

  /// Counts work that is done.
  mutating func spend(_ amount: Int) {
    used &+= amount
    total &+= amount
  }

  /// Lets other tasks run if `amount` more does not fit.
  nonisolated(nonsending) mutating func makeRoom(_ amount: Int) async {
    guard used &+ amount > Self.limit else { return }
    Executor.passSoon()
    await Leaf.yield()
    used = 0
  }
}
