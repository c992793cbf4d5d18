// HostedStock: a stock of blocks over the process's own memory, for unit tests.

/// A CPU's stock with a heap of the test's behind it; objects are known by their addresses.
@safe public final class HostedStock: @unchecked Sendable {
  private let words: UnsafeMutableRawPointer
  private let stock: BlockStock
  private var blocks: [UInt] = []

  /// An empty stock.
  public init() {
    unsafe words = .allocate(byteCount: 8 * BlockStock.words, alignment: 64)
    unsafe words.initializeMemory(as: UInt8.self, repeating: 0, count: 8 * BlockStock.words)
    unsafe stock = BlockStock(address: words)
  }

  /// Takes an object of class `index` from the stock; 0 if there is none.
  public func take(_ index: Int) -> UInt { unsafe UInt(bitPattern: stock.take(index)) }

  /// A fresh object with that header, as the heap hands it out; freed with this.
  public func make(_ header: ObjectHeader) -> UInt {
    let bytes = Int(max(64, header.blockBytes))
    let block = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    blocks.append(UInt(bitPattern: block))
    let object = unsafe block + Int(header.lead)
    unsafe (object - 8).storeBytes(of: header.word, as: UInt64.self)
    return UInt(bitPattern: object)
  }

  /// Gives back an object that `make` or `take` gave.
  public func give(_ object: UInt) -> BlockStock.Giving {
    guard let pointer = unsafe UnsafeMutableRawPointer(bitPattern: object) else { return .notMine }
    return unsafe stock.give(pointer)
  }

  /// Fills all but the header of an object of class `index` with rubbish, as its user may.
  public func scribble(_ object: UInt, _ index: Int) {
    guard let pointer = unsafe UnsafeMutableRawPointer(bitPattern: object) else { return }
    unsafe pointer.initializeMemory(
      as: UInt8.self, repeating: 0xEE, count: Int(BlockStock.blockBytes(index)) - 16)
  }

  /// Objects of class `index` in the stock.
  public func count(_ index: Int) -> UInt { stock.count(index) }

  deinit {
    unsafe words.deallocate()
    for block in blocks { unsafe UnsafeMutableRawPointer(bitPattern: block)?.deallocate() }
  }
}
