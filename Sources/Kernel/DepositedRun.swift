// DepositedRun: 2 MiB that a guest has deposited: whose each of its frames is, kept in the first of them.
import Seams
import X86

/// The 512 frames from `first` on, which tells of all others; it is given back last.
///
/// Layout of the first frame: a byte for each frame, its `FrameOwner` (`firmware`: given back); 8 words with a bit for
/// each free frame; how many are free; how many are still here, the first one not counted.
struct DepositedRun<Memory: PhysicalMemory> {
  private static var bitmapOffset: UInt64 { 512 }
  private static var freeOffset: UInt64 { 576 }
  private static var presentOffset: UInt64 { 584 }
  /// Frames of a run.
  static var frames: UInt64 { 512 }

  let memory: Memory
  let first: Frame

  private func word(_ offset: UInt64) -> UInt64 {
    memory.load(UInt64.self, at: first.start.advanced(by: offset))
  }
  private func setWord(_ offset: UInt64, _ value: UInt64) {
    memory.store(value, at: first.start.advanced(by: offset))
  }

  /// Makes all frames but the first free.
  func begin() {
    for group in 0..<Self.frames / 8 {
      setWord(group &* 8, UInt64(FrameOwner.free.rawValue) &* 0x0101_0101_0101_0101)
    }
    memory.store(FrameOwner.frameTable.rawValue, at: first.start)
    for index in 0..<UInt64(8) { setWord(Self.bitmapOffset &+ index &* 8, index == 0 ? ~1 : .max) }
    setWord(Self.freeOffset, Self.frames &- 1)
    setWord(Self.presentOffset, Self.frames &- 1)
  }

  /// Frames that are free.
  var freeCount: UInt64 { word(Self.freeOffset) }
  /// Frames that have not been given back, without the first.
  var presentCount: UInt64 { word(Self.presentOffset) }

  /// Whose frame `number`, one of the run, is.
  func owner(_ number: UInt64) -> FrameOwner {
    FrameOwner(rawValue: memory.load(UInt8.self, at: first.start.advanced(by: number &- first.number)))
      ?? .firmware
  }

  /// Gives frame `number`, one of the run and not its first, to `owner`.
  func set(_ number: UInt64, _ owner: FrameOwner) {
    let before = self.owner(number)
    let place = number &- first.number
    let offset = Self.bitmapOffset &+ place / 64 &* 8
    if (before == .free) != (owner == .free) {
      setWord(offset, word(offset) ^ 1 &<< (place % 64))
      setWord(Self.freeOffset, owner == .free ? freeCount &+ 1 : freeCount &- 1)
    }
    if (before == .firmware) != (owner == .firmware) {
      setWord(Self.presentOffset, owner == .firmware ? presentCount &- 1 : presentCount &+ 1)
    }
    memory.store(owner.rawValue, at: first.start.advanced(by: place))
  }

  /// The last free frame.
  var lastFree: Frame? {
    for index in 0..<UInt64(8) {
      let bits = word(Self.bitmapOffset &+ (7 &- index) &* 8)
      guard bits != 0 else { continue }
      let place = (7 &- index) &* 64 &+ 63 &- UInt64(bits.leadingZeroBitCount)
      return Frame(number: first.number &+ place)
    }
    return nil
  }

  /// The first of the lowest `count` neighbouring free frames.
  func freeFrames(_ count: UInt64) -> Frame? {
    var run: UInt64 = 0
    for index in 0..<UInt64(8) {
      let bits = word(Self.bitmapOffset &+ index &* 8)
      if bits == 0 {
        run = 0
        continue
      }
      for bit in 0..<UInt64(64) {
        run = bits &>> bit & 1 == 1 ? run &+ 1 : 0
        if run == count { return Frame(number: first.number &+ index &* 64 &+ bit &+ 1 &- count) }
      }
    }
    return nil
  }
}
