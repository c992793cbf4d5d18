// FrameReserve: a few neighbouring frames set aside at boot for what must go on when all others are gone.
import Seams
import X86

/// At most 64 neighbouring frames, tagged `reserve` for ever.
///
/// Stands behind the lock of the pool that it serves.
public final class FrameReserve: FrameSource {
  private let first: Frame
  /// A bit for each free frame.
  private var free: UInt64
  private let all: UInt64

  /// The reserve of `count` frames, at most 64, from `first` on, which are tagged `reserve`; empty for nil.
  public init(first: Frame?, count: UInt64) {
    self.first = first ?? Frame(number: 0)
    all = first == nil ? 0 : Self.mask(min(count, 64))
    free = all
  }

  private static func mask(_ count: UInt64) -> UInt64 { count >= 64 ? .max : (1 &<< count) &- 1 }

  /// Frames nobody uses.
  public var freeCount: Int { free.nonzeroBitCount }

  /// Whether any frame is in use.
  public var isDrawnOn: Bool { free != all }

  /// A frame; it stays tagged `reserve` whoever gets it.
  public func allocate(_ owner: FrameOwner) throws(MemoryError) -> Frame {
    try allocate(count: 1, owner, rest: owner)
  }

  /// Neighbouring frames.
  public func allocate(count: UInt64, _ owner: FrameOwner, rest: FrameOwner) throws(MemoryError) -> Frame {
    guard count > 0, count <= 64 else { throw .exhausted }
    let run = Self.mask(count)
    for place in 0...(64 &- count) where free &>> place & run == run {
      free &= ~(run &<< place)
      return Frame(number: first.number &+ place)
    }
    throw .exhausted
  }

  /// The reserve, for its own frames.
  public func owner(of frame: Frame) -> FrameOwner {
    let place = frame.number &- first.number
    return place < 64 && all &>> place & 1 == 1 ? .reserve : .firmware
  }

  /// Takes a frame back; `notOwned` if it is free already or was never ours.
  public func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    let place = frame.number &- first.number
    guard place < 64, all &>> place & 1 == 1, free &>> place & 1 == 0 else { throw .notOwned }
    free |= 1 &<< place
  }
}
