// CoRIMBlob: headers 0x104 to 0x106, which QEMU refuses and our builder never emits.
import Bits

/// CORIM_DOCUMENT or CORIM_SIGNATURE, 16 bytes: a blob of file data (reference §6).
public struct CoRIMBlob: Equatable, Sendable {
  /// The platforms it is for.
  public var mask: PlatformMask
  /// Where the blob lies in the file, bytes.
  public var fileOffset: UInt32
  /// How long it is, bytes.
  public var size: UInt32
  /// Zero.
  public var reserved: UInt32

  /// A blob header; the builder fills in the file offset.
  public init(mask: PlatformMask, size: UInt32) {
    self.mask = mask
    fileOffset = 0
    self.size = size
    reserved = 0
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    mask = .init(try reader.little(UInt32.self, file))
    fileOffset = try reader.little(UInt32.self, file)
    size = try reader.little(UInt32.self, file)
    reserved = try reader.little(UInt32.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    for word in [mask.rawValue, fileOffset, size, reserved] { out.append(word) }
  }
}

/// CCA_POLICY, 32 bytes: AArch64 only (reference §6).
public struct CCAPolicy: Equatable, Sendable {
  /// The platforms it is for; each must be CCA.
  public var mask: PlatformMask
  /// Zero.
  public var reserved: UInt32
  /// Attribute bits that must be zero.
  public var requiredZeroes: UInt64
  /// Attribute bits that must be one.
  public var requiredOnes: UInt64
  /// 0 SHA-256, 1 SHA-512, 2 SHA-384.
  public var hashAlgorithm: UInt8
  /// 0 or 1.
  public var lfaPolicy: UInt8
  /// Six bytes that must be zero, as one word.
  public var tail: UInt64

  /// A policy with all its fields.
  public init(
    mask: PlatformMask, requiredZeroes: UInt64, requiredOnes: UInt64, hashAlgorithm: UInt8, lfaPolicy: UInt8
  ) {
    self.mask = mask
    reserved = 0
    self.requiredZeroes = requiredZeroes
    self.requiredOnes = requiredOnes
    self.hashAlgorithm = hashAlgorithm
    self.lfaPolicy = lfaPolicy
    tail = 0
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    mask = .init(try reader.little(UInt32.self, file))
    reserved = try reader.little(UInt32.self, file)
    requiredZeroes = try reader.little(UInt64.self, file)
    requiredOnes = try reader.little(UInt64.self, file)
    let last = try reader.little(UInt64.self, file)
    hashAlgorithm = UInt8(truncatingIfNeeded: last)
    lfaPolicy = UInt8(truncatingIfNeeded: last >> 8)
    tail = last >> 16
  }

  func encode(_ out: inout WireEncoder) {
    out.append(mask.rawValue)
    out.append(reserved)
    out.append(requiredZeroes)
    out.append(requiredOnes)
    out.append(UInt64(hashAlgorithm) | UInt64(lfaPolicy) << 8 | tail << 16)
  }
}
