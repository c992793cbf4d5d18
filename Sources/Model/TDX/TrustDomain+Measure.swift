// TrustDomain+Measure: RTMR.EXTEND, REPORT and VERIFYREPORT.

import Crypto
import TDX

extension TrustDomain {
  /// TDG.MR.RTMR.EXTEND: RTMR[i] becomes SHA-384 of itself and 48 bytes.
  ///
  /// Rule: tdx.md A.4 leaf 2. Order: alignment, address and walk, index, lock.
  mutating func rtmrExtend<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: GeneralRegisters, _ memory: inout Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    let address = registers.rcx
    guard address & 63 == 0, configuration.isValidPrivate(address) else {
      return .operandInvalid.with(.rcx)
    }
    let page = try operandPage(context.vcpu, address, .read)
    guard registers.rdx < 4 else { return .operandInvalid.with(.rdx) }
    if isRTMRLockedByHost { return .operandBusy.with(.rtmr) }
    var data = InlineArray<48, UInt8>(repeating: 0)
    let offset = Int(address & 0xFFF)
    for word in 0..<6 {
      let value = memory.load(page, offset + 8 * word)
      for byte in 0..<8 { data[8 * word + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
    measurements.extendRTMR(Int(registers.rdx), data.span)
    return .success
  }

  /// TDG.MR.REPORT: writes a TDREPORT over the caller's 64 bytes.
  ///
  /// Rule: tdx.md A.4 leaf 4. Order: RCX alignment, RDX alignment, RDX address and walk, R8, lock,
  /// interruption, MAC, RCX address and walk. Private or shared addresses (1.5.01).
  mutating func mrReport<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: GeneralRegisters, _ memory: inout Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    let output = registers.rcx
    let input = registers.rdx
    guard output & (TDReport.alignment &- 1) == 0 else { return .operandInvalid.with(.rcx) }
    guard input & (TDReport.dataAlignment &- 1) == 0, configuration.isValid(input) else {
      return .operandInvalid.with(.rdx)
    }
    let inputPage = try operandPage(context.vcpu, input, .read)
    guard registers.r8 == 0 else { return .operandInvalid.with(.r8) }
    if isRTMRLockedByHost { return .operandBusy.with(.rtmr) }
    if context.isInterruptPending { throw .interrupted }
    guard configuration.isValid(output) else { return .operandInvalid.with(.rcx) }
    let outputPage = try operandPage(context.vcpu, output, .write)

    var data = InlineArray<64, UInt8>(repeating: 0)
    for word in 0..<8 {
      let value = memory.load(inputPage, Int(input & 0xFFF) + 8 * word)
      for byte in 0..<8 { data[8 * word + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
    let report = makeReport(data)
    for word in 0..<128 {
      var value: UInt64 = 0
      for byte in 0..<8 { value |= UInt64(report[8 * word + byte]) << UInt64(8 * byte) }
      memory.store(outputPage, Int(output & 0xFFF) + 8 * word, value)
    }
    return .success
  }

  /// A TDREPORT of this TD over `data`, with the model's MAC.
  ///
  /// Rule: tdx.md D.7. The MAC is SHA-256 over the model's key and bytes 0 to 223: a mark, not a
  /// platform's secret.
  func makeReport(_ data: InlineArray<64, UInt8>) -> [UInt8] {
    var report = [UInt8](repeating: 0, count: TDReport.byteCount)
    func put(_ bytes: borrowing Span<UInt8>, _ offset: Int) {
      for index in bytes.indices where offset + index < report.count {
        report[offset + index] = bytes[index]
      }
    }
    func put(_ value: UInt64, _ offset: Int) {
      for byte in 0..<8 { report[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
    report[TDReport.typeOffset] = TDReport.type
    put(data.span, TDReport.reportDataOffset)
    put(1, TDReport.teeTCBInfoOffset)
    put(configuration.attributes.rawValue, TDReport.tcbAttributesOffset)
    put(configuration.attributes.rawValue, TDReport.attributesOffset)
    put(configuration.xfam, TDReport.xfamOffset)
    if let mrtd = measurements.mrtd { put(mrtd.span, TDReport.mrtdOffset) }
    for index in 0..<4 { put(measurements.rtmr(index).span, TDReport.rtmrOffset + 48 * index) }
    let teeTCB = SHA384.hash(
      report.span.extracting(
        TDReport.teeTCBInfoOffset..<(TDReport.teeTCBInfoOffset + TDReport.teeTCBInfoByteCount)))
    let tdInfo = SHA384.hash(
      report.span.extracting(TDReport.tdInfoOffset..<(TDReport.tdInfoOffset + TDReport.tdInfoByteCount)))
    put(teeTCB.span, TDReport.teeTCBInfoHashOffset)
    put(tdInfo.span, TDReport.teeInfoHashOffset)
    let mac = self.mac(report.span)
    put(mac.span, TDReport.macOffset)
    return report
  }

  /// The model's MAC over bytes 0 to 223 of a REPORTMACSTRUCT.
  private func mac(_ report: borrowing Span<UInt8>) -> InlineArray<32, UInt8> {
    var hash = SHA256()
    var key = InlineArray<8, UInt8>(repeating: 0)
    for byte in 0..<8 {
      key[byte] = UInt8(truncatingIfNeeded: configuration.macKey >> UInt64(8 * byte))
    }
    hash.update(key.span)
    hash.update(report.extracting(0..<TDReport.macOffset))
    return hash.finalize()
  }

  /// TDG.MR.VERIFYREPORT: checks a REPORTMACSTRUCT made on this platform.
  ///
  /// Rule: tdx.md A.4 leaf 22; CPUSVN of this platform is zero.
  mutating func verifyReport<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: GeneralRegisters, _ memory: inout Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    let address = registers.rcx
    guard address & 255 == 0, configuration.isValidPrivate(address) else {
      return .operandInvalid.with(.rcx)
    }
    let page = try operandPage(context.vcpu, address, .read)
    var bytes = InlineArray<256, UInt8>(repeating: 0)
    for word in 0..<32 {
      let value = memory.load(page, Int(address & 0xFFF) + 8 * word)
      for byte in 0..<8 { bytes[8 * word + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
    for index in 0..<16 where bytes[TDReport.cpuSVNOffset + index] != 0 { return .invalidCPUSVN }
    let expected = mac(bytes.span)
    var difference: UInt8 = 0
    for index in 0..<32 { difference |= expected[index] ^ bytes[TDReport.macOffset + index] }
    return difference == 0 && bytes[0] == TDReport.type ? .success : .invalidReportMACStruct
  }
}
