// SNPFirmware: the secure processor of the model, its keys and one guest's launch.

import Crypto
import SNP

/// The secure processor as one guest sees it: launch digest, VMPCKs, message counters, signing key.
///
/// All keys come from one seed, so runs repeat; nothing here protects a real secret.
///
/// State of a launch: 1. idle -> started: `start`; 2. started -> started: `update`; 3. started ->
/// finished: `finish`. Guest messages are served only when finished.
public struct SNPFirmware: Sendable {
  /// How far the launch is.
  public enum State: Equatable, Sendable {
    /// No guest.
    case idle
    /// Pages are being added.
    case started
    /// The guest may run.
    case finished
  }

  /// How far the launch is.
  public private(set) var state = State.idle
  /// The launch digest so far, 48 bytes.
  public private(set) var launchDigest = MeasurementRegister(repeating: 0)
  /// The guest policy.
  public private(set) var policy: UInt64 = 0
  /// What the host passed at the end of the launch, 32 bytes.
  public private(set) var hostData = InlineArray<32, UInt8>(repeating: 0)
  /// The last sequence number that each VMPCK's counter has used.
  var counters = InlineArray<4, UInt64>(repeating: 0)
  /// VMPCK0 to 3, 32 bytes each.
  var vmpcks = InlineArray<128, UInt8>(repeating: 0)
  /// The signing key, a P-384 scalar.
  var signingKey: FixedBytes<48>
  /// The root of derived keys.
  var derivationRoot = InlineArray<48, UInt8>(repeating: 0)
  /// The chip identifier, 64 bytes.
  public private(set) var chipID = InlineArray<64, UInt8>(repeating: 0)
  /// The certificate table that an extended request answers; 24 zero bytes end it.
  public var certificates = [UInt8](repeating: 0, count: 24)
  /// The number of pages that the table fills, for requests with too small a buffer.
  public var certificatePageCount: Int { (certificates.count + 4095) / 4096 }
  /// Whether the host answers BUSY to the next message.
  public var isBusy = false

  /// The first words of VMPCK0 to 3, little-endian: what no host may ever read.
  public var messageKeyWords: InlineArray<4, UInt64> {
    var words = InlineArray<4, UInt64>(repeating: 0)
    for key in 0..<4 {
      for byte in 0..<8 { words[key] |= UInt64(vmpcks[32 * key + byte]) << UInt64(8 * byte) }
    }
    return words
  }

  /// Firmware whose keys are derived from `seed`.
  public init(seed: UInt64) {
    var root = InlineArray<8, UInt8>(repeating: 0)
    for byte in 0..<8 { root[byte] = UInt8(truncatingIfNeeded: seed >> UInt64(8 * byte)) }
    let source = root
    func derive(_ label: UInt8) -> Digest {
      let labels = InlineArray<1, UInt8>(repeating: label)
      return HMAC.code(.sha512, key: source.span, labels.span)
    }
    signingKey = EllipticCurve.p384.scalar(random: derive(0).span)
    let derivation = derive(1)
    for index in 0..<48 { derivationRoot[index] = derivation[index] }
    let chip = derive(2)
    for index in 0..<64 { chipID[index] = chip[index] }
    for half in 0..<2 {
      let keys = derive(UInt8(3 + half))
      for index in 0..<64 { vmpcks[half * 64 + index] = keys[index] }
    }
  }

  /// SNP_LAUNCH_START.
  ///
  /// Rule: reference B.10: bit 17 of the policy must be 1; otherwise POLICY_FAILURE.
  public mutating func start(policy: UInt64) -> FirmwareStatus {
    guard state == .idle else { return .invalidParameter }
    guard policy >> 17 & 1 == 1 else { return .policyFailure }
    self.policy = policy
    state = .started
    return .success
  }

  /// SNP_LAUNCH_UPDATE of one 4 KiB page, which the host has assigned and made immutable.
  ///
  /// Rule: reference B.10: the page becomes validated (a VMSA for that type) with the permissions given;
  /// ZERO and SECRETS are filled by the firmware; the digest is chained for every type. `page` is the
  /// address that the host claims, which must be the RMP's.
  public mutating func update<Memory: PageMemory & ~Copyable>(
    _ page: GuestPage, _ system: SystemPage, _ kind: LaunchPageKind,
    permissions: (RMPPermissions, RMPPermissions, RMPPermissions) = (.none, .none, .none),
    _ memory: inout SNPMemory, _ bytes: inout Memory
  ) -> FirmwareStatus {
    guard state == .started else { return .invalidParameter }
    guard (1...6).contains(kind.rawValue) else { return .invalidParameter }
    if kind == .cpuid, !isWellFormedCPUID(system, bytes) { return .invalidParameter }
    guard let entry = memory.rmp.read(system) else { return .invalidAddress }
    guard entry.isAssigned, entry.asid == memory.asid else { return .invalidPageOwner }
    guard entry.guestPage == page, entry.isImmutable,
      memory.rmp.firmwareLaunch(
        system, asid: memory.asid, isVMSA: kind == .vmsa, permissions: permissions)
    else { return .invalidPageState }
    if kind == .zero { bytes.zero(system) }
    if kind == .secrets { writeSecrets(system, &bytes) }
    chain(page, system, kind, permissions, bytes)
    return .success
  }

  /// Count 1 to 64 and clean reserved fields; the values themselves are not judged by this model.
  private func isWellFormedCPUID<Memory: PageMemory & ~Copyable>(
    _ page: SystemPage, _ bytes: borrowing Memory
  ) -> Bool {
    let header = bytes.load(page, 0)
    return header > 0 && header <= UInt64(CPUIDPage.maximumCount) && bytes.load(page, 8) == 0
  }

  /// LD becomes SHA-384 of PAGE_INFO (reference B.10).
  private mutating func chain<Memory: PageMemory & ~Copyable>(
    _ page: GuestPage, _ system: SystemPage, _ kind: LaunchPageKind,
    _ permissions: (RMPPermissions, RMPPermissions, RMPPermissions), _ bytes: borrowing Memory
  ) {
    var info = InlineArray<0x70, UInt8>(repeating: 0)
    for index in 0..<48 { info[index] = launchDigest[index] }
    if kind.measuresContents {
      var hash = SHA384()
      hash.update(system, from: 0, blocks: 32, bytes)
      let contents = hash.finalize()
      for index in 0..<48 { info[0x30 + index] = contents[index] }
    }
    info[0x60] = 0x70
    info[0x62] = kind.rawValue
    info[0x65] = permissions.0.rawValue
    info[0x66] = permissions.1.rawValue
    info[0x67] = permissions.2.rawValue
    for byte in 0..<8 {
      info[0x68 + byte] = UInt8(truncatingIfNeeded: page.address >> UInt64(8 * byte))
    }
    launchDigest = SHA384.hash(info.span)
  }

  private func writeSecrets<Memory: PageMemory & ~Copyable>(
    _ page: SystemPage, _ bytes: inout Memory
  ) {
    bytes.zero(page)
    bytes.store(page, SecretsPage.version, 3)
    for index in 0..<128 { bytes.storeByte(page, SecretsPage.vmpck + index, vmpcks[index]) }
  }

  /// SNP_LAUNCH_FINISH.
  ///
  /// Rule: reference B.10: BAD_MEASUREMENT if an ID block expects another digest. ID-block signatures
  /// are not checked by this model (README.md).
  public mutating func finish(
    expected: MeasurementRegister? = nil, hostData: InlineArray<32, UInt8>
  ) -> FirmwareStatus {
    guard state == .started else { return .invalidParameter }
    if let expected {
      for index in 0..<48 where expected[index] != launchDigest[index] { return .badMeasurement }
    }
    self.hostData = hostData
    state = .finished
    return .success
  }

  /// The public key that verifies reports.
  public func verificationKey() -> ECPoint? {
    guard var job = ECMultiplier(.p384, scalar: signingKey.span) else { return nil }
    return job.finish()
  }
}
