// SNPLaunchDigest: the digest that SNP firmware chains over the pages of a launch.
import Crypto

/// The page type of SNP_LAUNCH_UPDATE (SEV-SNP firmware ABI 56860, §8.17; reference §11).
public struct SNPPageType: RawRepresentable, Equatable, Sendable {
  /// The byte in PAGE_INFO.
  public let rawValue: UInt8

  /// A page type with any number.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// 1: content measured.
  public static let normal = SNPPageType(rawValue: 1)
  /// 2: a VMSA, content measured.
  public static let vmsa = SNPPageType(rawValue: 2)
  /// 3: the firmware clears the page.
  public static let zero = SNPPageType(rawValue: 3)
  /// 4: content loaded but not measured.
  public static let unmeasured = SNPPageType(rawValue: 4)
  /// 5: the firmware writes the secrets.
  public static let secrets = SNPPageType(rawValue: 5)
  /// 6: the firmware checks the CPUID values.
  public static let cpuid = SNPPageType(rawValue: 6)

  /// The name in the ABI's spelling.
  public var name: StaticString {
    switch rawValue {
    case 1: "NORMAL"
    case 2: "VMSA"
    case 3: "ZERO"
    case 4: "UNMEASURED"
    case 5: "SECRETS"
    case 6: "CPUID"
    default: "UNKNOWN"
    }
  }
}

/// The SNP launch digest (reference §11): `LD = SHA384(PAGE_INFO)` for each 4 KiB page, from 48 zero bytes.
public struct SNPLaunchDigest: Equatable, Sendable {
  /// The size of PAGE_INFO in bytes.
  public static let pageInfoSize = 0x70

  /// The digest so far.
  public private(set) var value: Digest384

  /// The digest of nothing, or `value` to go on from.
  public init(_ value: Digest384 = .zero) { self.value = value }

  /// Takes in one page.
  ///
  /// `contents` is the SHA-384 of a NORMAL or VMSA page, zeros for the other types; `gpa` is its guest-physical
  /// address in bytes.
  public mutating func add(_ type: SNPPageType, contents: Digest384 = .zero, gpa: UInt64) {
    var info = InlineArray<112, UInt8>(repeating: 0)
    for index in 0..<48 {
      info[index] = value.bytes[index]
      info[48 + index] = contents.bytes[index]
    }
    info[0x60] = UInt8(Self.pageInfoSize)
    info[0x62] = type.rawValue
    for index in 0..<8 { info[0x68 + index] = UInt8(truncatingIfNeeded: gpa >> UInt64(8 * index)) }
    value = Digest384(SHA384.hash(info.span))
  }

  /// Takes in a range of pages whose content is not measured, lowest address first.
  public mutating func add(_ type: SNPPageType, gpa: UInt64, pages: Int) {
    for page in 0..<max(0, pages) { add(type, gpa: gpa &+ UInt64(page) &* 4096) }
  }
}
