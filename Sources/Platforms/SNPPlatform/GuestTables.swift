// GuestTables: the edited CPUID and secrets pages that a guest beneath an SVSM is given.
import Bits
public import SNP
public import Seams
public import X86

/// The two pages (reference A.1 steps 3 and 4, A.2.1).
public enum GuestTables {
  /// The word at `offset` of the guest's secrets page, given the firmware's word there.
  ///
  /// Keys of levels more privileged than the guest's are wiped, its own is kept; the SVSM's fields say where the kernel
  /// is and where the calling area lies.
  public static func secretsWord(
    _ offset: Int, firmware: UInt64, range: MemoryRegion, callingArea: PhysicalAddress, level: VMPL
  ) -> UInt64 {
    let keys = SecretsPage.vmpck..<(SecretsPage.vmpck + SecretsPage.vmpckByteCount * Int(level.rawValue))
    if keys.contains(offset) { return 0 }
    switch offset {
    case SecretsPage.svsmBase: return range.start.rawValue
    case SecretsPage.svsmSize: return range.bytes
    case SecretsPage.svsmCallingArea: return callingArea.rawValue
    // SVSM_MAX_VERSION 1 in 31:0, SVSM_GUEST_VMPL in 39:32.
    case SecretsPage.svsmMaximumVersion: return 1 | UInt64(level.rawValue) << 32
    default: return firmware
    }
  }

  /// The word at `offset` of the guest's CPUID page, given the firmware's word there and the leaf of the entry that it
  /// belongs to: leaf 8000_001F EAX gains bit 28, "there is an SVSM" (A.2.2).
  public static func cpuidWord(_ offset: Int, firmware: UInt64, leaf: UInt32?) -> UInt64 {
    guard let leaf, leaf == 0x8000_001F, offset >= CPUIDPage.entriesOffset,
      (offset - CPUIDPage.entriesOffset) % CPUIDEntry.byteCount == 0x18
    else { return firmware }
    return firmware | 1 << 28
  }
}
