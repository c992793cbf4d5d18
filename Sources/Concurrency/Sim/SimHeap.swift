// SimHeap: the heap of the Linux process's Swift objects: the kernel's stocks for each CPU, over glibc.
import SimHost
import Tasks

/// What a kernel does (`MachineHeap`), with glibc below it.
private enum SimHeap {
  /// Objects fetched at once for a CPU's stock.
  static let batch = 8

  /// The stock of the CPU that the calling thread is; nil for a thread that is none yet.
  @inline(__always) static var stock: BlockStock? {
    guard let words = unsafe sim_stock() else { return nil }
    return unsafe BlockStock(address: words)
  }

  /// Fills an empty class of the stock and takes an object of it.
  @inline(never) static func refill(_ stock: BlockStock, _ index: Int) -> UnsafeMutableRawPointer? {
    for _ in 0..<batch {
      guard let object = unsafe allocate(BlockStock.blockBytes(index), lead: ObjectHeader.plainLead) else {
        break
      }
      unsafe stock.put(object, index)
    }
    return unsafe stock.take(index)
  }

  /// Lies before the header of every object of ours: glibc's own objects come to `free` by the same name.
  @inline(__always) static func mark(_ object: UnsafeMutableRawPointer) -> UInt64 {
    UInt64(UInt(bitPattern: object)) ^ 0x4150_5553_4F42_4A54
  }

  /// Whether the object came from `allocate`.
  @inline(__always) static func isOurs(_ object: UnsafeMutableRawPointer) -> Bool {
    // Of another object this is the last word of glibc's chunk before.
    unsafe (object - 16).load(as: UInt64.self) == mark(object)
  }

  /// A block of glibc's, and in it an object behind its header.
  static func allocate(_ bytes: UInt64, lead: UInt64) -> UnsafeMutableRawPointer? {
    guard let block = unsafe sim_allocate(bytes, lead) else { return nil }
    let object = unsafe block + Int(lead)
    unsafe (object - 16).storeBytes(of: mark(object), as: UInt64.self)
    unsafe (object - 8).storeBytes(of: ObjectHeader(blockBytes: bytes, lead: lead).word, as: UInt64.self)
    return unsafe object
  }

  /// Gives an object's block back.
  static func release(_ object: UnsafeMutableRawPointer) {
    let header = unsafe ObjectHeader(word: (object - 8).load(as: UInt64.self))
    unsafe (object - 16).storeBytes(of: 0, as: UInt64.self)
    unsafe sim_free(object - Int(header.lead))
  }

  /// Gives half of a full class back and puts `object` there.
  @inline(never)
  static func shrink(_ stock: BlockStock, _ index: Int, and object: UnsafeMutableRawPointer) {
    for _ in 0..<max(1, BlockStock.keep(index) / 2) {
      guard let object = unsafe stock.take(index) else { break }
      unsafe release(object)
    }
    unsafe stock.put(object, index)
  }
}

/// For posix_memalign.
@c(sim_heap_allocate)
public func simHeapAllocate(_ alignment: UInt64, _ bytes: UInt64) -> UnsafeMutableRawPointer? {
  let lead = max(alignment, ObjectHeader.plainLead)
  guard bytes <= UInt64(BlockStock.largest), lead == ObjectHeader.plainLead else {
    return unsafe SimHeap.allocate((bytes &+ lead &+ 4095) & ~4095, lead: lead)
  }
  let index = BlockStock.sizeClass(bytes)
  guard let stock = SimHeap.stock else {
    return unsafe SimHeap.allocate(BlockStock.blockBytes(index), lead: lead)
  }
  if let object = unsafe stock.take(index) { return unsafe object }
  return unsafe SimHeap.refill(stock, index)
}

/// For free.
@c(sim_heap_release)
public func simHeapRelease(_ object: UnsafeMutableRawPointer) {
  guard unsafe SimHeap.isOurs(object) else { return unsafe sim_free(object) }
  guard let stock = SimHeap.stock else { return unsafe SimHeap.release(object) }
  switch unsafe stock.give(object) {
  case .done: return
  case .full(let index): unsafe SimHeap.shrink(stock, index, and: object)
  case .notMine: unsafe SimHeap.release(object)
  }
}
