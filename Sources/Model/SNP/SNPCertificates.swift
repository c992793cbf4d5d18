// SNPCertificates: the model's root, intermediate and signing certificates.

import Crypto

/// A chain of three X.509 certificates under which the model's reports verify.
///
/// Hardware has RSA-4096 keys at the root and in the middle; here all three are ECDSA P-384, and the names
/// say "Apus model". The GUIDs of the table are those of the GHCB specification's certificate table.
public struct SNPCertificates: Sendable {
  /// The self-signed root, DER.
  public let root: [UInt8]
  /// The intermediate, signed by the root, DER.
  public let intermediate: [UInt8]
  /// The certificate of the report key, signed by the intermediate, DER.
  public let leaf: [UInt8]
  /// The public key of the root.
  public let rootKey: ECPoint
  /// The public key of the intermediate.
  public let intermediateKey: ECPoint

  /// The chain for the report key `leafKey`; nil if no keys come out of `seed`.
  public init?(seed: UInt64, leafKey: ECPoint) {
    guard let rootPair = Self.keys(seed, 0xA0), let middlePair = Self.keys(seed, 0xA1),
      let root = Self.certificate(1, "ARK", "ARK", rootPair.point, isCA: true, signer: rootPair.scalar),
      let middle = Self.certificate(
        2, "ASK", "ARK", middlePair.point, isCA: true, signer: rootPair.scalar),
      let leaf = Self.certificate(
        3, "VCEK", "ASK", leafKey, isCA: false, signer: middlePair.scalar)
    else { return nil }
    self.root = root
    intermediate = middle
    self.leaf = leaf
    rootKey = rootPair.point
    intermediateKey = middlePair.point
  }

  /// The table that an extended guest request answers: GUID, offset and length of each, then an empty
  /// entry, then the certificates (reference B.11).
  public var table: [UInt8] {
    let entries: [(guid: [UInt8], bytes: [UInt8])] = [
      (Self.vcekGUID, leaf), (Self.askGUID, intermediate), (Self.arkGUID, root),
    ]
    var header: [UInt8] = []
    var body: [UInt8] = []
    let start = 24 * (entries.count + 1)
    for entry in entries {
      header += entry.guid + Self.little(start + body.count) + Self.little(entry.bytes.count)
      body += entry.bytes
    }
    return header + [UInt8](repeating: 0, count: 24) + body
  }

  private static let vcekGUID: [UInt8] = [
    0x63, 0xDA, 0x75, 0x8D, 0xE6, 0x64, 0x45, 0x64, 0xAD, 0xC5, 0xF4, 0xB9, 0x3B, 0xE8, 0xAC, 0xCD,
  ]
  private static let askGUID: [UInt8] = [
    0x4A, 0xB7, 0xB3, 0x79, 0xBB, 0xAC, 0x4F, 0xE4, 0xA0, 0x2F, 0x05, 0xAE, 0xF3, 0x27, 0xC7, 0x82,
  ]
  private static let arkGUID: [UInt8] = [
    0xC0, 0xB4, 0x06, 0xA4, 0xA8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3F, 0xB6, 0x01, 0x4C, 0xD0, 0xAE,
  ]

  private static func little(_ value: Int) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private static func keys(_ seed: UInt64, _ label: UInt8) -> (scalar: FixedBytes<48>, point: ECPoint)? {
    var input = InlineArray<9, UInt8>(repeating: label)
    for byte in 0..<8 { input[byte] = UInt8(truncatingIfNeeded: seed >> UInt64(8 * byte)) }
    let random = SHA512.hash(input.span)
    let scalar = EllipticCurve.p384.scalar(random: random.span)
    guard var job = ECMultiplier(.p384, scalar: scalar.span), let point = job.finish() else {
      return nil
    }
    return (scalar, point)
  }

  /// ecdsa-with-SHA384 (1.2.840.10045.4.3.3).
  private static let algorithm = DERWriter.sequence([
    0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03,
  ])

  /// A name with the one attribute CN = "Apus model " and `role`.
  private static func name(_ role: StaticString) -> [UInt8] {
    let text = Array("Apus model ".utf8) + Array(role.description.utf8)
    let attribute = DERWriter.sequence([0x06, 0x03, 0x55, 0x04, 0x03], DERWriter.value(0x0C, text))
    return DERWriter.sequence(DERWriter.value(0x31, attribute))
  }

  private static func certificate(
    _ serial: UInt8, _ subject: StaticString, _ issuer: StaticString, _ key: ECPoint, isCA: Bool,
    signer: FixedBytes<48>
  ) -> [UInt8]? {
    var point: [UInt8] = [4]
    for index in 0..<48 { point.append(key.x[index]) }
    for index in 0..<48 { point.append(key.y[index]) }
    // id-ecPublicKey (1.2.840.10045.2.1) on secp384r1 (1.3.132.0.34).
    let keyInfo = DERWriter.sequence(
      DERWriter.sequence(
        [0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01],
        [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]), DERWriter.bitString(point))
    let validity = DERWriter.sequence(
      DERWriter.value(0x17, Array("240101000000Z".utf8)),
      DERWriter.value(0x17, Array("490101000000Z".utf8)))
    // basicConstraints (2.5.29.19), critical, CA as given.
    let constraints = DERWriter.sequence(
      [0x06, 0x03, 0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF],
      DERWriter.value(0x04, DERWriter.sequence(isCA ? [0x01, 0x01, 0xFF] : [])))
    let body = DERWriter.sequence(
      DERWriter.value(0xA0, [0x02, 0x01, 0x02]), DERWriter.integer([serial]), algorithm, name(issuer),
      validity, name(subject), keyInfo,
      DERWriter.value(0xA3, DERWriter.sequence(constraints)))
    let digest = SHA384.hash(body.span)
    guard
      var job = ECDSASigner(
        .p384, .sha384, key: signer.span, digest: digest.span, extra: [UInt8]().span),
      let signature = job.finish()
    else { return nil }
    var r: [UInt8] = []
    var s: [UInt8] = []
    for index in 0..<48 {
      r.append(signature.r[index])
      s.append(signature.s[index])
    }
    let encoded = DERWriter.sequence(DERWriter.integer(r), DERWriter.integer(s))
    return DERWriter.sequence(body, algorithm, DERWriter.bitString(encoded))
  }
}
