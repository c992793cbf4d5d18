// KernelLayout: where things lie in the kernel's virtual address space.
import X86

/// The kernel's address space, all of it in the lower half.
///
/// Swift's ABI keeps tags in the top byte of pointers: a `String` literal of more than 15 bytes loses the top bits of
/// an address in the upper half, enums with class payloads use the same bits, and Embedded Swift takes an object
/// with the top bit set for an immortal one. No page of ours is a user page, so SMEP and SMAP hold all the same.
///
///
/// One entry of the top table each, so that an area never grows into another.
public enum KernelLayout {
  /// The direct map: physical address + this base; never executable.
  public static var directMap: UInt64 { 0x1000_0000_0000 }
  /// Bytes the direct map can hold: one entry of the top table.
  public static var directMapBytes: UInt64 { 0x80_0000_0000 }
  /// The guest's memory: guest-physical address + this base; never executable.
  ///
  /// As many entries as it takes.
  public static var guest: UInt64 { 0x2000_0000_0000 }
  /// Added to a guest-physical address: the address by which the kernel's allocators name a page that the guest deposited.
  ///
  /// `direct` of it lies in the guest's window, where the page is mapped with the rest of the guest's memory.
  public static var depositedOffset: UInt64 { guest &- directMap }
  /// Bytes from `directMap` on in which allocators' memory can lie: the direct map and the guest's window.
  public static var allocatableBytes: UInt64 { shared &- directMap }
  /// Pages shared with the host: physical address + this base.
  public static var shared: UInt64 { 0x7E00_0000_0000 }
  /// Mappings that come and go (`AddressWindow`).
  public static var window: UInt64 { 0x7E80_0000_0000 }
  /// Per-CPU slots.
  public static var processors: UInt64 { 0x7F00_0000_0000 }
  /// The image: linked here + its physical address.
  public static var image: UInt64 { 0x7F80_0000_0000 }
  /// The local APIC's page, in the image's entry of the top table.
  public static var localAPIC: UInt64 { 0x7FFF_0000_0000 }

  /// The address at which the guest's memory shows `address`.
  public static func guest(_ address: PhysicalAddress) -> VirtualAddress {
    VirtualAddress(guest &+ address.rawValue)
  }

  /// The address at which a page shared with the host is mapped.
  public static func shared(_ address: PhysicalAddress) -> VirtualAddress {
    VirtualAddress(shared &+ address.rawValue)
  }

  /// The address at which the direct map shows `address`.
  public static func direct(_ address: PhysicalAddress) -> VirtualAddress {
    VirtualAddress(directMap &+ address.rawValue)
  }
}

/// One CPU's slot: its stacks, each between two guard pages that are never mapped, and its block.
public struct ProcessorSlot: Equatable, Sendable {
  /// Whose slot it is.
  public let cpu: CPUIndex
  /// The slot of `cpu`.
  public init(_ cpu: CPUIndex) { self.cpu = cpu }

  /// Bytes from one slot to the next.
  public static var stride: UInt64 { 0x2_0000 }
  /// Bytes in the stack that tasks run on.
  public static var stackBytes: UInt64 { 0x8000 }
  /// Bytes in each stack of the interrupt stack table.
  public static var interruptStackBytes: UInt64 { 0x2000 }

  /// The slot's first address, a guard page.
  public var base: VirtualAddress {
    VirtualAddress(KernelLayout.processors &+ UInt64(cpu.rawValue) &* Self.stride)
  }
  /// The lowest address of the stack that tasks run on.
  public var stack: VirtualAddress { base.advanced(by: 0x1000) }
  /// The lowest address of the interrupt stack `kind`, which is not `.current`.
  public func interruptStack(_ kind: InterruptStack) -> VirtualAddress {
    base.advanced(by: 0xA000 &+ UInt64(kind.rawValue &- 1) &* 0x3000)
  }
  /// The per-CPU block, one page.
  public var block: VirtualAddress { base.advanced(by: 0x1A000) }
}
