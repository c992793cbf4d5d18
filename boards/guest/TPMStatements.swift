// TPMStatements: the vTPM protocol as a guest sees it.
import GuestPort
import SVSMProtocol
import Seams

/// Statements D.95 to D.103.
struct TPMStatements {
  let port: Port
  let report: Report

  private var buffer: UInt64 { Layout.list(0) }

  /// Puts a command there: two bytes of tag, length, four of code, and parameters, big-endian as TPM 2.0 wants them.
  private func send(_ command: [UInt8], platform: UInt32 = 8, locality: UInt8 = 0, length: UInt32? = nil)
    -> ResultCode
  {
    var bytes: [UInt8] = []
    for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: platform >> shift)) }
    bytes.append(locality)
    let count = length ?? UInt32(command.count)
    for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: count >> shift)) }
    bytes.append(contentsOf: command)
    for index in bytes.indices { guest_store_byte(buffer &+ UInt64(index), bytes[index]) }
    return port.call(.vTPMCommand, rcx: buffer).result
  }

  /// The TPM's response code.
  var code: UInt32 {
    var code: UInt32 = 0
    for offset in 10..<14 as Range<UInt64> { code = code << 8 | UInt32(guest_load_byte(buffer &+ offset)) }
    return code
  }
  private var byteCount: UInt64 { guest_load(buffer) & 0xFFFF_FFFF }

  /// TPM2_Startup(CLEAR).
  func startUp() -> ResultCode { send([0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0]) }

  /// TPM2_GetRandom of 16 bytes, as often as one likes: this guest's heap gives nothing back, and nothing is taken.
  func random() -> ResultCode {
    // What `send` writes for 80 01 00 00 00 0C 00 00 01 7B 00 10.
    guest_store(buffer, 0x0000_0C00_0000_0008)
    guest_store(buffer &+ 8, 0x000C_0000_0001_8000)
    guest_store(buffer &+ 16, 0x0000_0010_007B_0100)
    return port.call(.vTPMCommand, rcx: buffer).result
  }

  /// Whether the TPM has been started: by us, or INITIALIZE if somebody was first.
  var isStarted: Bool { code == 0 || code == 0x100 }

  /// Whether 16 bytes have come.
  var isRandom: Bool { code == 0 && byteCount == 28 }

  /// TPM2_CreatePrimary in the null hierarchy of a key for HMAC with SHA-256, which stays loaded.
  func makeKey() -> ResultCode {
    makePrimary([0, 8, 0, 0x0B, 0, 4, 0, 0x72, 0, 0, 0, 5, 0, 0x0B, 0, 0])
  }

  /// TPM2_CreatePrimary in the null hierarchy by the TPMT_PUBLIC `template`, of less than 200 bytes.
  func makePrimary(_ template: [UInt8]) -> ResultCode {
    let authorization: [UInt8] = [0x40, 0, 0, 7, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]
    let count = UInt8(truncatingIfNeeded: template.count)
    return send(
      [0x80, 2, 0, 0, 0, 41 &+ count, 0, 0, 1, 0x31] + authorization + [0, count] + template + [
        0, 0, 0, 0, 0, 0,
      ])
  }

  /// TPM2_FlushContext of the first object.
  func flushKey() -> ResultCode { send([0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x65, 0x80, 0, 0, 0]) }

  // The next two write what `send` would: this guest's heap has no room for such commands.

  /// TPM2_Hash with SHA-256 of 1,024 bytes, the most that one command takes.
  func hash() -> ResultCode {
    guest_clear(buffer)
    guest_store(buffer, 0x0004_1200_0000_0008)
    guest_store(buffer &+ 8, 0x0012_0400_0001_8000)
    guest_store(buffer &+ 16, 0x0000_0000_047D_0100)
    let end: [UInt8] = [0, 0x0B, 0x40, 0, 0, 7]
    for index in end.indices { guest_store_byte(buffer &+ 1045 &+ UInt64(index), end[index]) }
    return port.call(.vTPMCommand, rcx: buffer).result
  }

  /// The longest command there can be; the TPM refuses what lies behind TPM2_GetRandom's parameter.
  func longest() -> ResultCode {
    guest_clear(buffer)
    guest_store(buffer, 0x000F_F700_0000_0008)
    guest_store(buffer &+ 8, 0x00F7_0F00_0001_8000)
    guest_store(buffer &+ 16, 0x0000_0010_007B_0100)
    return port.call(.vTPMCommand, rcx: buffer).result
  }

  func run(_ tally: inout Tally) {
    let query = port.once(.vTPMQuery, rdx: 9)
    tally.check(
      95, query.result == .success && query.rcx & 0x100 != 0 && query.rdx == 0, "commands can be sent",
      query.result, on: report)
    var result = startUp()
    tally.check(96, result == .success && isStarted, "TPM2_Startup", result, on: report)
    result = random()
    tally.check(96, result == .success && isRandom, "TPM2_GetRandom", result, on: report)
    result = send([0x80, 1, 0, 0, 0, 20, 0, 0, 1, 0x7E, 0, 0, 0, 1, 0, 0x0B, 3, 1, 0, 0])
    tally.check(
      96, result == .success && code == 0 && byteCount == 62, "TPM2_PCR_Read of SHA-256's PCR 0", result,
      on: report)
    result = send([0x80, 1, 0, 0, 0, 10, 0, 0, 0x7F, 0x7F])
    tally.check(97, result == .success && code != 0, "the TPM's own errors are answers", result, on: report)
    result = send([0x80, 1, 0, 0, 0, 13, 0, 0, 1, 0x7B, 0, 16])
    tally.check(
      100, result == .success && code == 0x142, "another length than the header's is TPM_RC_COMMAND_SIZE",
      result, on: report)
    let random: [UInt8] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7B, 0, 16]
    tally.check(98, port.call(.vTPMCommand, rcx: 0).result == .invalidParameter, "no buffer", on: report)
    tally.check(98, send(random, platform: 1) == .invalidParameter, "power on is not offered", on: report)
    tally.check(98, send(random, locality: 1) == .invalidParameter, "locality 1", on: report)
    tally.check(98, send(random, length: 4088) == .invalidParameter, "4088 bytes", on: report)
    result = port.call(.vTPMCommand, rcx: port.header.kernelBase).result
    tally.check(
      101, result == .invalidAddress || result == .invalidParameter, "a buffer in the kernel", result,
      on: report)
    tally.check(103, port.once(CallID(.vTPM, 2)).result == .unsupportedCall, "an unknown call", on: report)
  }
}
