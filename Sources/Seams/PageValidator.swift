// PageValidator: making pages the guest's and taking them away, as the platform's instructions do it.
public import X86

/// The two sizes in which pages change hands.
public enum GuestPageSize: Equatable, Sendable {
  /// 4 KiB.
  case small
  /// 2 MiB, aligned to it.
  case large

  /// The size in bytes.
  @inlinable public var byteCount: UInt64 { self == .large ? 0x20_0000 : 0x1000 }
  /// The size in 4 KiB pages.
  @inlinable public var pageCount: Int { self == .large ? 512 : 1 }
}

/// Why a page did not change.
public enum PageFailure: Error, Equatable, Sendable {
  /// It was in the state asked for already.
  case unchanged
  /// The platform maps it in smaller pieces than 2 MiB.
  case sizeMismatch
  /// The page is in use by a running vCPU.
  case inUse
  /// The platform refused with this code, 1 to 15.
  case refused(UInt8)
  /// The host does not back the page, or not as what it must be.
  case unreachable
}

/// Pages between the guest, nobody, and the kernel.
///
/// *Requires* of every call: `address` is aligned to `size`, lies in guest memory, and the caller has claimed the pages,
/// so that no other CPU changes them. A call that throws has changed nothing unless it says so.
public protocol PageValidator {
  /// Makes pages private to the machine, readable by the kernel only; contents are not to be trusted before `clear`.
  func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure)
  /// Gives private pages, on which the guest has no rights, back to the host.
  func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure)
  /// Gives the guest and every more privileged level full rights on private pages.
  func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure)
  /// Takes every right of the guest and of less privileged levels on private pages away; other CPUs may use stale
  /// ones until `flushReductions`.
  ///
  /// If it throws, some of the rights may be gone: `grant` restores them.
  func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure)
  /// Makes every earlier `revoke` of this CPU visible on all CPUs before it returns; false if that could not be had
  /// in bounded time, and the pages must be withheld or given back.
  func flushReductions() -> Bool
  /// Clears `byteCount` bytes (a multiple of 4 KiB, at most `clearStep`) of validated pages; throws if the host does
  /// not back one.
  func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault)
  /// Whether the host lets the page be written: false for windows that hosts map read-only (legacy ROM), where a
  /// write would never end.
  func isClearable(_ address: PhysicalAddress) -> Bool
}

extension PageValidator {
  /// The most that one `clear` does: an eighth of a large page, so that a slice stays below 250,000 instructions.
  @inlinable public static var clearStep: UInt64 { 0x4_0000 }
}
