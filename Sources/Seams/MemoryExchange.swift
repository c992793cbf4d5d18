// MemoryExchange: pages that a guest gives to the kernel, and pages that the kernel gives back.
public import X86

/// The kernel's stock of pages, as far as a guest can add to it and take from it.
///
/// *May be called from*: a task of any CPU; does not wait. *Guarantees*: whoever was named when the exchange was made is
/// told whenever it begins or ceases to have a page that `withdraw` would give.
public protocol MemoryExchange {
  /// Whether the kernel takes pages at all; if not, the calls are unsupported.
  static var isSupported: Bool { get }
  /// Takes 4 KiB pages that are private and that the guest can't reach any more; false if they can't be booked.
  ///
  /// `pageCount` is 1 or 512, `address` aligned to it.
  func deposit(_ address: PhysicalAddress, pageCount: Int) -> Bool
  /// Gives up a 4 KiB page, cleared, that nothing uses; nil if there is none to spare.
  func withdraw() -> PhysicalAddress?
  /// Takes a withdrawn page back that could not be handed over.
  func returnWithdrawn(_ address: PhysicalAddress)
  /// Pages that the kernel must be given before it begins a call that needs memory; 0 if it has enough.
  var shortfall: UInt32 { get }
}

extension MemoryExchange {
  /// True.
  @inlinable public static var isSupported: Bool { true }
  /// None.
  @inlinable public var shortfall: UInt32 { 0 }
}
