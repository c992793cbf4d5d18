// TDXControls: what a VMCB of a TD intercepts, and the state in which a vCPU starts.

public import Model
import TDX

/// The VMCBs of a TD's vCPUs.
enum TDXControls {
  /// Intercepts of word 0x00C: INTR, NMI, VINTR, RDPMC, CPUID, INVD, HLT, INVLPGA, ports, MSRs, task switch, shutdown
  /// (APM 2, table B-1).
  static let first: UInt64 =
    1 << 0 | 1 << 1 | 1 << 4 | 1 << 15 | 1 << 18 | 1 << 22 | 1 << 24 | 1 << 26 | 1 << 27 | 1 << 28
    | 1 << 29 | 1 << 31
  /// Intercepts of word 0x010: all of SVM's instructions, VMMCALL, ICEBP, WBINVD, MONITOR, MWAIT.
  static let second: UInt64 = 0x7F | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11
  /// Writes of CR0 and CR4 (bits 31:16 of the first word).
  static let controlWrites: UInt64 = (1 << 0 | 1 << 4) << 16
  /// EFER.SVME, which VMRUN wants and a guest never sees.
  static let svme: UInt64 = 1 << 12

  /// Sets intercepts, maps and nested paging.
  static func fill<Memory>(
    _ cpu: inout PageCPU<Memory>, root: SystemPage, ioMap: SystemPage, msrMap: SystemPage, vm: Int
  ) {
    // Writes of CR0 and CR4, for the module's rules; #UD, for TDCALL.
    cpu[VMCB.interceptCR] = controlWrites
    cpu[VMCB.interceptExceptions] = 1 << 6 | first << 32
    cpu[0x010] = second
    cpu[VMCB.ioMap] = ioMap.address
    cpu[VMCB.msrMap] = msrMap.address
    cpu[VMCB.asid] = UInt64(vm + 1)
    cpu[VMCB.virtualInterrupt] = VirtualInterrupt.masking
    cpu[VMCB.nestedPaging] = 1
    cpu[VMCB.nestedCR3] = root.address
  }

  /// The attributes of a segment from VMX access rights (tdx.md H).
  static func attributes(_ rights: UInt32) -> UInt16 {
    UInt16(truncatingIfNeeded: rights & 0xFF | rights >> 4 & 0xF00)
  }

  /// The state after TDH.VP.INIT (tdx.md D.4).
  static func reset<Memory>(_ cpu: inout PageCPU<Memory>) {
    func segment(_ rights: UInt32, limit: UInt32) -> Segment {
      Segment(selector: 0, attributes: attributes(rights), limit: limit, base: 0)
    }
    for field in [VMCB.es, VMCB.ss, VMCB.ds, VMCB.fs, VMCB.gs] {
      cpu.setSegment(field, segment(InitialState.dataAccessRights, limit: .max))
    }
    cpu.setSegment(VMCB.cs, segment(InitialState.codeAccessRights, limit: .max))
    cpu.setSegment(VMCB.ldtr, segment(InitialState.ldtrAccessRights, limit: 0xFFFF))
    cpu.setSegment(VMCB.tr, segment(InitialState.trAccessRights, limit: 0xFFFF))
    cpu.setSegment(VMCB.gdtr, segment(0, limit: InitialState.gdtrLimit))
    cpu.setSegment(VMCB.idtr, segment(0, limit: 0))
    cpu.setCPL(0)
    cpu[VMCB.efer] = InitialState.efer | svme
    // ET is fixed to 1 (SDM 3A, 2.5).
    cpu[VMCB.cr0] = InitialState.cr0 | 0x10
    cpu[VMCB.cr4] = InitialState.cr4
    cpu[VMCB.cr3] = 0
    cpu[VMCB.dr6] = InitialState.dr6
    cpu[VMCB.dr7] = InitialState.dr7
    cpu[VMCB.rflags] = InitialState.rflags
    cpu[VMCB.rip] = InitialState.rip
    cpu[VMCB.pat] = InitialState.pat
    cpu[MSRField.fmask] = InitialState.fmask
  }
}

/// MSRs that the VMCB's save area holds.
enum MSRField {
  /// SFMASK.
  static let fmask = 0x618

  /// Where the value of `msr` lies in a VMCB; nil for others.
  static func offset(_ msr: UInt32) -> Int? {
    switch msr {
    case 0x174: 0x628
    case 0x175: 0x630
    case 0x176: 0x638
    case 0x277: VMCB.pat
    case 0xC000_0081: 0x600
    case 0xC000_0082: 0x608
    case 0xC000_0083: 0x610
    case 0xC000_0084: fmask
    case 0xC000_0100: VMCB.fs + 8
    case 0xC000_0101: VMCB.gs + 8
    case 0xC000_0102: 0x620
    default: nil
    }
  }

  /// Those that a TD reads and writes without an exit: switched by VMLOAD and VMSAVE, native in tdx.md D.3, and TSC_AUX.
  static let direct: InlineArray<11, UInt32> = [
    0x174, 0x175, 0x176, 0x277, 0xC000_0081, 0xC000_0082, 0xC000_0084, 0xC000_0100, 0xC000_0101,
    0xC000_0102, 0xC000_0103,
  ]
}

/// The permission maps that every VMCB of a TD points to.
public enum PermissionMaps {
  /// Fills three pages of port intercepts and two pages of MSR intercepts (APM 2, 15.10 and 15.11).
  public static func fill<Hardware: MonitorHardware>(
    ioMap: SystemPage, msrMap: SystemPage, _ hardware: inout Hardware
  ) {
    for page in 0..<UInt64(3) { ones(ioMap.advanced(by: page), &hardware) }
    for page in 0..<UInt64(2) { ones(msrMap.advanced(by: page), &hardware) }
    for index in 0..<MSRField.direct.count {
      let msr = MSRField.direct[index]
      let bit = (msr >= 0xC000_0000 ? 0x800 * 8 : 0) + 2 * Int(msr & 0x1FFF)
      let page = msrMap.advanced(by: UInt64(bit / 32768))
      let offset = bit % 32768 / 64 * 8
      let mask: UInt64 = 3 << UInt64(bit % 64)
      hardware.store(page, offset, hardware.load(page, offset) & ~mask)
    }
  }

  private static func ones<Hardware: MonitorHardware>(_ page: SystemPage, _ hardware: inout Hardware) {
    for index in 0..<512 { hardware.store(page, 8 &* index, .max) }
  }
}
