// Slice: how much work a call has done since other tasks of its CPU could run.
import SVSMProtocol
import TaskRuntime
import Tasks
import X86

/// Work since the call began and since it last let others run, in instructions as an upper estimate.
///
/// A slice is at most 250,000 instructions (design.md, "The runtime"); the estimate leaves room for what is around it.
public struct Slice {
  static let limit = 235_000
  /// A page changing hands, with its list entry.
  static let page = 1_500
  /// 4 KiB cleared with 8-byte stores.
  static let clearedPage = 516
  /// Slices that a call takes for pages of 2 MiB before it answers INCOMPLETE: each page is more than one.
  static let perLargeCall = 16

  private var used = 0
  private var total = 0
  private let allowance: Int

  /// A call that may take `count` slices.
  init(count: Int) { allowance = Self.limit &* count }

  /// A call of one slice, or one that counts its work by itself.
  public init() { self.init(count: 1) }

  /// Whether the call has done its share: answer INCOMPLETE rather than begin another entry.
  var isUsedUp: Bool { total >= allowance }

  /// Counts work that is done.
  @inline(__always) mutating func spend(_ amount: Int) {
    used &+= amount
    total &+= amount
  }

  /// How much more fits before other tasks must run; below zero, nothing.
  @inline(__always) var room: Int { Self.limit &- used }

  /// Whether `amount` more fits.
  @inline(__always) func hasRoom(_ amount: Int) -> Bool { amount <= room }

  /// Lets other tasks run, if there is anything for this CPU to do.
  public nonisolated(nonsending) mutating func rest() async {
    if begin() { await Leaf.yield() }
  }

  /// Begins a slice, before which others are to run if it says so; a function of its own, since `ci/bench snp` counts the
  /// instructions from one to the next.
  @inline(never) private mutating func begin() -> Bool {
    used = 0
    guard Executor.hasWork else { return false }
    Executor.passSoon()
    return true
  }

  /// Lets other tasks run if `amount` more does not fit.
  nonisolated(nonsending) mutating func makeRoom(_ amount: Int) async {
    if !hasRoom(amount) { await rest() }
  }
}

/// How far a call has come with pages of 2 MiB.
struct LargePages {
  /// The entry that is worked on.
  var next: Int
  /// Its page, once it is claimed and validated.
  var page: PhysicalAddress?
  /// Bytes of it that are clear.
  var done: UInt64 = 0
  var slice = Slice(count: Slice.perLargeCall)
  var result = ResultCode.success

  init(next: Int) { self.next = next }
}
