// AttestationService: the attestation protocol: a report over a nonce and the manifest of the kernel's services.
import Crypto
public import RequestLoop
public import SVSMProtocol
public import Seams

/// Why there is no report.
public enum ReportFailure: Error, Equatable, Sendable {
  /// The platform refused, or its answer can't be trusted.
  case refused
  /// The certificates take this many bytes, a multiple of 4096.
  case certificates(byteCount: UInt64)
}

/// A report and its certificates.
public struct AttestationEvidence: Sendable {
  /// The report, signature included.
  public var report: [UInt8]
  /// The certificate table; empty if there is none.
  public var certificates: [UInt8]

  /// Both.
  public init(report: [UInt8], certificates: [UInt8] = []) {
    self.report = report
    self.certificates = certificates
  }
}

/// Where reports come from.
public protocol ReportSource: Sendable {
  /// Bytes of a report.
  var reportByteCount: Int { get }
  /// A report of the kernel's own level over `data`, with certificates if they fit into `certificateByteCount` bytes.
  nonisolated(nonsending) func report(
    over data: InlineArray<64, UInt8>, certificateByteCount: Int
  ) async throws(ReportFailure) -> AttestationEvidence
}

/// A service that is named in the manifest.
public struct AttestedService: Sendable {
  /// Its identifier.
  public var id: ServiceID
  /// Its own manifest, version 0; may be empty. INCOMPLETE or BUSY while it is being made.
  public let manifest: @Sendable () throws(ResultCode) -> [UInt8]

  /// A service with its manifest.
  public init(_ id: ServiceID, manifest: @escaping @Sendable () throws(ResultCode) -> [UInt8]) {
    self.id = id
    self.manifest = manifest
  }
}

/// Protocol 1, version 1.
///
/// Source: AMD 58019, 7, through COCONUT `attest.rs` and Linux (reference snp-svsm.md A.7, D.83 to D.92).
public struct AttestationService<Platform: GuestPlatform, Source: ReportSource>: ProtocolService {
  private let source: Source
  private let buffer: GuestBuffer<Platform>
  private let services: [AttestedService]

  /// The service; `services` are what is attested.
  public init(source: Source, buffer: GuestBuffer<Platform>, services: [AttestedService]) {
    self.source = source
    self.buffer = buffer
    self.services = services
  }

  /// Attestation.
  public var protocolID: ProtocolID { .attestation }
  /// Version 1.
  public var versions: ProtocolVersions? { ProtocolVersions(minimum: 1, maximum: 1) }

  /// ATTEST_SERVICES and ATTEST_SINGLE_SERVICE.
  public nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply {
    guard call.id == .attestServices || call.id == .attestSingleService else {
      return CallReply(.unsupportedCall)
    }
    do throws(ResultCode) {
      return try await attest(call.registers.rcx, isSingle: call.id == .attestSingleService)
    } catch {
      return CallReply(error)
    }
  }

  private nonisolated(nonsending) func attest(
    _ address: UInt64, isSingle: Bool
  ) async throws(ResultCode) -> CallReply {
    let request = try decode(address, isSingle: isSingle)
    // Before the costly report, so that bad output addresses are found first (peers.md bugs l and m).
    try buffer.check(request.report.address, byteCount: UInt64(request.report.byteCount))
    try buffer.check(request.manifest.address, byteCount: UInt64(request.manifest.byteCount))
    try buffer.check(request.certificates.address, byteCount: UInt64(request.certificates.byteCount))
    var nonce = InlineArray<64, UInt8>(repeating: 0)
    var place = nonce.mutableSpan
    try buffer.read(request.nonceAddress, into: &place)
    let manifest = try manifest(request)
    func reply(_ result: ResultCode, certificates: UInt64) -> CallReply {
      CallReply(
        result: result.rawValue, rcx: UInt64(manifest.count), rdx: certificates,
        r8: UInt64(source.reportByteCount))
    }
    guard Int(request.report.byteCount) >= source.reportByteCount,
      Int(request.manifest.byteCount) >= manifest.count
    else { return reply(.invalidParameter, certificates: 0) }
    let evidence: AttestationEvidence
    do throws(ReportFailure) {
      evidence = try await source.report(
        over: digest(nonce, manifest), certificateByteCount: Int(request.certificates.byteCount))
    } catch {
      if case .certificates(let byteCount) = error {
        return reply(.invalidParameter, certificates: byteCount)
      }
      throw .invalidRequest
    }
    guard evidence.report.count == source.reportByteCount,
      evidence.certificates.count <= Int(request.certificates.byteCount)
    else { throw .invalidRequest }
    try buffer.write(evidence.report.span, request.report.address)
    try buffer.write(manifest.span, request.manifest.address)
    if !evidence.certificates.isEmpty {
      try buffer.write(evidence.certificates.span, request.certificates.address)
    }
    return reply(.success, certificates: UInt64(evidence.certificates.count))
  }

  private func decode(_ address: UInt64, isSingle: Bool) throws(ResultCode) -> AttestRequest {
    var bytes = InlineArray<88, UInt8>(repeating: 0)
    let count = isSingle ? AttestRequest.singleByteCount : AttestRequest.servicesByteCount
    var all = bytes.mutableSpan
    var place = all._mutatingExtracting(0..<count)
    try buffer.read(address, into: &place)
    return try AttestRequest(bytes.span.extracting(0..<count), isSingle: isSingle)
  }

  /// REPORT_DATA: SHA-512 over nonce and manifest.
  private func digest(_ nonce: InlineArray<64, UInt8>, _ manifest: [UInt8]) -> InlineArray<64, UInt8> {
    var hash = Hasher(.sha512)
    hash.update(nonce.span)
    hash.update(manifest.span)
    let digest = hash.finalize()
    var data = InlineArray<64, UInt8>(repeating: 0)
    for index in 0..<min(64, digest.count) { data[index] = digest[index] }
    return data
  }

  /// The manifest of one service, or the table of all.
  private func manifest(_ request: AttestRequest) throws(ResultCode) -> [UInt8] {
    if let wanted = request.service {
      for service in services where service.id == wanted { return try service.manifest() }
      throw .unsupportedProtocol
    }
    return try ServicesManifest.encode(services)
  }
}

/// The table of all services with their manifests behind it.
public enum ServicesManifest {
  /// Bytes of the header and of each service's entry.
  public static let headerByteCount = 24
  /// Bytes of each service's entry.
  public static let entryByteCount = 24

  /// The manifest; offsets count from its start.
  public static func encode(_ services: [AttestedService]) throws(ResultCode) -> [UInt8] {
    var bytes: [UInt8] = []
    var blobs: [UInt8] = []
    var ends: [Int] = []
    var offset = headerByteCount + entryByteCount * services.count
    for service in services {
      blobs.append(contentsOf: try service.manifest())
      ends.append(offset + blobs.count)
    }
    let total = offset + blobs.count
    append(.manifest, &bytes)
    append(UInt32(truncatingIfNeeded: total), &bytes)
    append(UInt32(truncatingIfNeeded: services.count), &bytes)
    for index in services.indices {
      append(services[index].id, &bytes)
      append(UInt32(truncatingIfNeeded: offset), &bytes)
      append(UInt32(truncatingIfNeeded: ends[index] - offset), &bytes)
      offset = ends[index]
    }
    bytes.append(contentsOf: blobs)
    return bytes
  }

  private static func append<Value: FixedWidthInteger & UnsignedInteger>(
    _ value: Value, _ bytes: inout [UInt8]
  ) {
    var rest = value
    for _ in 0..<(Value.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  private static func append(_ id: ServiceID, _ bytes: inout [UInt8]) {
    append(id.low, &bytes)
    append(id.high, &bytes)
  }
}
