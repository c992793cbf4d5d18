// SNPSigningKey: P-384 keys in the form that SNP firmware wants.
import Crypto

/// A public key of an ID block: little-endian coordinates in 72-byte fields (reference §12).
public struct SNPPublicKey: Equatable, Sendable {
  /// The number of the curve P-384.
  static let curve: UInt8 = 2
  /// The bytes of the image whose digest reports carry.
  static let imageSize = 0x404
  /// The coordinates, 72 bytes each, little-endian.
  private let coordinates: [UInt8]
  private let curveWord: [UInt8]

  init(_ point: ECPoint) {
    curveWord = [Self.curve, 0, 0, 0]
    coordinates = Self.little(point.x) + Self.little(point.y)
  }

  /// A key from the 152 bytes of a header; whether it is a point is found when it is used.
  init(headerBytes: ArraySlice<UInt8>) {
    curveWord = Array(headerBytes.prefix(4))
    coordinates = Array(headerBytes.dropFirst(8))
  }

  /// The 152 bytes of the header: curve, reserved word, x, y.
  var headerBytes: [UInt8] { curveWord + [0, 0, 0, 0] + coordinates }

  /// The 0x404-byte image: curve, x, y, zeros.
  ///
  /// The header's reserved word is not part of it.
  public var image: [UInt8] {
    curveWord + coordinates + [UInt8](repeating: 0, count: Self.imageSize - 4 - coordinates.count)
  }

  /// The SHA-384 of the image, as attestation reports carry it.
  public var digest: Digest384 { Digest384(SHA384.hash(image.span)) }

  /// Whether `signature` (r, s: 72 bytes each, little-endian) is this key's over `message`.
  func verify(_ message: [UInt8], signature: ArraySlice<UInt8>) -> Bool {
    guard curveWord == [Self.curve, 0, 0, 0], coordinates.count == 144, signature.count == 144,
      let x = Self.big(coordinates.prefix(72)), let y = Self.big(coordinates.suffix(72)),
      let r = Self.big(signature.prefix(72)), let s = Self.big(signature.suffix(72))
    else { return false }
    let digest = SHA384.hash(message.span)
    var verifier = ECDSAVerifier(.p384, ECPoint(x: x, y: y), digest: digest.span, ECDSASignature(r: r, s: s))
    return verifier.finish()
  }

  /// 48 big-endian bytes as 72 little-endian ones.
  static func little(_ number: FixedBytes<48>) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<48 { bytes.append(number[47 - index]) }
    return bytes + [UInt8](repeating: 0, count: 24)
  }

  /// 72 little-endian bytes as 48 big-endian ones; nil if the number is longer.
  private static func big(_ bytes: ArraySlice<UInt8>) -> FixedBytes<48>? {
    guard bytes.count == 72, bytes.suffix(24).allSatisfy({ $0 == 0 }) else { return nil }
    let reversed = Array(bytes.prefix(48).reversed())
    return FixedBytes<48>(reversed.span)
  }
}

/// A private key of an ID block.
public struct SNPSigningKey: Sendable {
  /// ECDSA on P-384 with SHA-384.
  public static let algorithm: UInt32 = 1

  private let scalar: [UInt8]
  /// The public key.
  public let publicKey: SNPPublicKey

  /// A key from its 48 big-endian bytes; nil if they are no P-384 scalar.
  public init?(scalar: [UInt8]) {
    guard scalar.count == 48, var multiplier = ECMultiplier(.p384, scalar: scalar.span),
      let point = multiplier.finish()
    else { return nil }
    self.scalar = scalar
    publicKey = SNPPublicKey(point)
  }

  /// r and s over `message`, 72 bytes each, little-endian; nil if signing fails.
  func sign(_ message: [UInt8]) -> [UInt8]? {
    let digest = SHA384.hash(message.span)
    let extra: [UInt8] = []
    guard
      var signer = ECDSASigner(.p384, .sha384, key: scalar.span, digest: digest.span, extra: extra.span),
      let signature = signer.finish()
    else { return nil }
    return SNPPublicKey.little(signature.r) + SNPPublicKey.little(signature.s)
  }
}
