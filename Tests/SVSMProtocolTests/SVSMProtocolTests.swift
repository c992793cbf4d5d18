// SVSMProtocolTests: codes and codecs of the SVSM protocol against the reference's values.

import SVSMProtocol
import Testing

@Suite struct SVSMProtocolTests {
  @Test func callsAreProtocolAndNumber() {
    // snp-svsm.md A.4, A.6.
    #expect(CallID.vTPMCommand.rax == 0x2_0000_0001)
    #expect(CallID(rax: 0x7FFF_FFFF_0000_0003) == CallID(ProtocolID(rawValue: 0x7FFF_FFFF), 3))
    #expect(CallID.configureVTOM.rax == 7)
  }

  @Test func d8_resultsAreZeroExtended() {
    for code: ResultCode in [.incomplete, .busy, .pvalidateSizeMismatch] {
      #expect(code.rax >> 32 == 0 && code.rax & 0x8000_0000 != 0)
    }
    #expect(ResultCode.pvalidateFailed(6) == .pvalidateSizeMismatch)
    #expect(ResultCode.pvalidateFailed(0x10).rawValue == 0x8000_1011)
    #expect(ResultCode.needMemory(pageCount: 3).rawValue == 0x4000_0003)
    #expect(ResultCode.needMemory(pageCount: 3).neededPageCount == 3)
    #expect(ResultCode.busy.neededPageCount == nil && !ResultCode.busy.isSuccess)
  }

  @Test func d5_d9_callPendingAndGarbageBehindIt() {
    #expect(CallingArea(rawValue: 0xFFFF_FFFF_FFFF_FF00).pending == .none)
    #expect(CallingArea(rawValue: 0xFFFF_FFFF_FFFF_FF01).pending == .requested)
    #expect(CallingArea(rawValue: 2).pending == .reserved)
    #expect(CallingArea(rawValue: 0xFF).pending == .reserved)
    #expect(CallingArea(rawValue: 0x0101).cleared.rawValue == 0x0100)
  }

  @Test func d34_d35_d36_pageListLimits() throws {
    #expect(PageList.capacity(at: 8) == 510)
    #expect(PageList.capacity(at: 0xFF0) == 1)
    #expect(PageList.capacity(at: 0xFF8) == 0)
    let list = try PageList(address: 0x5000 + 8, header: 510 | 509 << 16)
    #expect(list.count == 510 && list.next == 509 && list.entryAddress(509) == 0x5000 + 16 + 8 * 509)
    for (address, header): (UInt64, UInt64) in [
      (8, 0), (8, 511), (8, 1 | 1 << 16), (8, 1 | 2 << 16), (0xFF8, 1), (1, 1), (4, 1),
    ] { #expect(throws: ResultCode.invalidParameter) { try PageList(address: address, header: header) } }
    #expect(try PageList(address: 0xFF0, header: 1).count == 1)
    #expect(PageList.header(0xDEAD_0000_0002, next: 2) == 0xDEAD_0002_0002)
  }

  @Test func d37_entriesThatAreMalformed() throws {
    let entry = try PValidateEntry(0x20_0000 | 0b1101)
    #expect(entry.is2M && entry.isValidate && entry.ignoresCarry && entry.address == 0x20_0000)
    #expect(
      PValidateEntry.encode(address: 0x20_0000, is2M: true, isValidate: true, ignoresCarry: true)
        == 0x20_000D)
    for word: UInt64 in [0x1002, 0x1003, 0x1010, 0x1800, 0x1001] {
      #expect(throws: ResultCode.invalidParameter) { try PValidateEntry(word) }
    }
  }

  @Test func d72_d74_depositAndWithdraw() throws {
    #expect(try DepositEntry(0x20_0001).is2M)
    for word: UInt64 in [0x1001, 0x1002, 0x1004, 0x1800] {
      #expect(throws: ResultCode.invalidParameter) { try DepositEntry(word) }
    }
    #expect(throws: ResultCode.invalidParameter) { try WithdrawList.capacity(at: 0xFF8) }
    #expect(try WithdrawList.capacity(at: 0xFF0) == 1)
  }

  @Test func d78_queryProtocol() {
    let core = ProtocolVersions(minimum: 1, maximum: 1)
    #expect(core.answer(version: 1) == 0x1_0000_0001)
    #expect(core.answer(version: 0) == 0 && core.answer(version: 2) == 0)
    #expect(ProtocolQuery(rcx: 0x2_0000_0001).protocolID == .vTPM)
  }

  @Test func d81_configureVTOM() throws {
    #expect(try VTOMRequest(rcx: 1) == .query)
    #expect(throws: ResultCode.invalidParameter) { try VTOMRequest(rcx: 3) }
    #expect(throws: ResultCode.invalidParameter) { try VTOMRequest(rcx: 4) }
    #expect(try VTOMRequest(rcx: 0x4000_0002) == .configure(enable: true, address: 0x4000_0000))
  }

  @Test func d88_d89_d91_attestRequests() throws {
    func bytes(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: 0x58)
      bytes[1] = 0x10
      bytes[0x10] = 0xC0
      bytes[0x11] = 0x0F
      bytes[0x18] = 64
      bytes[0x21] = 0x20
      change(&bytes)
      return bytes
    }
    let good = try AttestRequest(bytes { _ in }.span, isSingle: true)
    #expect(good.report.address == 0x1000 && good.nonceAddress == 0xFC0)
    #expect(good.manifest.address == 0x2000 && good.service != nil)
    #expect(try AttestRequest(bytes { _ in }.span, isSingle: false).service == nil)
    for index in [0xC, 0x1A, 0x1C, 0x2C, 0x3C, 0x50, 0x54, 0, 0x20] {
      let bad = bytes { $0[index] = 1 }
      #expect(throws: ResultCode.invalidParameter) { try AttestRequest(bad.span, isSingle: true) }
    }
    for (index, value): (Int, UInt8) in [(0x18, 0), (0x18, 63), (0x18, 65), (0x10, 0xC1), (0x39, 0x41)] {
      let bad = bytes { $0[index] = value }
      #expect(throws: ResultCode.invalidParameter) { try AttestRequest(bad.span, isSingle: true) }
    }
    let short = Array(bytes { _ in }.dropLast())
    #expect(throws: ResultCode.invalidParameter) { try AttestRequest(short.span, isSingle: true) }
  }

  @Test func serviceIdentifiersAreMixedEndian() {
    // snp-svsm.md A.7: c476f1eb-0123-45a5-9641-b4e7dde5bfe3.
    #expect(ServiceID.vTPM.low == 0x45A5_0123_C476_F1EB)
    #expect(ServiceID.vTPM.high == 0xE3BF_E5DD_E7B4_4196)
  }

  @Test func d98_vtpmRequests() throws {
    func bytes(_ command: UInt8, _ locality: UInt8, _ size: UInt16) -> [UInt8] {
      [command, 0, 0, 0, locality, UInt8(size & 0xFF), UInt8(size >> 8), 0, 0]
    }
    #expect(try VTPMRequest(bytes(8, 0, 4087).span).commandByteCount == 4087)
    for bad in [bytes(1, 0, 10), bytes(9, 0, 10), bytes(8, 1, 10), bytes(8, 0, 4088), [8]] {
      #expect(throws: ResultCode.invalidParameter) { try VTPMRequest(bad.span) }
    }
  }

  @Test func d107_configureVectorReservedBits() throws {
    #expect(try APICVectorRequest(rcx: 0x131).vector == 0x31)
    #expect(try APICVectorRequest(rcx: 0x131).isAllowed)
    #expect(throws: ResultCode.invalidParameter) { try APICVectorRequest(rcx: 1 << 10) }
  }
}
