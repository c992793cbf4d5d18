// SNPLayoutTests: words, pages and messages of SNP, bit by bit.

import Bits
import SNP
import Testing

@Suite struct SNPLayoutTests {
  @Test func statusIsFeaturesShiftedByTwoPlusThree() {
    // Reference B.2, D.113.
    let features: SEVFeatures = [.snpActive, .restrictedInjection, .debugSwap]
    #expect(features.rawValue == 0x29 && features.status == 0xA7)
    #expect(SEVFeatures(status: 0xA7) == features)
    #expect(features.hasOneInjectionMode)
    #expect(!SEVFeatures([.restrictedInjection, .alternateInjection]).hasOneInjectionMode)
  }

  @Test func msrProtocolCodesAndOperands() {
    // Reference B.4.
    #expect(GHCBMSR.info(maximum: 2, minimum: 2, cBit: 47).rawValue == 0x0002_0002_2F00_0001)
    #expect(GHCBMSR.cpuid(function: 0x8000_001F, register: 1).rawValue == 0x8000_001F_4000_0004)
    #expect(GHCBMSR.cpuid(function: 7, register: 3).cpuidRegister == 3)
    let shared = GHCBMSR.pageState(page: 0x12345, operation: .makeShared)
    #expect(shared.rawValue == 0x0020_0000_1234_5014)
    #expect(shared.statePage == 0x12345 && shared.stateOperation == .makeShared)
    #expect(GHCBMSR.runVMPL(.vmpl2).rawValue == 0x0000_0002_0000_0016)
    #expect(GHCBMSR.runVMPL(.vmpl2).vmpl == .vmpl2)
    #expect(GHCBMSR.terminate(set: 1, code: 7).rawValue == 0x0007_1100)
    #expect(GHCBMSR(rawValue: 0x0007_1100).terminationSet == 1)
    #expect(GHCBMSR(rawValue: 0x0007_1100).terminationCode == 7)
    #expect(GHCBMSR(.registerRequest, operand: 0x55).rawValue == 0x55012)
  }

  @Test func ghcbValidBitsAreOffsetsOverEight() {
    // Reference B.5.
    #expect(GHCBPage.validBit(GHCBPage.rax) == 63)
    #expect(GHCBPage.validBit(GHCBPage.exitCode) == 114)
    #expect(GHCBPage.validBit(GHCBPage.exitInfo1) == 115)
    #expect(GHCBPage.validBit(GHCBPage.exitInfo2) == 116)
    #expect(GHCBPage.validBit(GHCBPage.scratch) == 117)
    #expect(GHCBPage.validBit(GHCBPage.xcr0) == 125)
    #expect(GHCBPage.validBit(GHCBPage.cpl) == 25)
    #expect(GHCBPage.validBit(0x400) == nil)
  }

  @Test func vmsaOffsetsAreThoseOfTheSVSMSpecification() {
    // Reference B.6.1 and A.4 (bold entries).
    #expect(VMSAField.vmpl == 0xCA && VMSAField.efer == 0xD0 && VMSAField.rip == 0x178)
    #expect(VMSAField.rax == 0x1F8 && VMSAField.rcx == 0x308 && VMSAField.rdx == 0x310)
    #expect(VMSAField.r8 == 0x340 && VMSAField.r9 == 0x348 && VMSAField.sevFeatures == 0x3B0)
    #expect(VMSAField.guestExitCode == 0x3C0 && VMSAField.eferSVME == 0x1000)
  }

  @Test func pageStateListPacks() {
    // Reference B.5.2.
    var entry = PageStateEntry(page: 0x200, operation: .makePrivate, is2M: true)
    #expect(entry.rawValue == 0x0110_0000_0020_0000)
    entry.currentPage = 511
    #expect(entry.currentPage == 511 && entry.page == 0x200 && entry.reserved == 0)
    var header = PageStateHeader(current: 3, end: 252)
    #expect(header.rawValue == 0x00FC_0003)
    header.current = 4
    #expect(header.current == 4 && header.end == 252)
  }

  @Test func apCreationPacks() {
    // Reference B.5.1: VMPL in 19:16, APIC ID in 63:32.
    let word = APCreation(.create, vmpl: .vmpl2, apicID: 7)
    #expect(word.rawValue == 0x0000_0007_0002_0001)
    #expect(word.operation == .create && word.vmpl == .vmpl2 && word.apicID == 7)
    #expect(APCreation(rawValue: 9).operation == nil)
  }

  @Test func injectionWords() {
    // Reference B.6.1, B.5.3.
    #expect(EventInjection.hypervisorInjection.rawValue == 0x8000_031C)
    #expect(EventInjection(.exception, vector: 29, errorCode: 0x404).rawValue == 0x0404_8000_0B1D)
    #expect(EventInjection(rawValue: 0x0404_8000_0B1D).errorCode == 0x404)
    var word = DoorbellWord(rawValue: 0)
    word.vector = 0x31
    word.isNoFurtherSignal = true
    #expect(word.rawValue == 0x8031)
  }

  @Test func guestMessageHeaderRoundTrips() throws {
    // Reference B.11.
    let header = GuestMessageHeader(
      sequence: 0x0102_0304, kind: .reportRequest, payloadByteCount: 0x60, vmpck: 2)
    var bytes = [UInt8](repeating: 0xEE, count: 0x60)
    var span = bytes.mutableSpan
    try header.encode(into: &span)
    #expect(bytes[0x20] == 4 && bytes[0x23] == 1 && bytes[0x30] == 1 && bytes[0x31] == 1)
    #expect(bytes[0x32] == 0x60 && bytes[0x34] == 5 && bytes[0x36] == 0x60 && bytes[0x3C] == 2)
    #expect(try GuestMessageHeader(bytes.span) == header)
    bytes[0x5F] = 1
    #expect(try !GuestMessageHeader(bytes.span).hasCleanReserved)
    #expect(throws: ByteError.outOfBounds) { try GuestMessageHeader(Array(bytes.dropLast()).span) }
  }

  @Test func cpuidEntryRoundTrips() throws {
    // Reference B.8.
    let entry = CPUIDEntry(leaf: 0xD, subleaf: 1, xcr0: 3, xss: 0, (1, 2, 3, 4))
    var bytes = [UInt8](repeating: 0xEE, count: 48)
    var span = bytes.mutableSpan
    try entry.encode(into: &span)
    #expect(bytes[0x18] == 1 && bytes[0x1C] == 2 && bytes[0x24] == 4 && bytes[0x28] == 0)
    #expect(try CPUIDEntry(bytes.span) == entry)
  }

  @Test func automaticExitsAreThoseOfTheTable() {
    // Reference B.3.
    for code: UInt64 in [0x52, 0x60, 0x61, 0x64, 0x77, 0x78, 0x7F, 0x8F, 0x9F, 0x403, .max] {
      #expect(SVMExitCode(rawValue: code).isAutomatic())
    }
    for code: UInt64 in [0x72, 0x7B, 0x7C, 0x81, 0x404] {
      #expect(!SVMExitCode(rawValue: code).isAutomatic())
    }
    #expect(SVMExitCode.nestedPageFault.isAutomatic())
    #expect(!SVMExitCode.nestedPageFault.isAutomatic(nestedFault: .reserved))
  }

  @Test func reportAndSecretsOffsets() {
    // Reference B.11, A.2.1.
    #expect(AttestationReport.byteCount == 1184 && AttestationReport.signature == 0x2A0)
    #expect(AttestationReport.measurement == 0x90 && AttestationReport.reportData == 0x50)
    #expect(SecretsPage.svsmBase == 0x140 && SecretsPage.svsmGuestVMPL == 0x15C)
    #expect(SecretsPage.vmpck + 3 * SecretsPage.vmpckByteCount == 0x80)
  }
}
