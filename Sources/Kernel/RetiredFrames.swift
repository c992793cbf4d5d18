// RetiredFrames: frames that were unmapped and wait until no CPU can have them in its TLB.
import Seams
import X86

/// A bounded queue of unmapped frames, oldest first.
///
/// Unmapping never waits for another CPU: a CPU that runs on delays only the reuse of these frames.
public struct RetiredFrames<Horizon: FlushHorizon> {
  /// The most frames that wait.
  public static var capacity: Int { 64 }
  private let horizon: Horizon
  private var numbers = InlineArray<64, UInt64>(repeating: 0)
  private var generations = InlineArray<64, UInt64>(repeating: 0)
  private var first = 0
  /// Frames that wait.
  public private(set) var count = 0

  /// An empty queue.
  public init(horizon: Horizon) { self.horizon = horizon }

  /// Whether another frame may be unmapped now.
  public var hasRoom: Bool { count < Self.capacity }

  /// Takes in a frame that has just been unmapped; false, and nothing done, without room.
  public mutating func retire(_ frame: Frame) -> Bool {
    guard hasRoom else { return false }
    let slot = (first &+ count) % Self.capacity
    numbers[slot] = frame.number
    generations[slot] = horizon.advance()
    count &+= 1
    return true
  }

  /// The oldest frame, once no CPU can have it in its TLB; nil if there is none yet.
  public mutating func reclaim() -> Frame? {
    guard count > 0, horizon.hasPassed(generations[first]) else { return nil }
    let frame = Frame(number: numbers[first])
    first = (first &+ 1) % Self.capacity
    count &-= 1
    return frame
  }
}
