// VariableHeader+Data: which file data a header refers to, and how a header is written.

extension VariableHeader {
  /// The file data that the header refers to: its offset (0 = none) and how many bytes, both from the file.
  ///
  /// Nil for a header that never has data.
  public var dataReference: (fileOffset: UInt32, byteCount: UInt64)? {
    switch self {
    case .pageData(let header): (header.fileOffset, PageData.pageSize)
    case .vpContext(let header): (header.fileOffset, PageData.pageSize)
    case .parameterArea(let header): (header.fileOffset, header.byteCount)
    case .corimDocument(let header), .corimSignature(let header): (header.fileOffset, UInt64(header.size))
    default: nil
    }
  }

  /// The header with its file data at `fileOffset`; unchanged if it never has data.
  public func withFileOffset(_ fileOffset: UInt32) -> VariableHeader {
    switch self {
    case .pageData(var header):
      header.fileOffset = fileOffset
      return .pageData(header)
    case .vpContext(var header):
      header.fileOffset = fileOffset
      return .vpContext(header)
    case .parameterArea(var header):
      header.fileOffset = fileOffset
      return .parameterArea(header)
    case .corimDocument(var header):
      header.fileOffset = fileOffset
      return .corimDocument(header)
    case .corimSignature(var header):
      header.fileOffset = fileOffset
      return .corimSignature(header)
    default:
      return self
    }
  }

  /// The bytes that the header takes in the file: 8 and its content, rounded up to 8.
  public var encodedSize: Int { 8 + ((type.contentSize ?? 0) + 7) & ~7 }

  /// Appends type, length, content and padding.
  func encode(_ out: inout WireEncoder) {
    out.append(type.rawValue)
    out.append(UInt32(type.contentSize ?? 0))
    switch self {
    case .supportedPlatform(let header): header.encode(&out)
    case .guestPolicy(let header): header.encode(&out)
    case .relocatableRegion(let header): header.encode(&out)
    case .pageTableRelocationRegion(let header): header.encode(&out)
    case .corimDocument(let header), .corimSignature(let header): header.encode(&out)
    case .ccaPolicy(let header): header.encode(&out)
    case .parameterArea(let header): header.encode(&out)
    case .pageData(let header): header.encode(&out)
    case .parameterInsert(let header): header.encode(&out)
    case .vpContext(let header): header.encode(&out)
    case .requiredMemory(let header): header.encode(&out)
    case .parameter(let header): header.encode(&out)
    case .snpIDBlock(let header): header.encode(&out)
    case .errorRange(let header): header.encode(&out)
    case .vbsMeasurement(let header): header.encode(&out)
    case .skipped: break
    }
    out.padToEight()
  }
}
