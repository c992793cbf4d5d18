// Host: what the task runtime asks of the machine by C name (AsyncEntry, Entry.h).
import Boot
public import Seams
import X86

nonisolated(unsafe) private var blocks: (any BlockSource)?

enum Host {
  static func install(_ source: any BlockSource) { unsafe blocks = source }
}

/// Memory of `bytes` bytes aligned to 64, or null.
@c(apus_host_allocate) public func hostAllocate(_ bytes: UInt64) -> UnsafeMutableRawPointer? {
  guard let block = unsafe blocks?.allocateBlock(bytes: bytes, on: Processor.current) else { return nil }
  return unsafe UnsafeMutableRawPointer(bitPattern: UInt(KernelLayout.direct(block).rawValue))
}

/// The same from the reserve of tasks under way, or null.
@c(apus_host_allocate_reserve) public func hostAllocateReserve(_ bytes: UInt64) -> UnsafeMutableRawPointer? {
  guard let block = unsafe blocks?.allocateReserve(bytes: bytes) else { return nil }
  return unsafe UnsafeMutableRawPointer(bitPattern: UInt(KernelLayout.direct(block).rawValue))
}

/// Gives back what either gave; bit 31 of `bytes` says that it was the reserve.
@c(apus_host_free) public func hostFree(_ memory: UnsafeMutableRawPointer, _ bytes: UInt64) {
  let address = UInt64(UInt(bitPattern: memory))
  guard address >= KernelLayout.directMap else { return }
  unsafe blocks?.releaseBlock(
    PhysicalAddress(address &- KernelLayout.directMap), bytes: bytes & 0x7FFF_FFFF, on: Processor.current)
}

/// Makes a CPU look at its inbox soon.
@c(apus_host_kick) public func hostKick(_ cpu: UInt32) { StartedProcessor.kick(CPUIndex(cpu)) }

/// Ends the machine with a report; `reason` is a C string.
@c(apus_host_fatal) public func hostFatal(_ reason: UnsafePointer<CChar>) -> Never {
  unsafe Death.panic(cString: reason)
}
