// HashAlgorithm: a hash chosen at run time, as TPM commands and certificates choose it.

/// One of the hash functions of this room.
public enum HashAlgorithm: UInt8, Equatable, Sendable {
  /// SHA-1.
  case sha1
  /// SHA-256.
  case sha256
  /// SHA-384.
  case sha384
  /// SHA-512.
  case sha512

  /// Bytes of a digest.
  public var digestSize: Int {
    switch self {
    case .sha1: 20
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    }
  }

  /// Bytes of a block (the key length of HMAC beyond which the key is hashed).
  public var blockSize: Int {
    switch self {
    case .sha1, .sha256: 64
    case .sha384, .sha512: 128
    }
  }
}
