// SNPFirmwareConformanceTests: snp-svsm.md D.93, D.94, D.126 to D.128.

import Crypto
import Measurement
import Model
import SNP
import Testing

@Suite struct SNPFirmwareConformanceTests {
  @Test func d127_launchDigestOfAllSixPageTypesEqualsTheTools() {
    let machine = SNPTestMachine(finish: false)
    var expected = SNPLaunchDigest()
    let kinds: [LaunchPageKind] = [.normal, .zero, .unmeasured, .secrets, .cpuid, .vmsa]
    for (index, kind) in kinds.enumerated() {
      let page = SystemPage(rawValue: UInt64(index))
      for word in 0..<512 { machine.memory.store(page, 8 * word, UInt64(word * 7 + index)) }
      if kind == .cpuid {
        machine.memory.store(page, 0, 3)
        machine.memory.store(page, 8, 0)
      }
      var bytes: [UInt8] = []
      for word in 0..<512 {
        for byte in 0..<8 {
          bytes.append(UInt8(truncatingIfNeeded: machine.memory.load(page, 8 * word) >> UInt64(8 * byte)))
        }
      }
      #expect(machine.launch(UInt64(index), kind) == .success)
      let contents = kind.measuresContents ? Digest384(SHA384.hash(bytes.span)) : .zero
      expected.add(kind, contents: contents, gpa: UInt64(index) << 12)
    }
    #expect(Digest384(machine.machine.firmware.launchDigest) == expected.value)
    #expect(machine.entry(5)?.isVMSA == true && machine.entry(0)?.isVMSA == false)
    #expect(machine.memory.load(SystemPage(rawValue: 1), 80) == 0, "ZERO is cleared")
    // A page that the host has not made immutable, or not assigned, is refused.
    machine.assign(20)
    let firmware = machine.machine.firmware
    #expect(machine.relaunch(20, .normal) == .invalidPageState)
    #expect(machine.relaunch(70, .normal) == .invalidPageOwner)
    #expect(machine.launch(21, LaunchPageKind(rawValue: 7)) == .invalidParameter)
    #expect(
      Digest384(machine.machine.firmware.launchDigest) == Digest384(firmware.launchDigest))
    var wrong = machine.machine.firmware.launchDigest
    wrong[0] ^= 1
    #expect(
      machine.machine.finishLaunch(expected: wrong, hostData: InlineArray(repeating: 0)) == .badMeasurement)
  }

  @Test func d126_d93_d94_messages() throws {
    let machine = SNPTestMachine(finish: false)
    _ = machine.launch(3, .secrets)
    machine.launch(40, .normal)
    _ = machine.machine.finishLaunch(hostData: InlineArray(repeating: 9))
    machine.machine.offerVMSA(GuestPage(rawValue: 40), vcpu: 0, vmpl: .vmpl0)
    machine.register(SNPTestMachine.ghcb)
    // The guest finds its keys in the secrets page; no two are the same.
    let keys = (0..<4).map { machine.secret(3, $0) }
    #expect(Set(keys).count == 4 && !keys.contains([UInt8](repeating: 0, count: 32)))

    let payload = [UInt8](repeating: 0xD7, count: 64) + [UInt8](repeating: 0, count: 32)
    func send(
      _ sequence: UInt64, _ key: [UInt8], vmpck: UInt8 = 0, corrupt: Int? = nil,
      _ body: [UInt8] = [], _ kind: GuestMessageKind = .reportRequest
    ) throws -> (UInt64, [UInt8]?) {
      var page = try Self.seal(sequence, key, vmpck, kind, body.isEmpty ? payload : body)
      if let corrupt { page[corrupt] ^= 1 }
      machine.put(72, page)
      machine.put(73, [UInt8](repeating: 0, count: 4096))
      let answer = machine.nae(0x8000_0011, info1: 72 << 12, info2: 73 << 12)
      guard answer.info1 == 0, answer.info2 == 0 else { return (answer.info2, nil) }
      return (0, try Self.open(sequence + 1, key, machine.get(73)))
    }
    // Wrong sequence numbers, tag and key are errors that leave the counter alone.
    #expect(try send(0, keys[0]).0 == 0x16)
    #expect(try send(2, keys[0]).0 == 0x16)
    #expect(try send(1, keys[1]).0 == 0x0B)
    #expect(try send(1, keys[0], corrupt: 5).0 == 0x0B)
    #expect(try send(1, keys[0], corrupt: 0x50).0 == 0x16, "a reserved byte")
    #expect(try send(1, keys[0], corrupt: 0x60).0 == 0x0B)
    // The right one is answered with number and type plus one; replayed, it is not.
    let (status, found) = try send(1, keys[0])
    let response = try #require(found)
    #expect(status == 0)
    #expect(machine.get(73)[0x34] == 6 && machine.get(73)[0x20] == 2)
    #expect(try send(1, keys[0]).0 == 0x16)

    // D.128: the report's fields, and a signature that any flipped bit breaks.
    let report = Array(response[0x20..<(0x20 + 0x4A0)])
    #expect(Array(report[0x50..<0x90]) == [UInt8](repeating: 0xD7, count: 64))
    #expect(report[0x30] == 0 && report[0xC0] == 9 && report[0x34] == 1)
    for index in 0..<48 { #expect(report[0x90 + index] == machine.machine.firmware.launchDigest[index]) }
    #expect(Self.verifies(report, machine.machine.firmware))
    for index in [0, 0x30, 0x50, 0x90, 0x140, 0x1A0, 0x29F] {
      var changed = report
      changed[index] ^= 0x10
      #expect(!Self.verifies(changed, machine.machine.firmware), "byte \(index)")
    }

    // A level above that of the key is refused inside the answer.
    let low = [UInt8](repeating: 0, count: 0x60)
    let refused = try #require(try send(1, keys[2], vmpck: 2, low).1)
    #expect(refused[0] == 0x16)
    // Derived keys depend on the selected fields.
    var keyRequest = [UInt8](repeating: 0, count: 0x20)
    let first = try #require(try send(3, keys[0], keyRequest, .keyRequest).1)
    keyRequest[8] = 8
    let second = try #require(try send(5, keys[0], keyRequest, .keyRequest).1)
    #expect(first[0] == 0 && first[32..<64] != second[32..<64])
  }

  @Test func d126_requestPagesAndTheHostsOwnErrors() throws {
    let machine = SNPTestMachine()
    func code(_ event: UInt64, _ request: UInt64, _ response: UInt64, pages: UInt64 = 1) -> [UInt64] {
      let answer = machine.nae(event, info1: request, info2: response, rax: 74 << 12, rbx: pages)
      return [answer.info1, answer.info2]
    }
    #expect(code(0x8000_0011, 72 << 12, 72 << 12) == [2, 4])
    #expect(code(0x8000_0011, 72 << 12 | 8, 73 << 12) == [2, 4])
    #expect(code(0x8000_0011, 1 << 12, 73 << 12) == [2, 5], "a private page")
    machine.machine.setCertificates([UInt8](repeating: 0xAB, count: 3 * 4096))
    #expect(code(0x8000_0012, 72 << 12, 73 << 12) == [0, 1 << 32])
    #expect(machine.memory.load(SystemPage(rawValue: SNPTestMachine.ghcb), GHCBPage.rbx) == 3)
    machine.machine.throttleNextMessage()
    #expect(code(0x8000_0011, 72 << 12, 73 << 12) == [0, 2 << 32])
    #expect(code(0x8000_0012, 72 << 12, 73 << 12, pages: 3) == [0, 0x16], "an empty message")
    #expect(machine.memory.load(SystemPage(rawValue: 76), 4088) == 0xABAB_ABAB_ABAB_ABAB)
  }

  // The guest's side of a message.

  private static func nonce(_ sequence: UInt64) -> InlineArray<12, UInt8> {
    var nonce = InlineArray<12, UInt8>(repeating: 0)
    for byte in 0..<8 { nonce[byte] = UInt8(truncatingIfNeeded: sequence >> UInt64(8 * byte)) }
    return nonce
  }

  private static func seal(
    _ sequence: UInt64, _ key: [UInt8], _ vmpck: UInt8, _ kind: GuestMessageKind, _ payload: [UInt8]
  ) throws -> [UInt8] {
    let header = GuestMessageHeader(
      sequence: sequence, kind: kind, payloadByteCount: UInt16(payload.count), vmpck: vmpck)
    var page = [UInt8](repeating: 0, count: 0x60)
    var span = page.mutableSpan
    try header.encode(into: &span)
    var body = payload
    var bodySpan = body.mutableSpan
    guard let cipher = AESGCM(key: key.span) else { throw FirmwareStatus.invalidKey }
    let tag = cipher.seal(nonce: nonce(sequence), additional: Array(page[0x30..<0x60]).span, &bodySpan)
    for index in 0..<16 { page[index] = tag[index] }
    return page + body
  }

  private static func open(_ sequence: UInt64, _ key: [UInt8], _ page: [UInt8]) throws -> [UInt8] {
    let header = try GuestMessageHeader(page.span)
    var body = Array(page[0x60..<(0x60 + Int(header.payloadByteCount))])
    var tag = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<16 { tag[index] = page[index] }
    var span = body.mutableSpan
    guard let cipher = AESGCM(key: key.span) else { throw FirmwareStatus.invalidKey }
    try cipher.open(nonce: nonce(sequence), additional: Array(page[0x30..<0x60]).span, &span, tag: tag)
    return body
  }

  private static func verifies(_ report: [UInt8], _ firmware: SNPFirmware) -> Bool {
    guard let key = firmware.verificationKey() else { return false }
    func number(_ offset: Int) -> FixedBytes<48> {
      FixedBytes(Array(report[offset..<(offset + 48)].reversed()).span)
    }
    let digest = SHA384.hash(Array(report[0..<0x2A0]).span)
    var job = ECDSAVerifier(
      .p384, key, digest: digest.span, ECDSASignature(r: number(0x2A0), s: number(0x2A0 + 72)))
    return job.finish()
  }
}

extension FirmwareStatus: Error {}

extension SNPTestMachine {
  func put(_ page: UInt64, _ bytes: [UInt8]) {
    for word in 0..<512 {
      var value: UInt64 = 0
      for byte in 0..<8 where 8 * word + byte < bytes.count {
        value |= UInt64(bytes[8 * word + byte]) << UInt64(8 * byte)
      }
      memory.store(SystemPage(rawValue: page), 8 * word, value)
    }
  }

  func get(_ page: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    for word in 0..<512 {
      let value = memory.load(SystemPage(rawValue: page), 8 * word)
      for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))) }
    }
    return bytes
  }

  func secret(_ page: UInt64, _ number: Int) -> [UInt8] {
    Array(get(page)[(0x20 + 32 * number)..<(0x40 + 32 * number)])
  }

  /// LAUNCH_UPDATE without the host's preparation.
  func relaunch(_ page: UInt64, _ kind: LaunchPageKind) -> FirmwareStatus {
    machine.launch(GuestPage(rawValue: page), SystemPage(rawValue: page), kind, &memory)
  }

  func isOpen(_ page: UInt64, _ vmpl: VMPL) -> Bool {
    machine.memory.revocations.isOpen(GuestPage(rawValue: page), vmpl)
  }
}
