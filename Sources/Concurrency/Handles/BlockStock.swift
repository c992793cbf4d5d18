// BlockStock: a CPU's stock of small heap blocks, taken and given back without a lock.

/// Free blocks of six sizes, 64 to 2048 bytes, that belong to one CPU.
///
/// An object lies 16 bytes into its block; the word before it (`ObjectHeader`) says how big the block is. A free object's first
/// word links the next one. Only the owning CPU touches the stock, outside interrupt handlers (I1).
@safe public struct BlockStock: @unchecked Sendable {
  /// Words of a stock: the first object of each class, how many there are, and calls it could not serve.
  public static var words: Int { 13 }
  /// Classes of blocks.
  public static var classes: Int { 6 }
  /// The biggest object.
  public static var largest: Int { 2048 &- Int(ObjectHeader.plainLead) }
  /// The most objects kept of class `index`: 16 KiB of each.
  @inline(__always) public static func keep(_ index: Int) -> UInt { 256 &>> UInt(index) }

  private let base: UnsafeMutablePointer<UInt>

  /// The stock in `words` words at `address`, zeroed once, which stay mapped and are nobody else's.
  @unsafe public init(address: UnsafeMutableRawPointer) {
    unsafe base = address.assumingMemoryBound(to: UInt.self)
  }

  /// The class for an object of `bytes`, at most `largest`.
  @inline(__always) public static func sizeClass(_ bytes: UInt64) -> Int {
    58 &- ((bytes &+ (ObjectHeader.plainLead &- 1)) | 63).leadingZeroBitCount
  }

  /// Bytes of a block of class `index`.
  @inline(__always) public static func blockBytes(_ index: Int) -> UInt64 { 64 &<< UInt64(index) }

  // The index is below six and the words are the stock's; objects came from the heap and are free.

  /// Takes an object of class `index`, its header ready; nil if there is none.
  @inline(__always) public func take(_ index: Int) -> UnsafeMutableRawPointer? {
    guard let object = unsafe UnsafeMutablePointer<UInt>(bitPattern: base[index]) else { return nil }
    unsafe base[index] = unsafe object[0]
    unsafe base[Self.classes &+ index] &-= 1
    unsafe object[-1] &= ~UInt(ObjectHeader.stocked)
    return UnsafeMutableRawPointer(object)
  }

  /// Gives a free object of class `index` into stock, whether it is full or not.
  @inline(__always) public func put(_ object: UnsafeMutableRawPointer, _ index: Int) {
    let words = unsafe object.assumingMemoryBound(to: UInt.self)
    unsafe words[-1] |= UInt(ObjectHeader.stocked)
    unsafe words[0] = unsafe base[index]
    unsafe base[index] = UInt(bitPattern: object)
    unsafe base[Self.classes &+ index] &+= 1
  }

  /// What came of giving an object back.
  public enum Giving {
    /// It is in the stock, or was there already.
    case done
    /// The class holds all it may: make room, and `put` it.
    case full(Int)
    /// It is none of the stock's sizes, or none that may lie in a stock.
    case notMine
  }

  /// Gives an object back.
  @inline(__always) public func give(_ object: UnsafeMutableRawPointer) -> Giving {
    let header = unsafe ObjectHeader(word: UInt64(object.assumingMemoryBound(to: UInt.self)[-1]))
    guard header.isPlain else { return header.isStocked ? .done : .notMine }
    let index = 58 &- ((header.blockBytes &- 1) | 63).leadingZeroBitCount
    guard index < Self.classes else { return .notMine }
    guard unsafe base[Self.classes &+ index] < Self.keep(index) else { return .full(index) }
    unsafe put(object, index)
    return .done
  }

  /// Notes that the stock could not serve a call.
  public func countMiss() { unsafe base[2 &* Self.classes] &+= 1 }

  /// Calls that it could not serve.
  public var misses: UInt64 { unsafe UInt64(base[2 &* Self.classes]) }
  /// Objects of class `index`, 0 to 5.
  public func count(_ index: Int) -> UInt { unsafe base[Self.classes &+ min(5, max(0, index))] }
}

/// The word before a heap object: bytes of its block from bit 16 on, flags, and how far into the block the object lies.
public struct ObjectHeader: Sendable {
  /// The word.
  public let word: UInt64
  /// Lies in a stock: set in free objects only.
  public static var stocked: UInt64 { 1 << 15 }
  /// Came from the heap's reserve: never goes into a stock.
  public static var reserved: UInt64 { 1 << 14 }
  /// The lead of every object that asks for no more than 16 bytes of alignment.
  public static var plainLead: UInt64 { 16 }
  private static var leadMask: UInt64 { 0x3FFF }

  /// The header that `word` is.
  @inline(__always) public init(word: UInt64) { self.word = word }
  /// The header of an object `lead` bytes into a block of `blockBytes`.
  @inline(__always) public init(blockBytes: UInt64, lead: UInt64, isReserved: Bool = false) {
    word = blockBytes << 16 | lead | (isReserved ? Self.reserved : 0)
  }
  /// Bytes of the block.
  @inline(__always) public var blockBytes: UInt64 { word >> 16 }
  /// Where the object begins in it.
  @inline(__always) public var lead: UInt64 { word & Self.leadMask }
  /// Whether the object lies in a stock.
  @inline(__always) public var isStocked: Bool { word & Self.stocked != 0 }
  /// Whether it may go into one: its lead is plain, it is in none, and it is not the reserve's.
  @inline(__always) var isPlain: Bool { word & 0xFFFF == Self.plainLead }
}
