// Pools: per-CPU free lists of task blocks by size class, filled from the host when empty.
import AsyncEntry

/// The memory of tasks: blocks of 1, 2, 4 and 8 KiB from the CPU's free lists; larger ones from the host.
///
/// A block goes back to the pool of the CPU that frees it. In steady state no host call is made (L13).
enum Pools {
  /// Bytes of the smallest class.
  static let smallest: UInt64 = 1024
  /// Number of classes.
  static let classes = 4
  /// Free blocks kept per class and CPU; more go back to the host.
  static let keep: UInt32 = 1024

  /// The class whose blocks hold `bytes`, or nil if only the host serves that size.
  @inline(__always) static func sizeClass(_ bytes: UInt64) -> Int? {
    if bytes <= smallest { return 0 }
    if bytes > smallest << UInt64(classes - 1) { return nil }
    return UInt64.bitWidth - ((bytes - 1) >> 10).leadingZeroBitCount
  }

  /// A block of at least `bytes` bytes and its size, or nil when the host has none.
  @inline(__always) static func take(_ bytes: UInt64) -> (UnsafeMutablePointer<apus_block>, UInt64)? {
    guard let index = sizeClass(bytes) else { return unsafe takeFromHost((bytes + 4095) & ~4095) }
    let cpu = unsafe apus_this_cpu()
    // The class is below four by construction; tuple elements are reached by address.
    let lists = unsafe UnsafeMutableRawPointer(cpu).advanced(by: poolOffset)
      .assumingMemoryBound(to: UnsafeMutablePointer<apus_block>?.self)
    guard let block = unsafe lists[index] else { return unsafe takeFromHost(smallest << UInt64(index)) }
    unsafe lists[index] = unsafe block.pointee.next
    unsafe counts(cpu)[index] &-= 1
    return unsafe (block, smallest << UInt64(index))
  }

  /// Gives back a block of `size` bytes that `take` gave.
  @inline(__always) static func give(_ block: UnsafeMutablePointer<apus_block>, _ size: UInt64) {
    guard let index = sizeClass(size) else { return unsafe apus_host_free(block, size) }
    let cpu = unsafe apus_this_cpu()
    let counts = unsafe counts(cpu)
    guard unsafe counts[index] < keep else { return unsafe apus_host_free(block, size) }
    unsafe counts[index] &+= 1
    let lists = unsafe UnsafeMutableRawPointer(cpu).advanced(by: poolOffset)
      .assumingMemoryBound(to: UnsafeMutablePointer<apus_block>?.self)
    unsafe block.pointee.next = unsafe lists[index]
    unsafe lists[index] = unsafe block
  }

  static let poolOffset = 0x30
  static let countOffset = 0x50

  @inline(__always)
  private static func counts(_ cpu: UnsafeMutablePointer<apus_cpu>) -> UnsafeMutablePointer<UInt32> {
    unsafe UnsafeMutableRawPointer(cpu).advanced(by: countOffset).assumingMemoryBound(to: UInt32.self)
  }

  /// A block as `take`, or from the host's reserve: for what can neither fail nor wait.
  ///
  /// A reserved block's size carries `reserveMark`, so that `give` finds no class for it and the host takes it back.
  @inline(__always)
  static func takeOrDrawReserve(_ bytes: UInt64) -> (UnsafeMutablePointer<apus_block>, UInt64)? {
    if let taken = unsafe take(bytes) { return unsafe taken }
    return unsafe drawReserve(bytes)
  }

  /// In the size of a block that came from the reserve.
  static let reserveMark: UInt64 = 1 << 31

  @inline(never)
  private static func drawReserve(_ bytes: UInt64) -> (UnsafeMutablePointer<apus_block>, UInt64)? {
    let size = (bytes + 1023) & ~1023
    guard let memory = unsafe apus_host_allocate_reserve(size) else { return nil }
    return unsafe (memory.assumingMemoryBound(to: apus_block.self), size | reserveMark)
  }

  @inline(never)
  private static func takeFromHost(_ bytes: UInt64) -> (UnsafeMutablePointer<apus_block>, UInt64)? {
    unsafe apus_this_cpu().pointee.pool_misses &+= 1
    guard let memory = unsafe apus_host_allocate(bytes) else { return nil }
    return unsafe (memory.assumingMemoryBound(to: apus_block.self), bytes)
  }
}
