// UnpagedMode: how a guest runs with paging off although QEMU 7.2 then leaves nested paging out.

public import Model

/// What a guest believes of the registers that the monitor uses itself while the guest's paging is off.
///
/// QEMU 7.2 translates nothing while CR0.PG is 0, nested tables included: the guest would see the machine's own memory
/// (measured; later versions not tried). So PG is on in the VMCB, over one page directory that maps 4 GiB one to one in
/// 4 MiB pages, and CR0, CR3, CR4 and EFER are shadowed. Protected mode only: real mode has no paging to switch on.
public struct UnpagedState: Equatable, Sendable {
  /// CR3.
  public var cr3: UInt64
  /// CR4.
  public var cr4: UInt64
  /// EFER, without SVME.
  public var efer: UInt64
}

/// Entering and leaving the mode.
public enum UnpagedMode {
  /// Where the guest-physical page of the directory is; no guest has memory there.
  public static let directory: UInt64 = 0xFEDF_F000
  private static let paging: UInt64 = 1 << 31
  /// CR4 bits that change no translation: TSD, DE, MCE, OSFXSR, OSXMMEXCPT, OSXSAVE.
  private static let harmless: UInt64 = 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 18
  private static let pageSizeExtension: UInt64 = 1 << 4
  /// Reads of CR0, CR3 and CR4 in 15:0 and writes in 31:16 of the first VMCB word.
  private static let intercepts: UInt64 = 0x19 | 0x19 << 16

  /// Fills the directory: present, writable, user, accessed, dirty, 4 MiB.
  public static func fill<Hardware: MonitorHardware>(_ page: SystemPage, _ hardware: inout Hardware) {
    for index in 0..<UInt64(512) {
      let low = (2 &* index) << 22 | 0xE7
      let high = (2 &* index &+ 1) << 22 | 0xE7
      hardware.store(page, Int(8 &* index), low | high << 32)
    }
  }

  /// Turns the mode on for a guest whose CR0 becomes `cr0`.
  public static func enter<CPU: CPUState>(_ cpu: inout CPU, cr0: UInt64) -> UnpagedState {
    let state = UnpagedState(
      cr3: cpu[VMCB.cr3], cr4: cpu[VMCB.cr4], efer: cpu[VMCB.efer] & ~(TDXControls.svme | 0x400))
    cpu[VMCB.cr0] = cr0 | paging
    cpu[VMCB.cr3] = directory
    refresh(&cpu, state)
    cpu[VMCB.interceptCR] |= intercepts
    return state
  }

  /// Brings the guest's CR4 and EFER, as far as they matter, into the VMCB.
  public static func refresh<CPU: CPUState>(_ cpu: inout CPU, _ state: UnpagedState) {
    cpu[VMCB.cr4] = state.cr4 & harmless | pageSizeExtension
    cpu[VMCB.efer] = state.efer & ~0x500 | TDXControls.svme
  }

  /// The guest turns paging on: false where the CPU raises #GP (long mode without PAE).
  ///
  /// `normal` are the intercepts of control registers otherwise.
  public static func leave<CPU: CPUState>(
    _ cpu: inout CPU, _ state: UnpagedState, cr0: UInt64, normal: UInt64
  ) -> Bool {
    let isLong = state.efer & 0x100 != 0
    if isLong, state.cr4 & 0x20 == 0 || cpu.segment(VMCB.cs).attributes & 1 << 9 != 0 { return false }
    cpu[VMCB.cr0] = cr0 | 0x10
    cpu[VMCB.cr3] = state.cr3
    cpu[VMCB.cr4] = state.cr4
    cpu[VMCB.efer] = state.efer | TDXControls.svme | (isLong ? 0x400 : 0)
    cpu[VMCB.interceptCR] = cpu[VMCB.interceptCR] & ~0xFFFF_FFFF | normal
    return true
  }
}
