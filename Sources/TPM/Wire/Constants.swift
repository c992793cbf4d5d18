// Constants: algorithm identifiers, permanent handles, attributes and limits of the TPM.
import Crypto

/// TPM_ALG_ID (TCG Algorithm Registry §6).
enum Algorithm {
  static let rsa: UInt16 = 0x0001
  static let sha1: UInt16 = 0x0004
  static let hmac: UInt16 = 0x0005
  static let aes: UInt16 = 0x0006
  static let mgf1: UInt16 = 0x0007
  static let keyedHash: UInt16 = 0x0008
  static let xor: UInt16 = 0x000A
  static let sha256: UInt16 = 0x000B
  static let sha384: UInt16 = 0x000C
  static let sha512: UInt16 = 0x000D
  static let null: UInt16 = 0x0010
  static let rsassa: UInt16 = 0x0014
  static let rsaes: UInt16 = 0x0015
  static let rsapss: UInt16 = 0x0016
  static let oaep: UInt16 = 0x0017
  static let ecdsa: UInt16 = 0x0018
  static let ecdh: UInt16 = 0x0019
  static let ecdaa: UInt16 = 0x001A
  static let kdf1SP80056A: UInt16 = 0x0020
  static let kdf2: UInt16 = 0x0021
  static let kdf1SP800108: UInt16 = 0x0022
  static let ecc: UInt16 = 0x0023
  static let symCipher: UInt16 = 0x0025
  static let ctr: UInt16 = 0x0040
  static let ofb: UInt16 = 0x0041
  static let cbc: UInt16 = 0x0042
  static let cfb: UInt16 = 0x0043
  static let ecb: UInt16 = 0x0044

  static func hash(_ id: UInt16) -> HashAlgorithm? {
    switch id {
    case sha1: .sha1
    case sha256: .sha256
    case sha384: .sha384
    case sha512: .sha512
    default: nil
    }
  }

  static func mode(_ id: UInt16) -> CipherMode? {
    switch id {
    case ctr: .ctr
    case ofb: .ofb
    case cbc: .cbc
    case cfb: .cfb
    case ecb: .ecb
    default: nil
    }
  }

  static func curve(_ id: UInt16) -> EllipticCurve? {
    switch id {
    case 3: .p256
    case 4: .p384
    default: nil
    }
  }
}

extension HashAlgorithm {
  /// The TPM_ALG_ID of the hash.
  var id: UInt16 {
    switch self {
    case .sha1: Algorithm.sha1
    case .sha256: Algorithm.sha256
    case .sha384: Algorithm.sha384
    case .sha512: Algorithm.sha512
    }
  }

  /// The PCR bank of the hash.
  var bank: Int { Int(rawValue) }

  static var banks: InlineArray<4, HashAlgorithm> { [.sha1, .sha256, .sha384, .sha512] }
}

/// Permanent handles (TPM 2.0 Part 2 §7.4) and handle types (§7.2).
enum Handle {
  static let owner: UInt32 = 0x4000_0001
  static let null: UInt32 = 0x4000_0007
  static let unassigned: UInt32 = 0x4000_0008
  static let password: UInt32 = 0x4000_0009
  static let lockout: UInt32 = 0x4000_000A
  static let endorsement: UInt32 = 0x4000_000B
  static let platform: UInt32 = 0x4000_000C
  static let platformNV: UInt32 = 0x4000_000D

  static let hmacSession: UInt32 = 0x0200_0000
  static let policySession: UInt32 = 0x0300_0000
  static let transient: UInt32 = 0x8000_0000
  static let persistent: UInt32 = 0x8100_0000
  static let platformPersistent: UInt32 = 0x8180_0000

  static func type(_ handle: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: handle &>> 24) }
  static func isPCR(_ handle: UInt32) -> Bool { handle < UInt32(Limits.pcrCount) }
  static func isNV(_ handle: UInt32) -> Bool { type(handle) == 0x01 }
  static func isSession(_ handle: UInt32) -> Bool { type(handle) == 0x02 || type(handle) == 0x03 }
  static func isObject(_ handle: UInt32) -> Bool { type(handle) == 0x80 || type(handle) == 0x81 }
}

/// TPMA_OBJECT (TPM 2.0 Part 2 §8.3).
enum ObjectAttribute {
  static let fixedTPM: UInt32 = 1 &<< 1
  static let stClear: UInt32 = 1 &<< 2
  static let fixedParent: UInt32 = 1 &<< 4
  static let sensitiveDataOrigin: UInt32 = 1 &<< 5
  static let userWithAuth: UInt32 = 1 &<< 6
  static let adminWithPolicy: UInt32 = 1 &<< 7
  static let noDA: UInt32 = 1 &<< 10
  static let encryptedDuplication: UInt32 = 1 &<< 11
  static let restricted: UInt32 = 1 &<< 16
  static let decrypt: UInt32 = 1 &<< 17
  static let sign: UInt32 = 1 &<< 18
  /// firmwareLimited, svnLimited, x509sign and fixedFirmware are not offered.
  static let known: UInt32 = 0x0007_0CF6
}

/// TPMA_SESSION (TPM 2.0 Part 2 §8.4).
enum SessionAttribute {
  static let continueSession: UInt8 = 0x01
  static let auditExclusive: UInt8 = 0x02
  static let auditReset: UInt8 = 0x04
  static let reserved: UInt8 = 0x18
  static let decrypt: UInt8 = 0x20
  static let encrypt: UInt8 = 0x40
  static let audit: UInt8 = 0x80
}

/// TPMA_NV (TPM 2.0 Part 2 §13.4).
enum NVAttribute {
  static let ppWrite: UInt32 = 1 &<< 0
  static let ownerWrite: UInt32 = 1 &<< 1
  static let authWrite: UInt32 = 1 &<< 2
  static let policyWrite: UInt32 = 1 &<< 3
  static let policyDelete: UInt32 = 1 &<< 10
  static let writeLocked: UInt32 = 1 &<< 11
  static let writeAll: UInt32 = 1 &<< 12
  static let writeDefine: UInt32 = 1 &<< 13
  static let writeSTClear: UInt32 = 1 &<< 14
  static let globalLock: UInt32 = 1 &<< 15
  static let ppRead: UInt32 = 1 &<< 16
  static let ownerRead: UInt32 = 1 &<< 17
  static let authRead: UInt32 = 1 &<< 18
  static let policyRead: UInt32 = 1 &<< 19
  static let noDA: UInt32 = 1 &<< 25
  static let orderly: UInt32 = 1 &<< 26
  static let clearSTClear: UInt32 = 1 &<< 27
  static let readLocked: UInt32 = 1 &<< 28
  static let written: UInt32 = 1 &<< 29
  static let platformCreate: UInt32 = 1 &<< 30
  static let readSTClear: UInt32 = 1 &<< 31
  static let reserved: UInt32 = 0x01F0_0300

  static let ordinary: UInt32 = 0
  static let counter: UInt32 = 1
  static let bits: UInt32 = 2
  static let extend: UInt32 = 4
  static let pinFail: UInt32 = 8
  static let pinPass: UInt32 = 9
  static func type(_ attributes: UInt32) -> UInt32 { attributes &>> 4 & 15 }
}

/// The bounds of this TPM.
enum Limits {
  static let pcrCount = 24
  static let commandSize = 3968
  static let responseSize = 3968
  static let transientObjects = 16
  static let persistentObjects = 24
  static let loadedSessions = 16
  static let activeSessions = 64
  static let contextGap: UInt64 = 0xFFFF
  static let nvIndexSize = 2048
  static let nvBuffer = 1024
  static let nvIndices = 128
  /// Bytes of NV data over all indices.
  static let nvTotal = 65536
  static let inputBuffer = 1024
  static let symmetricData = 128
  static let digest = 64
  static let capabilities = 1024
}
