// HostedCPU: the CPUs of a unit test on Linux: blocks, seats, owner lines, and a thread to be them.
import AsyncEntry

/// A CPU of a hosted test: its block and its seat, in memory of the test.
@safe public struct HostedCPU: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private static var bytes: Int { 1 << 16 }

  /// CPU `index` without an executor.
  public init(index: UInt16 = 0) {
    unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: Self.bytes, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.bytes)
    unsafe memory.assumingMemoryBound(to: apus_cpu.self).pointee.index = UInt32(index)
  }

  /// Where the executor goes.
  public var seat: CPUSeat {
    unsafe CPUSeat(block: memory, memory: memory + 4096, bytes: Self.bytes &- 4096)
  }

  /// Makes this CPU the calling thread's.
  public func enter() { unsafe apus_hosted_set_cpu(memory.assumingMemoryBound(to: apus_cpu.self)) }

  deinit { unsafe memory.deallocate() }
}

extension OwnerTable {
  /// A table in memory that is never freed, for tests.
  public static func hosted(count: Int) -> OwnerTable {
    let bytes = (count &+ 1) &* 64
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    return unsafe OwnerTable(address: memory, count: count)
  }
}

/// What a test does on threads of its own, and the way there through C.
private final class ThreadBody {
  let body: (Int) -> Void

  init(_ body: @escaping (Int) -> Void) { self.body = body }
}

/// Runs `body` on `count` new threads at once (one to four), with the thread's number, and waits for all.
///
/// GS base, the clock and the count of kicks are each thread's own, and no task of the test library runs
/// there: the jobs of the tasks under test are run inside `body`, which would disturb such a task.
public func onHostedThreads(_ count: Int, _ body: (Int) -> Void) {
  withoutActuallyEscaping(body) { onLeavableHostedThreads(count, $0) }
}

/// The same for threads that may leave `body` by `leaveHostedThread`; what it captures is then never released.
public func onLeavableHostedThreads(_ count: Int, _ body: @escaping (Int) -> Void) {
  let box = unsafe Unmanaged.passRetained(ThreadBody(body))
  // The threads have ended, and with them the use of `body`, when the call returns.
  unsafe apus_hosted_on_threads(
    Int64(count),
    { raw, number in
      unsafe Unmanaged<ThreadBody>.fromOpaque(raw.unsafelyUnwrapped).takeUnretainedValue().body(Int(number))
    }, box.toOpaque())
  unsafe box.release()
}

/// Ends a thread of `onLeavableHostedThreads` from within `body`, as a machine ends: nothing is unwound or released.
public func leaveHostedThread() -> Never { apus_hosted_leave_thread() }

/// Lets another thread of the test run.
public func yieldHostedThread() { apus_hosted_yield_thread() }
