// Image: where the kernel's own segments lie and what each may do.
import Boot
public import Seams
public import X86

/// The kernel's image, as the linker script laid it out.
public enum KernelImage {
  private static func segment(_ from: UInt64, _ to: UInt64, _ permissions: PagePermissions) -> ImageSegment {
    ImageSegment(start: VirtualAddress(from), bytes: to &- from, permissions: permissions)
  }
  /// Code.
  public static var text: ImageSegment {
    segment(apus_image_start_address(), apus_text_end_address(), .execute)
  }
  /// Constants.
  public static var constants: ImageSegment {
    segment(apus_text_end_address(), apus_rodata_end_address(), [])
  }
  /// Written during boot, read-only after.
  public static var sealed: ImageSegment {
    segment(apus_rodata_end_address(), apus_sealed_end_address(), .write)
  }
  /// Data up to the boot stack's guard page.
  public static var data: ImageSegment {
    segment(apus_sealed_end_address(), apus_boot_stack_guard_address(), .write)
  }
  /// The boot CPU's stack, above its guard page, and whatever follows.
  public static var stack: ImageSegment {
    segment(apus_boot_stack_address(), apus_image_end_address(), .write)
  }
  /// Where the image lies in memory, with the 32-bit entry and the boot tables before it.
  public static var physical: (start: PhysicalAddress, bytes: UInt64) {
    let start = apus_boot_section_start_address()
    return (PhysicalAddress(start), apus_image_end_address() &- KernelLayout.image &- start)
  }
  /// The part that is of no use after boot: the 32-bit entry and the boot tables.
  public static var discardable: (start: PhysicalAddress, bytes: UInt64) {
    let start = apus_boot_section_start_address()
    return (PhysicalAddress(start), apus_boot_section_end_address() &- start)
  }
  /// The physical address behind an address of the image.
  public static func physical(_ address: VirtualAddress) -> PhysicalAddress {
    PhysicalAddress(address.rawValue &- KernelLayout.image)
  }
  /// The record the loader handed over.
  public static var startInfo: PhysicalAddress { PhysicalAddress(apus_start_info_value()) }
  /// Takes the time-stamp counter for an entry that could not.
  public static func noteEntry() { apus_note_entry(apus_cycles()) }
  /// The time-stamp counter at the first instruction, or when it could first be read.
  public static var entryCycles: UInt64 { apus_entry_tsc_value() }
}
