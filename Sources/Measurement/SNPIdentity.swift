// SNPIdentity: what an SNP ID block says, and how it is signed and checked.
import Crypto
import IGVM

/// The identity of an SNP guest: the part of an ID block that is signed (SEV-SNP firmware ABI 56860, §8.18; reference
/// §12).
public struct SNPIdentity: Equatable, Sendable {
  /// The bytes of an ID that is not set.
  public static let noID = [UInt8](repeating: 0, count: 16)

  /// The launch digest that the firmware compares.
  public var launchDigest: Digest384
  /// The family, 16 bytes.
  public var familyID: [UInt8]
  /// The image, 16 bytes.
  public var imageID: [UInt8]
  /// The guest's security version.
  public var guestSVN: UInt32
  /// The guest policy, which the firmware compares as well.
  public var policy: UInt64

  /// An identity; nil if an ID is not 16 bytes long.
  public init?(
    launchDigest: Digest384, familyID: [UInt8] = noID, imageID: [UInt8] = noID, guestSVN: UInt32 = 0,
    policy: UInt64
  ) {
    guard familyID.count == 16, imageID.count == 16 else { return nil }
    self.launchDigest = launchDigest
    self.familyID = familyID
    self.imageID = imageID
    self.guestSVN = guestSVN
    self.policy = policy
  }

  /// The 96 bytes that are signed: ID_BLOCK.
  public var encoded: [UInt8] {
    var bytes = launchDigest.array + familyID + imageID
    for index in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: UInt32(1) >> UInt32(8 * index))) }
    for index in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: guestSVN >> UInt32(8 * index))) }
    for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: policy >> UInt64(8 * index))) }
    return bytes
  }

  /// The header for the platform `mask`, signed by `idKey`, whose public key `authorKey` signs if it is given.
  ///
  /// Nonces are deterministic (RFC 6979), so the same inputs give the same block. Nil if signing fails.
  public func block(mask: PlatformMask, idKey: SNPSigningKey, authorKey: SNPSigningKey? = nil) -> SNPIDBlock?
  {
    var block = SNPIDBlock(mask: mask)
    block.setBytes(launchDigest.array, at: SNPIDBlock.Offset.launchDigest)
    block.setBytes(familyID, at: SNPIDBlock.Offset.familyID)
    block.setBytes(imageID, at: SNPIDBlock.Offset.imageID)
    block.setWord(1, at: SNPIDBlock.Offset.version)
    block.setWord(guestSVN, at: SNPIDBlock.Offset.guestSVN)
    block.setWord(SNPSigningKey.algorithm, at: SNPIDBlock.Offset.idKeyAlgorithm)
    guard let signature = idKey.sign(encoded) else { return nil }
    block.setBytes(signature, at: SNPIDBlock.Offset.idKeySignature)
    block.setBytes(idKey.publicKey.headerBytes, at: SNPIDBlock.Offset.idPublicKey)
    if let authorKey {
      guard let signature = authorKey.sign(idKey.publicKey.image) else { return nil }
      block.setWord(1, at: SNPIDBlock.Offset.authorKeyEnabled)
      block.setWord(SNPSigningKey.algorithm, at: SNPIDBlock.Offset.authorKeyAlgorithm)
      block.setBytes(signature, at: SNPIDBlock.Offset.authorKeySignature)
      block.setBytes(authorKey.publicKey.headerBytes, at: SNPIDBlock.Offset.authorPublicKey)
    }
    return block
  }
}

/// What a check of an ID block found.
public enum SNPIdentityCheck: Equatable, Sendable {
  /// Digest and signatures are right.
  case valid
  /// The block's launch digest is not the file's.
  case anotherDigest
  /// The ID key's signature is wrong.
  case badSignature
  /// The author key's signature over the ID key is wrong.
  case badAuthorSignature
  /// Version or algorithm are not 1.
  case unsupported
}

extension SNPIDBlock {
  /// Checks the block as the firmware would, against the digest and policy of the file that carries it.
  public func check(launchDigest: Digest384, policy: UInt64) -> SNPIdentityCheck {
    guard word(at: Offset.version) == 1, word(at: Offset.idKeyAlgorithm) == SNPSigningKey.algorithm else {
      return .unsupported
    }
    guard let digest = Digest384(copying: bytes(at: Offset.launchDigest, count: 48)), digest == launchDigest,
      let identity = SNPIdentity(
        launchDigest: digest, familyID: Array(bytes(at: Offset.familyID, count: 16)),
        imageID: Array(bytes(at: Offset.imageID, count: 16)), guestSVN: word(at: Offset.guestSVN),
        policy: policy)
    else { return .anotherDigest }
    let idKey = SNPPublicKey(headerBytes: bytes(at: Offset.idPublicKey, count: 152))
    guard idKey.verify(identity.encoded, signature: bytes(at: Offset.idKeySignature, count: 144)) else {
      return .badSignature
    }
    guard word(at: Offset.authorKeyEnabled) & 0xFF != 0 else { return .valid }
    guard word(at: Offset.authorKeyAlgorithm) == SNPSigningKey.algorithm else { return .unsupported }
    let authorKey = SNPPublicKey(headerBytes: bytes(at: Offset.authorPublicKey, count: 152))
    return authorKey.verify(idKey.image, signature: bytes(at: Offset.authorKeySignature, count: 144))
      ? .valid : .badAuthorSignature
  }
}
