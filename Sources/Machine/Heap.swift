// Heap: what Swift's objects are made of: each CPU's stock before the kernel's heap, and an arena until that stands.
import Boot
public import Seams
import Tasks
import X86

// Unchecked: set once by the boot CPU, alone.
@exclusivity(unchecked) nonisolated(unsafe) private var source: (any HeapSource)?
// Objects made before the heap stands live for ever; their arena is never given back.
nonisolated(unsafe) private var arena = InlineArray<1024, UInt64>(repeating: 0)
nonisolated(unsafe) private var arenaUsed = 0

/// The language runtime's heap.
public enum MachineHeap {
  /// Objects fetched at once for a CPU's stock.
  private static var batch: Int { 8 }

  /// From now on allocations come from `heap`, whose addresses the direct map shows.
  public static func install(_ heap: any HeapSource) { unsafe source = heap }

  /// Allocations refused since boot.
  public static var refusedCount: UInt64 { unsafe apus_live_words().pointee.heap_refused }

  /// Calls of this CPU that its stock could not serve: none in steady state.
  public static var misses: UInt64 { stock.misses }

  /// The calling CPU's stock.
  @inline(__always) static var stock: BlockStock {
    // UNSAFETY: words of this CPU's own block, zeroed with it.
    unsafe BlockStock(address: UnsafeMutableRawPointer(Processor.block) + Int(APUS_CPU_STOCK))
  }

  /// Fills an empty class of the stock and takes an object of it.
  @inline(never) fileprivate static func refill(_ index: Int, _ size: Int) -> UnsafeMutableRawPointer? {
    stock.countMiss()
    guard let source = unsafe source else { return unsafe takeArena(size) }
    let bytes = BlockStock.blockBytes(index)
    guard
      let first = source.allocateChain(blockBytes: bytes, count: Self.batch, on: Processor.current)
    else {
      // The reserve's objects never go into a stock.
      return unsafe allocateLarge(size, Int(ObjectHeader.plainLead))
    }
    var next = unsafe pointer(first)
    for _ in 0..<Self.batch {
      guard let object = unsafe next else { break }
      let link = unsafe object.load(as: UInt64.self)
      unsafe next = unsafe link == 0 ? nil : pointer(PhysicalAddress(link))
      unsafe stock.put(object, index)
    }
    return unsafe stock.take(index)
  }

  /// Gives half of a full class back to the heap, and puts `object` there.
  @inline(never) fileprivate static func shrink(_ index: Int, and object: UnsafeMutableRawPointer) {
    stock.countMiss()
    defer { unsafe stock.put(object, index) }
    guard let source = unsafe source else { return }
    var chain: UInt64 = 0
    for _ in 0..<max(1, BlockStock.keep(index) / 2) {
      guard let object = unsafe stock.take(index) else { break }
      unsafe object.storeBytes(of: chain, as: UInt64.self)
      chain = UInt64(UInt(bitPattern: object)) &- KernelLayout.directMap
    }
    if chain != 0 { source.releaseChain(PhysicalAddress(chain), on: Processor.current) }
  }

  /// An object that no stock serves, or nil.
  @inline(never)
  fileprivate static func allocateLarge(_ bytes: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
    guard bytes >= 0, bytes <= 1 << 40, alignment > 0 else { return nil }
    guard let source = unsafe source else { return unsafe takeArena(bytes, alignment) }
    stock.countMiss()
    let address = source.allocate(
      bytes: UInt64(bytes), alignment: UInt64(alignment), on: Processor.current)
    if let address { return unsafe pointer(address) }
    _ = unsafe apus_increment64(&apus_live_words().pointee.heap_refused)
    return nil
  }

  @inline(never) fileprivate static func releaseLarge(_ address: UInt64) {
    stock.countMiss()
    unsafe source?.release(PhysicalAddress(address &- KernelLayout.directMap), on: Processor.current)
  }

  private static func pointer(_ address: PhysicalAddress) -> UnsafeMutableRawPointer? {
    unsafe UnsafeMutableRawPointer(bitPattern: UInt(KernelLayout.direct(address).rawValue))
  }

  // The boot CPU alone runs now. `alignment`: a power of two.
  private static func takeArena(_ bytes: Int, _ alignment: Int = 16) -> UnsafeMutableRawPointer? {
    let words = (bytes + 15) / 16 * 2
    return unsafe withUnsafeMutablePointer(to: &arena) { start in
      let free = unsafe UInt(bitPattern: UnsafeMutableRawPointer(start)) &+ UInt(8 * arenaUsed)
      let skipped = Int(truncatingIfNeeded: (0 &- free) & (UInt(max(16, alignment)) &- 1)) / 8
      guard alignment <= 4096 else { return nil }
      guard unsafe skipped &+ words <= arena.count - arenaUsed else { return nil }
      unsafe arenaUsed += skipped &+ words
      return unsafe UnsafeMutableRawPointer(start).advanced(by: 8 * (arenaUsed - words))
    }
  }
}

/// For posix_memalign: nil when there is no memory.
@c(apus_heap_allocate) public func heapAllocate(_ bytes: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
  guard UInt(bitPattern: bytes) <= UInt(BlockStock.largest), alignment <= 16 else {
    return unsafe MachineHeap.allocateLarge(bytes, alignment)
  }
  let index = BlockStock.sizeClass(UInt64(truncatingIfNeeded: bytes))
  guard let object = unsafe MachineHeap.stock.take(index) else {
    return unsafe MachineHeap.refill(index, bytes)
  }
  return unsafe object
}

/// For free: memory of the boot arena stays taken.
@c(apus_heap_release) public func heapRelease(_ address: UnsafeMutableRawPointer) {
  let number = UInt64(UInt(bitPattern: address))
  guard number &- KernelLayout.directMap < KernelLayout.allocatableBytes else { return }
  switch unsafe MachineHeap.stock.give(address) {
  case .done: return
  case .full(let index): unsafe MachineHeap.shrink(index, and: address)
  case .notMine: MachineHeap.releaseLarge(number)
  }
}

/// For hash seeds: spreads, hides nothing.
@c(apus_random) public func random() -> UInt64 {
  // SplitMix64's finaliser over the counter: spreads hash seeds, hides nothing.
  var value = apus_cycles() &+ 0x9E37_79B9_7F4A_7C15
  value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
  value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
  return value ^ (value >> 31)
}
