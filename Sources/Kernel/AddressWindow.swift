// AddressWindow: mappings that come and go; what is unmapped is reused only when no CPU can still see it.
import Seams
import X86

/// A few pages of address space for frames that are mapped for a while.
///
/// Both the address and the frame of an unmapped page wait in `RetiredFrames`; nothing waits for another CPU.
public struct AddressWindow<Memory: PhysicalMemory & Sendable, Horizon: FlushHorizon> {
  private let space: AddressSpace<Memory>
  private var retired: RetiredFrames<Horizon>
  private var next: UInt64 = 0

  /// A window of `space`.
  public init(space: AddressSpace<Memory>, horizon: Horizon) {
    self.space = space
    retired = RetiredFrames(horizon: horizon)
  }

  /// Maps `frame` (owner `window`) at an address that was never used before.
  public mutating func map(_ frame: Frame, frames: some FrameSource) throws(MappingError) -> VirtualAddress {
    guard next < 1 << 24 else { throw .exhausted }
    let address = VirtualAddress(KernelLayout.window &+ next &* Frame.bytes)
    try space.map(address, to: frame.start, bytes: Frame.bytes, .write, frames: frames)
    next &+= 1
    return address
  }

  /// Unmaps `address`; its frame waits.
  ///
  /// `exhausted` (nothing changed) while 64 frames wait already.
  public mutating func unmap(_ address: VirtualAddress) throws(MappingError) {
    guard retired.hasRoom else { throw .exhausted }
    _ = retired.retire(try space.unmap(address))
  }

  /// The oldest frame that no CPU can see any more, nil if there is none yet.
  public mutating func reclaim() -> Frame? { retired.reclaim() }
}
