// FrameTable: who owns each frame (a byte) and which are free (a bit), in memory that the table itself takes.
import Seams
import X86

/// The owner of every frame, a byte each.
///
/// A frame that is not free is changed only by its owner, so owners may retag their own frames without a lock.
public struct FrameTags<Memory: PhysicalMemory>: Sendable where Memory: Sendable {
  private let memory: Memory
  private let base: PhysicalAddress
  /// Frames in the table.
  public let frameCount: UInt64

  init(memory: Memory, base: PhysicalAddress, frameCount: UInt64) {
    self.memory = memory
    self.base = base
    self.frameCount = frameCount
  }

  /// Who owns `frame`; the firmware beyond the table.
  public func owner(of frame: Frame) -> FrameOwner {
    guard frame.number < frameCount else { return .firmware }
    return FrameOwner(rawValue: memory.load(UInt8.self, at: base.advanced(by: frame.number))) ?? .firmware
  }

  /// Hands a frame that is not free from one owner to another that is not free; `notOwned` changes nothing.
  public func retag(_ frame: Frame, from: FrameOwner, to: FrameOwner) throws(MemoryError) {
    guard from != .free, to != .free, owner(of: frame) == from, from != .firmware else { throw .notOwned }
    set(frame.number, to)
  }

  /// The next run, from frame `number` on, of frames that are memory (not the firmware's); nil if there is none.
  public func nextRun(from number: UInt64) -> (first: UInt64, count: UInt64)? {
    var first = number
    while first < frameCount, owner(of: Frame(number: first)) == .firmware {
      first &+= first % 8 == 0 && first &+ 8 <= frameCount && eight(first) == 0 ? 8 : 1
    }
    guard first < frameCount else { return nil }
    var end = first
    while end < frameCount, owner(of: Frame(number: end)) != .firmware {
      end &+= end % 8 == 0 && end &+ 8 <= frameCount && !Self.hasZeroByte(eight(end)) ? 8 : 1
    }
    return (first, end &- first)
  }

  private func eight(_ number: UInt64) -> UInt64 { memory.load(UInt64.self, at: base.advanced(by: number)) }

  private static func hasZeroByte(_ word: UInt64) -> Bool {
    (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 != 0
  }

  func setEight(_ number: UInt64, _ owner: FrameOwner) {
    memory.store(UInt64(owner.rawValue) &* 0x0101_0101_0101_0101, at: base.advanced(by: number))
  }

  func set(_ number: UInt64, _ owner: FrameOwner) {
    memory.store(owner.rawValue, at: base.advanced(by: number))
  }
}

/// The state of every frame from 0 up to the highest usable one.
///
/// Memory: 9 bits per frame of 4 KiB. Nothing here locks; `FrameAllocator` does.
public struct FrameTable<Memory: PhysicalMemory & Sendable> {
  private let memory: Memory
  /// The owner of each frame.
  public let tags: FrameTags<Memory>
  private let bitmap: PhysicalAddress
  /// Frames in the table.
  public let frameCount: UInt64
  /// Frames that are free.
  public private(set) var freeCount: UInt64 = 0
  // The bitmap word in which the next search begins.
  private var hint: UInt64 = 0

  /// Bytes of metadata for `frameCount` frames, in whole frames.
  public static func metadataBytes(frameCount: UInt64) -> UInt64 {
    let words = (frameCount &+ 63) / 64
    return (frameCount &+ 7) / 8 &* 8 &+ words &* 8 &+ (Frame.bytes &- 1) & ~(Frame.bytes &- 1)
  }

  /// Builds the table of `map` with its own metadata at `metadata`; nothing is free below 1 MiB.
  ///
  /// Where regions overlap, reserved wins: usable ones shrink to whole frames, reserved ones grow.
  public init(map: MemoryMap, memory: Memory, metadata: PhysicalAddress, frameCount: UInt64) {
    self.memory = memory
    self.frameCount = frameCount
    tags = FrameTags(memory: memory, base: metadata, frameCount: frameCount)
    bitmap = PhysicalAddress(metadata.rawValue &+ (frameCount &+ 7) / 8 &* 8)
    let bytes = Self.metadataBytes(frameCount: frameCount)
    memory.zero(metadata, count: bytes)
    for index in 0..<map.count {
      guard let region = map[index], region.kind == .usable else { continue }
      let first = (region.start.rawValue &+ (Frame.bytes &- 1)) / Frame.bytes
      assign(from: first, to: region.end.rawValue / Frame.bytes, .free)
    }
    for index in 0..<map.count {
      guard let region = map[index], region.kind == .reserved else { continue }
      let end = region.end.rawValue / Frame.bytes &+ (region.end.rawValue % Frame.bytes == 0 ? 0 : 1)
      assign(from: region.start.rawValue / Frame.bytes, to: end, .firmware)
    }
    for number in 0..<min(256, frameCount) where owner(ofNumber: number) == .free {
      set(number, number == 0 ? .firmware : .low)
    }
    reserve(start: metadata, bytes: bytes, .frameTable)
  }

  /// Who owns `frame`; the firmware beyond the table.
  public func owner(of frame: Frame) -> FrameOwner { tags.owner(of: frame) }

  private func owner(ofNumber number: UInt64) -> FrameOwner { tags.owner(of: Frame(number: number)) }

  /// Gives every frame that `start ..< start + bytes` touches to `owner`, whoever had it.
  public mutating func reserve(start: PhysicalAddress, bytes: UInt64, _ owner: FrameOwner) {
    let (sum, overflow) = start.rawValue.addingReportingOverflow(bytes)
    let end = overflow ? UInt64.max : sum
    assign(
      from: start.rawValue / Frame.bytes, to: end / Frame.bytes &+ (end % Frame.bytes == 0 ? 0 : 1), owner)
  }

  /// Takes a free frame for `owner`.
  public mutating func allocate(_ owner: FrameOwner) throws(MemoryError) -> Frame {
    guard freeCount > 0 else { throw .exhausted }
    let words = (frameCount &+ 63) / 64
    for step in 0..<words {
      let index = hint &+ step < words ? hint &+ step : hint &+ step &- words
      let word = memory.load(UInt64.self, at: bitmap.advanced(by: index &* 8))
      guard word != 0 else { continue }
      hint = index
      let number = index &* 64 &+ UInt64(word.trailingZeroBitCount)
      set(number, owner)
      return Frame(number: number)
    }
    throw .exhausted
  }

  /// Takes `count` neighbouring free frames for `first` (the first) and `rest` (the others), lowest first.
  public mutating func allocate(count: UInt64, _ first: FrameOwner, rest: FrameOwner) throws(MemoryError)
    -> Frame
  {
    guard count > 0, count <= freeCount else { throw .exhausted }
    var run: UInt64 = 0
    var number: UInt64 = 0
    while number < frameCount {
      if number % 64 == 0, memory.load(UInt64.self, at: bitmap.advanced(by: number / 8)) == 0 {
        run = 0
        number &+= 64
        continue
      }
      run = isFree(number) ? run &+ 1 : 0
      number &+= 1
      if run == count {
        let start = number &- count
        assign(from: start, to: number, rest)
        set(start, first)
        return Frame(number: start)
      }
    }
    throw .exhausted
  }

  /// Takes the highest frame below 1 MiB for `owner`: a CPU starts in real mode and reaches no further.
  public mutating func allocateLow(_ owner: FrameOwner) throws(MemoryError) -> Frame {
    var number = min(256, frameCount)
    while number > 1 {
      number &-= 1
      if self.owner(ofNumber: number) == .low {
        set(number, owner)
        return Frame(number: number)
      }
    }
    throw .exhausted
  }

  /// Gives `frame` back; throws `notOwned` (and changes nothing) if it isn't `owner`'s, so a second release fails.
  public mutating func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    try transfer(frame, from: owner, to: .free)
  }

  /// Hands `frame` from one owner to another; throws `notOwned` (and changes nothing) if it isn't the first one's.
  public mutating func transfer(_ frame: Frame, from: FrameOwner, to: FrameOwner) throws(MemoryError) {
    guard frame.number < frameCount, owner(of: frame) == from else { throw .notOwned }
    set(frame.number, to)
  }

  /// How many frames `owner` has; walks the whole table.
  public func count(of owner: FrameOwner) -> UInt64 {
    var count: UInt64 = 0
    for number in 0..<frameCount where self.owner(ofNumber: number) == owner { count &+= 1 }
    return count
  }

  private func isFree(_ number: UInt64) -> Bool {
    let word = memory.load(UInt64.self, at: bitmap.advanced(by: number / 64 &* 8))
    return (word >> (number % 64)) & 1 == 1
  }

  private mutating func assign(from first: UInt64, to end: UInt64, _ owner: FrameOwner) {
    var number = first
    let end = min(end, frameCount)
    while number < end {
      if number % 64 == 0, end &- number >= 64 {
        setWord(number, owner)
        number &+= 64
      } else {
        set(number, owner)
        number &+= 1
      }
    }
  }

  // 64 frames at once, as `set` would one by one.
  private mutating func setWord(_ number: UInt64, _ owner: FrameOwner) {
    let address = bitmap.advanced(by: number / 8)
    let before = UInt64(memory.load(UInt64.self, at: address).nonzeroBitCount)
    memory.store(owner == .free ? UInt64.max : 0, at: address)
    freeCount = freeCount &- before &+ (owner == .free ? 64 : 0)
    for group in 0..<UInt64(8) { tags.setEight(number &+ 8 &* group, owner) }
  }

  // The one place where a tag and its bit change, together.
  private mutating func set(_ number: UInt64, _ owner: FrameOwner) {
    let address = bitmap.advanced(by: number / 64 &* 8)
    let word = memory.load(UInt64.self, at: address)
    let bit = UInt64(1) << (number % 64)
    let wasFree = word & bit != 0
    if wasFree != (owner == .free) {
      memory.store(word ^ bit, at: address)
      freeCount = wasFree ? freeCount &- 1 : freeCount &+ 1
    }
    tags.set(number, owner)
  }
}
