// ReferenceValues: a launch measurement as CoRIM, for attestation verifiers.
import Measurement

/// A CBOR value that is written deterministically (RFC 8949 §4.2).
indirect enum CBORValue {
  case unsigned(UInt64)
  case bytes([UInt8])
  case text(String)
  case array([CBORValue])
  /// Keys ascending.
  case map([(UInt64, CBORValue)])
  case tagged(UInt64, CBORValue)

  /// The encoding.
  var encoded: [UInt8] {
    switch self {
    case .unsigned(let value): Self.head(0, value)
    case .bytes(let bytes): Self.head(2, UInt64(bytes.count)) + bytes
    case .text(let text): Self.head(3, UInt64(text.utf8.count)) + Array(text.utf8)
    case .array(let values): Self.head(4, UInt64(values.count)) + values.flatMap(\.encoded)
    case .map(let fields):
      Self.head(5, UInt64(fields.count)) + fields.flatMap { Self.head(0, $0.0) + $0.1.encoded }
    case .tagged(let tag, let value): Self.head(6, tag) + value.encoded
    }
  }

  /// A major type and its argument in the shortest form.
  private static func head(_ major: UInt8, _ value: UInt64) -> [UInt8] {
    let first = major << 5
    if value < 24 { return [first | UInt8(value)] }
    let sizes: [(Int, UInt8)] = [(1, 24), (2, 25), (4, 26), (8, 27)]
    for (size, code) in sizes where size == 8 || value >> UInt64(8 * size) == 0 {
      return [first | code] + (0..<size).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }
    return []
  }
}

enum ReferenceValues {
  /// An unsigned CoRIM with one CoMID whose reference value is the launch measurement (draft-ietf-rats-corim: tags 501
  /// and 506; digest algorithm 7 = SHA-384 of the IANA Named Information registry).
  static func corim(platform: String, digest: Digest384) -> [UInt8] {
    let isSNP = platform == "snp"
    let environment = CBORValue.map([
      (0, .map([(1, .text(isSNP ? "AMD" : "Intel")), (2, .text(isSNP ? "SEV-SNP" : "TDX"))]))
    ])
    let measurement = CBORValue.map([
      (0, .text(isSNP ? "MEASUREMENT" : "MRTD")),
      (1, .map([(2, .array([.array([.unsigned(7), .bytes(digest.array)])]))])),
    ])
    let name = "apus-\(platform)-\(Number.hex(bytes: digest.array.prefix(8)))"
    let tag = CBORValue.map([
      (1, .map([(0, .text(name))])),
      (4, .map([(0, .array([.array([environment, .array([measurement])])]))])),
    ])
    return CBORValue.tagged(
      501, .map([(0, .text(name)), (1, .array([.tagged(506, .bytes(tag.encoded))]))])
    ).encoded
  }
}
