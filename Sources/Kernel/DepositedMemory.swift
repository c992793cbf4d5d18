// DepositedMemory: DEPOSIT_MEM and WITHDRAW_MEM on the kernel's own allocators.
public import Seams
import X86

/// The kernel's memory as a guest adds to it and takes from it.
///
/// A class, so that a request loop holds one word of it.
public final class DepositedMemory<
  Memory: PhysicalMemory & Sendable, Hint: SpinHint, Platform: PageValidator & Sendable
>: MemoryExchange, Sendable {
  private let frames: DepositedFrames<Memory, Hint>?
  private let heap: KernelHeap<Memory, Hint>?
  private let platform: Platform

  /// Deposits into `frames`, for `heap`; `platform` clears pages, and `tell` is told whether there are any to give back.
  public init(
    _ frames: DepositedFrames<Memory, Hint>?, heap: KernelHeap<Memory, Hint>?, platform: Platform,
    tell: @escaping (Bool) -> Void
  ) {
    self.frames = frames
    self.heap = heap
    self.platform = platform
    frames?.notify(tell)
  }

  /// Takes pages that can be written; the first one is written at once, so that a host which does not back it is
  /// found out here.
  public func deposit(_ address: PhysicalAddress, pageCount: Int) -> Bool {
    for index in 0..<UInt64(max(0, pageCount))
    where !platform.isClearable(address.advanced(by: index &* Frame.bytes)) {
      return false
    }
    do throws(GuestMemoryFault) {
      try platform.clear(address, byteCount: Frame.bytes)
    } catch {
      return false
    }
    return frames?.add(address, pageCount: pageCount) ?? false
  }

  /// A page that nothing uses; those that can't be cleared, of which it tries eight, are the host's loss and stay out.
  public func withdraw() -> PhysicalAddress? {
    for _ in 0..<8 {
      guard let page = frames?.takeBack() else { return nil }
      do throws(GuestMemoryFault) {
        try platform.clear(page, byteCount: Frame.bytes)
        return page
      } catch {}
    }
    return nil
  }

  /// Takes the page into stock again; without room it is lost to both sides.
  public func returnWithdrawn(_ address: PhysicalAddress) { _ = frames?.add(address, pageCount: 1) }

  /// What the heap lacks.
  public var shortfall: UInt32 { UInt32(truncatingIfNeeded: heap?.shortfall ?? 0) }
}
