// SNPFirmware+Messages: guest messages, reports and derived keys.

import Bits
import Crypto
import SNP

extension SNPFirmware {
  /// Serves one guest message: `request` is the page as the guest wrote it, the answer has one page.
  ///
  /// Rule: reference B.11, D.126: header well-formed, sequence number exactly one above the counter, tag
  /// right (otherwise INVALID_PARAM, INVALID_PARAM, BAD_MEASUREMENT: the codes for the last two are not
  /// documented). The counter advances by 2 with the answer and not at all on an error. The message
  /// itself is answered inside with its own status.
  public mutating func message(
    _ request: [UInt8]
  ) -> (status: FirmwareStatus, response: [UInt8]) {
    guard state == .finished, let header = try? GuestMessageHeader(request.span),
      header.algorithm == GuestMessageHeader.algorithmAES256GCM, header.headerVersion == 1,
      header.headerByteCount == UInt16(GuestMessageHeader.byteCount), header.hasCleanReserved,
      header.vmpck < 4
    else { return (.invalidParameter, []) }
    let size = Int(header.payloadByteCount)
    let start = GuestMessageHeader.byteCount
    guard size <= 4096 - start, request.count >= start + size else { return (.invalidParameter, []) }
    let counter = counters[Int(header.vmpck)]
    guard counter < UInt64.max - 2 else { return (.aeadOverflow, []) }
    guard header.sequence == counter + 1 else { return (.invalidParameter, []) }
    guard let key = cipher(header.vmpck) else { return (.invalidKey, []) }

    var payload = Array(request[start..<(start + size)])
    var tag = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<16 { tag[index] = request[index] }
    let additional = Array(request[GuestMessageHeader.additionalDataOffset..<start])
    do throws(AuthenticationError) {
      var span = payload.mutableSpan
      try key.open(nonce: Self.nonce(header.sequence), additional: additional.span, &span, tag: tag)
    } catch {
      return (.badMeasurement, [])
    }
    guard let answer = answer(header, payload) else { return (.unsupported, []) }
    counters[Int(header.vmpck)] = counter + 2
    return (.success, seal(answer, header, key))
  }

  private func cipher(_ number: UInt8) -> AESGCM? {
    var key = InlineArray<32, UInt8>(repeating: 0)
    for index in 0..<32 { key[index] = vmpcks[Int(number) * 32 + index] }
    defer { Wipe.bytes(&key) }
    return AESGCM(key: key.span)
  }

  private static func nonce(_ sequence: UInt64) -> InlineArray<12, UInt8> {
    var nonce = InlineArray<12, UInt8>(repeating: 0)
    for byte in 0..<8 { nonce[byte] = UInt8(truncatingIfNeeded: sequence >> UInt64(8 * byte)) }
    return nonce
  }

  /// The response page: header, tag, encrypted payload; sequence number one above the request's.
  private func seal(
    _ payload: [UInt8], _ request: GuestMessageHeader, _ key: AESGCM
  ) -> [UInt8] {
    let header = GuestMessageHeader(
      sequence: request.sequence + 1, kind: request.kind.response,
      payloadByteCount: UInt16(truncatingIfNeeded: payload.count), vmpck: request.vmpck)
    let start = GuestMessageHeader.byteCount
    var page = [UInt8](repeating: 0, count: start)
    do throws(ByteError) {
      var span = page.mutableSpan
      try header.encode(into: &span)
    } catch {
      return []
    }
    let additional = Array(page[GuestMessageHeader.additionalDataOffset..<start])
    var body = payload
    var span = body.mutableSpan
    let tag = key.seal(nonce: Self.nonce(header.sequence), additional: additional.span, &span)
    for index in 0..<16 { page[index] = tag[index] }
    return page + body
  }

  private mutating func answer(_ header: GuestMessageHeader, _ payload: [UInt8]) -> [UInt8]? {
    switch header.kind {
    case .reportRequest: reportResponse(header, payload)
    case .keyRequest: keyResponse(header, payload)
    default: nil
    }
  }

  private static func word32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    var value: UInt32 = 0
    for index in 0..<4 where offset + index < bytes.count {
      value |= UInt32(bytes[offset + index]) << UInt32(8 * index)
    }
    return value
  }

  private static func put(_ value: UInt64, _ count: Int, _ offset: Int, _ bytes: inout [UInt8]) {
    for index in 0..<count where offset + index < bytes.count {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }

  /// MSG_REPORT_REQ.
  ///
  /// Rule: reference B.11: 0x60 bytes, a level between that of the VMPCK and 3, key selection 0 to 2,
  /// reserved bytes 0; otherwise status 0x16. VLEK (2) is not loaded: status 0x27.
  private func reportResponse(_ header: GuestMessageHeader, _ payload: [UInt8]) -> [UInt8] {
    var response = [UInt8](
      repeating: 0, count: AttestationReport.responseOffset + AttestationReport.byteCount)
    guard payload.count == AttestationReport.requestByteCount else {
      Self.put(UInt64(FirmwareStatus.invalidParameter.rawValue), 4, 0, &response)
      return response
    }
    let vmpl = Self.word32(payload, 0x40)
    let selection = Self.word32(payload, 0x44)
    var reserved: UInt8 = 0
    for index in 0x48..<0x60 { reserved |= payload[index] }
    guard vmpl >= UInt32(header.vmpck), vmpl <= 3, selection <= 2, reserved == 0 else {
      Self.put(UInt64(FirmwareStatus.invalidParameter.rawValue), 4, 0, &response)
      return response
    }
    guard selection != 2 else {
      Self.put(UInt64(FirmwareStatus.invalidKey.rawValue), 4, 0, &response)
      return response
    }
    guard let report = report(Array(payload[0..<64]), vmpl: vmpl) else {
      Self.put(UInt64(FirmwareStatus.invalidKey.rawValue), 4, 0, &response)
      return response
    }
    Self.put(UInt64(AttestationReport.byteCount), 4, 4, &response)
    for index in report.indices { response[AttestationReport.responseOffset + index] = report[index] }
    return response
  }

  /// A signed attestation report over 64 bytes of `data` (reference B.11); nil if the key fails.
  func report(_ data: [UInt8], vmpl: UInt32) -> [UInt8]? {
    var report = [UInt8](repeating: 0, count: AttestationReport.byteCount)
    Self.put(2, 4, AttestationReport.version, &report)
    Self.put(policy, 8, AttestationReport.policy, &report)
    Self.put(UInt64(vmpl), 4, AttestationReport.vmpl, &report)
    Self.put(1, 4, AttestationReport.signatureAlgorithm, &report)
    for index in 0..<min(64, data.count) { report[AttestationReport.reportData + index] = data[index] }
    for index in 0..<48 { report[AttestationReport.measurement + index] = launchDigest[index] }
    for index in 0..<32 { report[AttestationReport.hostData + index] = hostData[index] }
    for index in 0..<32 { report[AttestationReport.reportID + index] = chipID[index] ^ 0x5A }
    for index in 0..<32 { report[AttestationReport.reportIDMigrationAgent + index] = 0xFF }
    for index in 0..<64 { report[AttestationReport.chipID + index] = chipID[index] }
    let digest = SHA384.hash(report.span.extracting(0..<AttestationReport.signature))
    guard
      var signer = ECDSASigner(
        .p384, .sha384, key: signingKey.span, digest: digest.span, extra: [UInt8]().span),
      let signature = signer.finish()
    else { return nil }
    for index in 0..<48 {
      // The report's numbers are little-endian, the signature's big-endian.
      report[AttestationReport.signature + index] = signature.r[47 - index]
      report[AttestationReport.signature + AttestationReport.signatureComponentByteCount + index] =
        signature.s[47 - index]
    }
    return report
  }

  /// MSG_KEY_REQ: a key that depends on the fields that the guest selects.
  ///
  /// Rule: reference B.11: 0x20 bytes, VMRK (root 1) not there: 0x27; a level above that of the VMPCK or
  /// beyond 3, or unknown fields: 0x16. How hardware mixes the fields is secret; here it is HMAC-SHA-384.
  private func keyResponse(_ header: GuestMessageHeader, _ payload: [UInt8]) -> [UInt8] {
    var response = [UInt8](repeating: 0, count: 64)
    let vmpl = Self.word32(payload, 0x10)
    guard payload.count == 0x20, Self.word32(payload, 4) == 0, Self.word32(payload, 0) <= 1,
      vmpl >= UInt32(header.vmpck), vmpl <= 3, Self.word32(payload, 0x0C) == 0,
      Self.word32(payload, 8) >> 6 == 0
    else {
      Self.put(UInt64(FirmwareStatus.invalidParameter.rawValue), 4, 0, &response)
      return response
    }
    guard Self.word32(payload, 0) == 0 else {
      Self.put(UInt64(FirmwareStatus.invalidKey.rawValue), 4, 0, &response)
      return response
    }
    let fields = Self.word32(payload, 8)
    var input = payload
    if fields & 1 != 0 {
      for byte in 0..<8 { input.append(UInt8(truncatingIfNeeded: policy >> UInt64(8 * byte))) }
    }
    if fields & 8 != 0 { for index in 0..<48 { input.append(launchDigest[index]) } }
    let key = HMAC.code(.sha384, key: derivationRoot.span, input.span)
    for index in 0..<32 { response[32 + index] = key[index] }
    return response
  }
}
