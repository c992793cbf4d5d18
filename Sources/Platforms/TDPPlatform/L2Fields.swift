// L2Fields: the state and controls of this vCPU's L2, read and written through the module (TDG.VP.RD and WR).
import Seams
import TDX

/// The fields of L2 VM `vm` on the calling vCPU.
struct L2Fields<Hardware: TDXHardware>: Sendable {
  private let calls: ModuleCalls<Hardware>
  /// The VM: 1 to 3.
  let vm: UInt8

  init(_ hardware: Hardware, vm: UInt8) {
    calls = ModuleCalls(hardware)
    self.vm = vm
  }

  /// The field's value; 0 if the module refuses, which it does for no field named here.
  func read(_ field: VMCSEncoding) -> UInt64 {
    calls.readVP(.vmcs(vm: vm, encoding: field.rawValue)).value
  }

  /// Writes the bits of `mask`; whether the module took them.
  @discardableResult
  func write(_ field: VMCSEncoding, _ value: UInt64, mask: UInt64? = nil) -> Bool {
    let id = FieldID.vmcs(vm: vm, encoding: field.rawValue)
    return calls.writeVP(id, value, mask: mask ?? field.widthMask).statusClass == .success
  }

  /// L2_CTLS (reference tdx.md B.2).
  func writeControls(_ value: UInt64) -> Bool {
    calls.writeVP(FieldID.l2Controls.advanced(by: Int(vm)), value, mask: 7).statusClass == .success
  }

  /// The time-stamp at which a stay in the L2 ends; all ones for never.
  @discardableResult
  func writeDeadline(_ ticks: UInt64) -> Bool {
    calls.writeVP(FieldID.tscDeadline.advanced(by: Int(vm)), ticks, mask: .max).statusClass == .success
  }

  /// Word `index` (0 to 511) of the MSR bitmap.
  func writeBitmap(_ index: Int, _ value: UInt64) -> Bool {
    calls.writeVP(FieldID.msrBitmap(vm: vm).advanced(by: index), value, mask: .max).statusClass == .success
  }
}

extension VMCSEncoding {
  /// Selector of segment `number` (0 to 7: ES, CS, SS, DS, FS, GS, LDTR, TR).
  static func selector(_ number: UInt16) -> VMCSEncoding { VMCSEncoding(rawValue: 0x0800 &+ 2 &* number) }
  /// Limit of segment `number`; 8 and 9 are GDTR and IDTR.
  static func limit(_ number: UInt16) -> VMCSEncoding { VMCSEncoding(rawValue: 0x4800 &+ 2 &* number) }
  /// Access rights of segment `number`.
  static func rights(_ number: UInt16) -> VMCSEncoding { VMCSEncoding(rawValue: 0x4814 &+ 2 &* number) }
  /// Base of segment `number`.
  static func base(_ number: UInt16) -> VMCSEncoding { VMCSEncoding(rawValue: 0x6806 &+ 2 &* number) }
  /// The length of a software interrupt's instruction.
  static let entryInstructionLength = VMCSEncoding(rawValue: 0x401A)
}
