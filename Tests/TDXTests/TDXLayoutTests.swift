// TDXLayoutTests: statuses, operands, identifiers and structures of TDX, bit by bit.

import Bits
import TDX
import Testing

@Suite struct TDXLayoutTests {
  @Test func statusesAreTheFullValuesOfTheReference() {
    // tdx.md A.1, A.2, G.2, G.5, G.10, G.25, G.51.
    #expect(TDXStatus.operandInvalid.with(.rax).rawValue == 0xC000_0100_0000_0000)
    #expect(TDXStatus.operandInvalid.with(.rcx).rawValue == 0xC000_0100_0000_0001)
    #expect(TDXStatus.operandInvalid.with(.l2VirtualAPICAddress).rawValue == 0xC000_0100_0000_00AA)
    #expect(TDXStatus.noValidVEInfo.rawValue == 0xC000_0704_0000_0000)
    #expect(TDXStatus.pageSizeMismatch.with(detail: 1).rawValue == 0xC000_0B0B_0000_0001)
    #expect(TDXStatus.pendingInterrupt.rawValue == 0x0000_1120_0000_0000)
    #expect(TDXStatus.operandBusy.isRecoverable && !TDXStatus.operandBusy.isCallerError)
    #expect(TDXStatus.operandInvalid.isCallerError && TDXStatus.operandInvalid.isError)
    #expect(!TDXStatus.pageAlreadyAccepted.isError)
  }

  @Test func vmcsFieldIdentifiersFollowTheClassBases() {
    // tdx.md B.3, G.37, G.39.
    #expect(FieldID.vmcs(vm: 1, encoding: 0x4002).rawValue == 0x2420_0002_0000_4002)
    #expect(FieldID.vmcs(vm: 2, encoding: 0x0802).rawValue == 0x2C20_0001_0000_0802)
    #expect(FieldID.vmcs(vm: 3, encoding: 0x6800).rawValue == 0x3420_0003_0000_6800)
    #expect(FieldID.vmcs(vm: 1, encoding: 0x2012).rawValue == 0x2420_0003_0000_2012)
    #expect(FieldID.msrBitmap(vm: 1).rawValue == 0x2520_0003_0000_0000)
    #expect(FieldID.msrBitmap(vm: 2).rawValue == 0x2D20_0003_0000_0000)
    #expect(FieldID.msrBitmap(vm: 3).rawValue == 0x3520_0003_0000_0000)
  }

  @Test func identifiersOfOneFieldAgreeWhateverSizeAndContextSay() {
    // tdx.md A.6, I: both circulating NOTIFY_ENABLES identifiers are accepted.
    #expect(FieldID(rawValue: 0x9100_0000_0000_0010).names(.notifyEnables))
    #expect(FieldID(rawValue: 0x9100_0000_0000_0010).isSingleElement)
    #expect(!FieldID(rawValue: 0x9110_0003_0100_0010).isSingleElement)
    #expect(!FieldID(rawValue: 0x9110_0007_0000_0010).isSingleElement)
    #expect(FieldID(rawValue: 0xFF8F_FFFF_FFFF_FFFF).isNull)
    #expect(!FieldID(rawValue: 0x7FFF_FFFF_FFFF_FFFF).isNull)
  }

  @Test func enterStateHasTheOffsetsOfVPEnter() throws {
    // tdx.md B.5.
    var state = L2EnterState()
    for number in 0..<16 { state.registers[number] = UInt64(number + 1) }
    state.rflags = 0x202
    state.rip = 0xFFFF_FFF0
    state.ssp = 0x1234
    state.interruptStatus = 0x3140
    var bytes = [UInt8](repeating: 0xEE, count: 0xA0)
    var span = bytes.mutableSpan
    try state.encode(into: &span)
    #expect(bytes[0] == 1 && bytes[0x78] == 16)
    #expect(bytes[L2EnterState.rflagsOffset] == 2 && bytes[L2EnterState.rflagsOffset + 1] == 2)
    #expect(bytes[L2EnterState.ripOffset] == 0xF0)
    #expect(bytes[L2EnterState.sspOffset] == 0x34)
    #expect(bytes[L2EnterState.interruptStatusOffset] == 0x40)
    #expect(bytes[0x9A...] == [0, 0, 0, 0, 0, 0])
    #expect(try L2EnterState(bytes.span) == state)
    #expect(throws: ByteError.outOfBounds) { try L2EnterState(Array(bytes.dropLast(7)).span) }
  }

  @Test func portQualificationIsTheOneOfG11() {
    // tdx.md G.11: IN AL, 0x60 (E4 60).
    let qualification = VEInfo.portQualification(
      port: 0x60, byteCount: 1, isInput: true, isImmediate: true)
    #expect(qualification == 0x0060_0048)
  }

  @Test func extendedQualificationCarriesTheWalk() {
    // tdx.md A.5.
    let word = ExtendedQualification(
      .accept, requestedLevel: 0, reachedLevel: 1, state: SEPTState.pending.rawValue, isLeaf: true)
    #expect(word.rawValue == (1 | (1 << 3 | 2 << 6 | 1 << 14) << 32))
    #expect(word.kind == 1 && word.reachedLevel == 1 && word.septState == 2)
  }

  @Test func l2FieldTableMatchesTheReference() {
    // tdx.md B.3, a sample of every width and every kind of access.
    #expect(VMCSAccess(VMCSEncoding(rawValue: 0x4002))?.writeMask == 0x48D9_9A04)
    #expect(VMCSAccess(VMCSEncoding(rawValue: 0x4002))?.readMask == 0xFFFF_FFFF)
    #expect(VMCSAccess(VMCSEncoding(rawValue: 0x2013)) == nil)
    #expect(VMCSAccess(VMCSEncoding(rawValue: 0x0000)) == .hidden)
    #expect(VMCSAccess(VMCSEncoding(rawValue: 0x6C00)) == .hidden)
    #expect(VMCSAccess(.pinControls)?.writeMask == 0)
    #expect(VMCSAccess(.efer)?.writeMask == 0x501)
    #expect(VMCSAccess(.virtualAPICAddress)?.writeMask == 0xFFFF_FFFF_FFFF_F000)
    #expect(VMCSAccess(.guestInterruptStatus)?.writeMask == 0xFFFF)
    #expect(VMCSAccess(.cr4)?.writeMask == 0x03FF_1FBF)
    #expect(VMCSAccess(VMCSEncoding(rawValue: 0x7FFE)) == nil)
  }

  @Test func attributesPackIntoLanes() {
    // tdx.md B.4.
    #expect(GPAAttributes([.full, .valid]).rawValue == 0x800F)
    #expect(GPAAttributes(lane: 2, of: 0x0000_800F_0000_0000) == [.full, .valid])
    #expect(GPAAttributes([.full, .valid]).packed(lane: 1) == 0x800F_0000)
  }

  @Test func maskRefusesWhatVPVMCALLRefuses() {
    // tdx.md A.4 leaf 0.
    #expect(TDVMCALLMask.r10ToR15.rawValue & TDVMCALLMask.forbidden == 0)
    for bit in [0, 1, 4, 32, 63] {
      #expect((UInt64(1) << UInt64(bit)) & TDVMCALLMask.forbidden != 0)
    }
    #expect(TDVMCALLMask.r10ToR15.selects(10) && !TDVMCALLMask.r10ToR15.selects(9))
  }
}
