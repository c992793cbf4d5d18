// Heap: what Swift's objects are made of: a small arena in the image until the kernel's heap stands.
import Boot
public import Seams
import X86

nonisolated(unsafe) private var source: (any HeapSource)?
// Objects made before the heap stands live for ever; their arena is never given back.
nonisolated(unsafe) private var arena = InlineArray<512, UInt64>(repeating: 0)
nonisolated(unsafe) private var arenaUsed = 0

/// The language runtime's heap.
public enum MachineHeap {
  /// From now on allocations come from `heap`, whose addresses the direct map shows.
  public static func install(_ heap: any HeapSource) { unsafe source = heap }

  /// Allocations refused since boot.
  public static var refusedCount: UInt64 { unsafe apus_live_words().pointee.heap_refused }
}

/// For posix_memalign: nil when there is no memory.
@c(apus_heap_allocate) public func heapAllocate(_ bytes: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
  guard bytes >= 0, bytes <= 1 << 40, alignment > 0 else { return nil }
  if let source = unsafe source {
    if let address = source.allocate(bytes: UInt64(bytes), alignment: UInt64(alignment)) {
      return unsafe UnsafeMutableRawPointer(bitPattern: UInt(KernelLayout.direct(address).rawValue))
    }
    _ = unsafe apus_increment64(&apus_live_words().pointee.heap_refused)
    return nil
  }
  // The boot CPU alone runs now.
  let words = (bytes + 15) / 16 * 2
  guard alignment <= 16, unsafe words <= arena.count - arenaUsed else { return nil }
  unsafe arenaUsed += words
  return unsafe withUnsafeMutablePointer(to: &arena) { start in
    unsafe UnsafeMutableRawPointer(start).advanced(by: 8 * (arenaUsed - words))
  }
}

/// For free: memory of the boot arena stays taken.
@c(apus_heap_release) public func heapRelease(_ address: UnsafeMutableRawPointer) {
  let number = UInt64(UInt(bitPattern: address))
  guard number >= KernelLayout.directMap, number < KernelLayout.directMap &+ KernelLayout.directMapBytes
  else { return }
  unsafe source?.release(PhysicalAddress(number &- KernelLayout.directMap))
}

/// For hash seeds: spreads, hides nothing.
@c(apus_random) public func random() -> UInt64 {
  // SplitMix64's finaliser over the counter: spreads hash seeds, hides nothing.
  var value = apus_cycles() &+ 0x9E37_79B9_7F4A_7C15
  value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
  value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
  return value ^ (value >> 31)
}
