// HeaderText: a header's fields as names and values, for people and for JSON.
import IGVM

/// A field of a header.
struct HeaderField {
  /// The name in the definitions' spelling.
  let name: String
  /// The value.
  let value: JSONValue
  /// The value as people read it.
  let text: String

  static func hex(_ name: String, _ value: UInt64) -> HeaderField {
    .init(name: name, value: .string(Number.hex(value)), text: Number.hex(value))
  }

  static func number<T: BinaryInteger>(_ name: String, _ value: T) -> HeaderField {
    .init(name: name, value: .number(UInt64(value)), text: String(value))
  }

  static func name(_ name: String, _ value: String) -> HeaderField {
    .init(name: name, value: .string(value), text: value)
  }

  static func bytes(_ name: String, _ value: ArraySlice<UInt8>) -> HeaderField {
    let digits = Number.hex(bytes: value)
    return .init(name: name, value: .string(digits), text: digits)
  }
}

extension VariableHeader {
  /// The fields, without the mask, in wire order.
  var fields: [HeaderField] {
    switch self {
    case .supportedPlatform(let header):
      [
        .name("platform", "\(header.platform.name)"), .number("highest_vtl", header.highestVTL),
        .number("version", header.version), .hex("shared_gpa_boundary", header.sharedGPABoundary),
      ]
    case .guestPolicy(let header): [.hex("policy", header.policy)]
    case .relocatableRegion(let header):
      [
        .hex("gpa", header.gpa), .hex("size", header.size), .hex("alignment", header.alignment),
        .hex("minimum_gpa", header.minimumGPA), .hex("maximum_gpa", header.maximumGPA),
        .number("vp_index", header.vpIndex), .number("vtl", header.vtl), .hex("flags", UInt64(header.flags)),
      ]
    case .pageTableRelocationRegion(let header):
      [
        .hex("gpa", header.gpa), .hex("size", header.size), .hex("used_size", header.usedSize),
        .number("vp_index", header.vpIndex), .number("vtl", header.vtl),
      ]
    case .corimDocument(let header), .corimSignature(let header):
      [.hex("file_offset", UInt64(header.fileOffset)), .number("size_bytes", header.size)]
    case .ccaPolicy(let header):
      [
        .hex("required_zeroes", header.requiredZeroes), .hex("required_ones", header.requiredOnes),
        .number("hash_algorithm", header.hashAlgorithm), .number("lfa_policy", header.lfaPolicy),
      ]
    case .parameterArea(let header):
      [
        .number("index", header.index), .hex("bytes", header.byteCount),
        .hex("file_offset", UInt64(header.fileOffset)),
      ]
    case .pageData(let header):
      [
        .hex("gpa", header.gpa), .name("type", "\(header.type.name)"), .name("flags", header.flagNames),
        .hex("file_offset", UInt64(header.fileOffset)),
      ]
    case .parameterInsert(let header): [.hex("gpa", header.gpa), .number("index", header.areaIndex)]
    case .vpContext(let header):
      [
        .hex("gpa", header.gpa), .number("vp_index", header.vpIndex),
        .hex("file_offset", UInt64(header.fileOffset)),
      ]
    case .requiredMemory(let header):
      [
        .hex("gpa", header.gpa), .hex("bytes", UInt64(header.byteCount)), .hex("flags", UInt64(header.flags)),
      ]
    case .parameter(let header):
      [.number("index", header.areaIndex), .hex("byte_offset", UInt64(header.byteOffset))]
    case .snpIDBlock(let header):
      [
        .bytes("ld", header.bytes(at: SNPIDBlock.Offset.launchDigest, count: 48)),
        .bytes("family_id", header.bytes(at: SNPIDBlock.Offset.familyID, count: 16)),
        .bytes("image_id", header.bytes(at: SNPIDBlock.Offset.imageID, count: 16)),
        .number("version", header.word(at: SNPIDBlock.Offset.version)),
        .number("guest_svn", header.word(at: SNPIDBlock.Offset.guestSVN)),
        .number("author_key", header.word(at: SNPIDBlock.Offset.authorKeyEnabled) & 0xFF),
      ]
    case .errorRange(let header): [.hex("gpa", header.gpa), .hex("bytes", UInt64(header.byteCount))]
    case .vbsMeasurement: []
    case .skipped(let type): [.hex("type", UInt64(type.rawValue))]
    }
  }
}

extension PageData {
  /// The names of the flags that are set.
  var flagNames: String {
    var names: [String] = []
    if flags & Self.is2MiB != 0 { names.append("2MiB") }
    if flags & Self.unmeasured != 0 { names.append("unmeasured") }
    if flags & Self.shared != 0 { names.append("shared") }
    return names.isEmpty ? "-" : names.joined(separator: ",")
  }
}
