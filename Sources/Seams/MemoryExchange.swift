// MemoryExchange: pages that a guest gives to the kernel, and pages that the kernel gives back.
public import X86

/// The kernel's stock of pages, as far as a guest can add to it and take from it.
///
/// *May be called from*: a task of any CPU; does not wait.
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
  /// Whether `withdraw` would give a page.
  var hasSpare: Bool { get }
}

extension MemoryExchange {
  /// True.
  @inlinable public static var isSupported: Bool { true }
}
