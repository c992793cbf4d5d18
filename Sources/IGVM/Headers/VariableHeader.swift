// VariableHeader: one header of any type, decoded.
import Bits

/// A variable header (reference §3): decoded field by field, not yet judged.
public enum VariableHeader: Equatable, Sendable {
  /// 0x001.
  case supportedPlatform(SupportedPlatform)
  /// 0x101.
  case guestPolicy(GuestPolicy)
  /// 0x102.
  case relocatableRegion(RelocatableRegion)
  /// 0x103.
  case pageTableRelocationRegion(PageTableRelocationRegion)
  /// 0x104.
  case corimDocument(CoRIMBlob)
  /// 0x105.
  case corimSignature(CoRIMBlob)
  /// 0x106.
  case ccaPolicy(CCAPolicy)
  /// 0x301.
  case parameterArea(ParameterArea)
  /// 0x302.
  case pageData(PageData)
  /// 0x303.
  case parameterInsert(ParameterInsert)
  /// 0x304.
  case vpContext(VPContext)
  /// 0x305.
  case requiredMemory(RequiredMemory)
  /// 0x307–0x30A, 0x30C, 0x30E–0x310, 0x312, 0x313.
  case parameter(Parameter)
  /// 0x30B.
  case snpIDBlock(SNPIDBlock)
  /// 0x30D.
  case errorRange(ErrorRange)
  /// 0x311.
  case vbsMeasurement(VBSMeasurement)
  /// A type that is not known, with bit 31 set: a loader may skip it.
  case skipped(HeaderType)

  /// Decodes the content of a known type; nil for a type that is not known.
  init?(_ type: HeaderType, _ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    switch type {
    case .supportedPlatform: self = .supportedPlatform(try .init(&reader, file))
    case .guestPolicy: self = .guestPolicy(try .init(&reader, file))
    case .relocatableRegion: self = .relocatableRegion(try .init(&reader, file))
    case .pageTableRelocationRegion: self = .pageTableRelocationRegion(try .init(&reader, file))
    case .corimDocument: self = .corimDocument(try .init(&reader, file))
    case .corimSignature: self = .corimSignature(try .init(&reader, file))
    case .ccaPolicy: self = .ccaPolicy(try .init(&reader, file))
    case .parameterArea: self = .parameterArea(try .init(&reader, file))
    case .pageData: self = .pageData(try .init(&reader, file))
    case .parameterInsert: self = .parameterInsert(try .init(&reader, file))
    case .vpContext: self = .vpContext(try .init(&reader, file))
    case .requiredMemory: self = .requiredMemory(try .init(&reader, file))
    case .snpIDBlock: self = .snpIDBlock(try .init(&reader, file))
    case .errorRange: self = .errorRange(try .init(&reader, file))
    case .vbsMeasurement: self = .vbsMeasurement(try .init(&reader, file))
    default:
      guard type.isParameter else { return nil }
      self = .parameter(try .init(type, &reader, file))
    }
  }

  /// The number of the header's type.
  public var type: HeaderType {
    switch self {
    case .supportedPlatform: .supportedPlatform
    case .guestPolicy: .guestPolicy
    case .relocatableRegion: .relocatableRegion
    case .pageTableRelocationRegion: .pageTableRelocationRegion
    case .corimDocument: .corimDocument
    case .corimSignature: .corimSignature
    case .ccaPolicy: .ccaPolicy
    case .parameterArea: .parameterArea
    case .pageData: .pageData
    case .parameterInsert: .parameterInsert
    case .vpContext: .vpContext
    case .requiredMemory: .requiredMemory
    case .parameter(let parameter): parameter.kind
    case .snpIDBlock: .snpIDBlock
    case .errorRange: .errorRange
    case .vbsMeasurement: .vbsMeasurement
    case .skipped(let type): type
    }
  }

  /// The platforms that the header serves; all for the headers without a mask (reference §3, column "Mask?").
  public var mask: PlatformMask {
    switch self {
    case .supportedPlatform(let header): header.mask
    case .guestPolicy(let header): header.mask
    case .relocatableRegion(let header): header.mask
    case .pageTableRelocationRegion(let header): header.mask
    case .corimDocument(let header), .corimSignature(let header): header.mask
    case .ccaPolicy(let header): header.mask
    case .pageData(let header): header.mask
    case .parameterInsert(let header): header.mask
    case .vpContext(let header): header.mask
    case .requiredMemory(let header): header.mask
    case .snpIDBlock(let header): header.mask
    case .errorRange(let header): header.mask
    case .vbsMeasurement(let header): header.mask
    case .parameterArea, .parameter, .skipped: .all
    }
  }
}
