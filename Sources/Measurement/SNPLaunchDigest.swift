// SNPLaunchDigest: the digest that SNP firmware chains over the pages of a launch.
import Crypto
import SNP

extension LaunchPageKind {
  /// The name in the ABI's spelling (SEV-SNP firmware ABI 56860, §8.17).
  public var name: StaticString {
    switch self {
    case .normal: "NORMAL"
    case .vmsa: "VMSA"
    case .zero: "ZERO"
    case .unmeasured: "UNMEASURED"
    case .secrets: "SECRETS"
    case .cpuid: "CPUID"
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
  public mutating func add(_ type: LaunchPageKind, contents: Digest384 = .zero, gpa: UInt64) {
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
  public mutating func add(_ type: LaunchPageKind, gpa: UInt64, pages: Int) {
    for page in 0..<max(0, pages) { add(type, gpa: gpa &+ UInt64(page) &* 4096) }
  }
}
