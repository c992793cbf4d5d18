// Negotiation: what is settled with the host and the firmware before anything else; failures end the VM.
import SNP
import Seams
import X86

/// The first questions.
enum Negotiation {
  /// The GHCB protocol version that this kernel speaks.
  static var version: UInt16 { 2 }

  /// The versions of the host's protocol, and its C-bit (reference B.4, code 0x002).
  static func versions(
    _ ghcb: GHCB<some SNPHardware>
  ) throws(TerminationReason) -> (minimum: UInt16, maximum: UInt16, cBit: UInt8) {
    let answer = ghcb.message(GHCBMSR(.infoRequest))
    guard answer.code == .info else { throw .protocolVersion }
    let maximum = UInt16(truncatingIfNeeded: answer.rawValue >> 48)
    let minimum = UInt16(truncatingIfNeeded: answer.rawValue >> 32)
    guard minimum <= version, version <= maximum else { throw .protocolVersion }
    return (minimum, maximum, UInt8(truncatingIfNeeded: answer.rawValue >> 24))
  }

  /// The host's features (code 0x080): SNP and #HV are needed by every kernel of ours.
  static func features(_ ghcb: GHCB<some SNPHardware>) throws(TerminationReason) -> HypervisorFeatures {
    let answer = ghcb.message(GHCBMSR(.featuresRequest))
    let features = HypervisorFeatures(rawValue: answer.operand)
    guard answer.code == .featuresResponse, features.isSuperset(of: [.snp, .restrictedInjection]) else {
      throw .features
    }
    return features
  }

  /// Only VMPL0 may change VMPL1's rights (reference B.1.2): those on `page`, which stay none.
  static func checkLevel(_ hardware: some SNPHardware, page: PhysicalAddress) throws(TerminationReason) {
    let operand = RMPAdjustOperand(target: .vmpl1, permissions: .none)
    guard hardware.rmpadjust(page, .size4K, operand) == .success else { throw .notVMPL0 }
  }

  /// A page that the firmware wrote has a version, and zeros where only an SVSM writes (reference A.2.1, B.7).
  static func checkSecrets(_ memory: some PhysicalMemory, _ page: PhysicalAddress) throws(TerminationReason) {
    let version = memory.load(UInt32.self, at: page.advanced(by: UInt64(SecretsPage.version)))
    var isUntouched = true
    for offset in stride(from: SecretsPage.svsmBase, to: SecretsPage.tscFactor, by: 8) {
      if memory.load(UInt64.self, at: page.advanced(by: UInt64(offset))) != 0 { isUntouched = false }
    }
    guard version != 0, version != .max, isUntouched else { throw .secrets }
  }
}
