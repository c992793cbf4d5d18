// InterruptSource: which bit of a CPU's pending word an interrupt vector sets.
import X86

/// What a task can wait for with `Executor.waitForInterrupt`.
public enum InterruptSource {
  /// The CPU's own timer.
  public static var timer: Int { 0 }
  /// The vector of source 0 among the devices' 16 (`Vector.firstDevice`), which is never used: sources 1 to 15 are theirs.
  public static var deviceVectors: Range<UInt32> {
    UInt32(Vector.firstDevice)..<UInt32(Vector.firstDevice) &+ 16
  }

  /// The source that `vector` posts; nil for one that nobody can wait for (kicks only end a rest).
  @inlinable public static func of(vector: UInt32) -> Int? {
    if vector == UInt32(Vector.timer) { return timer }
    let device = vector &- UInt32(Vector.firstDevice)
    return device >= 1 && device < 16 ? Int(device) : nil
  }
}
