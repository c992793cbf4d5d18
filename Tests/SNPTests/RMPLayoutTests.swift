// RMPLayoutTests: operands and records of the RMP instructions, bit by bit.

import SNP
import Testing

@Suite struct RMPLayoutTests {
  @Test func rmpAdjustOperandPacksTargetPermissionsAndVMSABit() {
    // Reference B.1.2; C uses 0x1_01vv to make a VMSA.
    let operand = RMPAdjustOperand(target: .vmpl2, permissions: .read, isVMSA: true)
    #expect(operand.rawValue == 0x1_0102)
    #expect(RMPAdjustOperand(rawValue: 0x1_0F03).permissions == .full)
    #expect(RMPAdjustOperand(rawValue: 0x1_0F03).target == .vmpl3)
    #expect(RMPAdjustOperand(rawValue: 1 << 17).reserved == 1)
  }

  @Test func rmpUpdateRecordHasLinuxOffsets() throws {
    // Reference B.1.2: gPA 0, assigned 8, size 9, immutable 10, ASID 12.
    let record = RMPUpdateRecord(
      guestAddress: 0x1122_3344_5000, assigned: true, pageSize: .size2M, immutable: true, asid: 0x0A0B)
    var bytes = [UInt8](repeating: 0xEE, count: 16)
    var span = bytes.mutableSpan
    try record.encode(into: &span)
    #expect(bytes == [0x00, 0x50, 0x44, 0x33, 0x22, 0x11, 0, 0, 1, 1, 1, 0, 0x0B, 0x0A, 0, 0])
    #expect(try RMPUpdateRecord(bytes.span) == record)
  }

  @Test func statusCodesAreTheManualsNumbers() {
    #expect(RMPStatus.failInput.rawValue == 1)
    #expect(RMPStatus.failPermission.rawValue == 2)
    #expect(RMPStatus.failInUse.rawValue == 3)
    #expect(RMPStatus.failOverlap.rawValue == 4)
    #expect(RMPStatus.failSizeMismatch.rawValue == 6)
    #expect(RMPStatus.failBadAddress.rawValue == 7)
  }
}
