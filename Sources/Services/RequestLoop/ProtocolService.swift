// ProtocolService: one protocol's calls as a service, and the table of services that a board fills.
public import SVSMProtocol
public import Seams

/// A call as its service sees it: decoded as far as the registers go.
public struct GuestCall: Sendable {
  /// Protocol and call.
  public let id: CallID
  /// The registers at the call, copied once.
  public let registers: CallRegisters
  /// The calling vCPU, whose slot the request loop has claimed.
  public let vcpu: VCPUHandle

  /// A call of `vcpu`.
  public init(_ registers: CallRegisters, vcpu: VCPUHandle) {
    id = CallID(rax: registers.rax)
    self.registers = registers
    self.vcpu = vcpu
  }
}

extension CallReply {
  /// A reply that writes RAX only.
  @inline(__always) public init(_ result: ResultCode) { self.init(result: result.rawValue) }
}

/// The calls of one protocol.
///
/// A service never traps on what a guest passes, allocates within a bound, awaits at least every 250,000
/// instructions, and holds no lock across an await: contention answers BUSY.
public protocol ProtocolService: Sendable {
  /// Which protocol.
  var protocolID: ProtocolID { get }
  /// The versions it serves; nil while it serves none (the protocol is then absent).
  var versions: ProtocolVersions? { get }
  /// Serves one call, on the calling vCPU's CPU, within its request loop.
  nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply
  /// Forgets what it keeps for a deleted vCPU; from any CPU.
  func forget(_ vcpu: VCPUHandle)
}

extension ProtocolService {
  /// A service that keeps nothing.
  public func forget(_ vcpu: VCPUHandle) {}
}

/// The protocols that a board offers besides Core.
///
/// Composed at compile time, `CoreOnly().with(a).with(b)`: what a board does not name is not in its image.
public protocol ProtocolTable: Sendable {
  /// The versions served of a protocol; nil if it is absent.
  func versions(of id: ProtocolID) -> ProtocolVersions?
  /// Serves a call; UNSUPPORTED_PROTOCOL if its protocol is absent.
  nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply
  /// Tells every service that a vCPU is deleted.
  func forget(_ vcpu: VCPUHandle)
}

extension ProtocolTable {
  /// The table with one more service.
  public func with<Service: ProtocolService>(_ service: Service) -> Protocols<Service, Self> {
    Protocols(service, self)
  }
}

/// A table without any protocol besides Core.
public struct CoreOnly: ProtocolTable {
  /// The only value.
  public init() {}
  /// None.
  public func versions(of id: ProtocolID) -> ProtocolVersions? { nil }
  /// UNSUPPORTED_PROTOCOL.
  public nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply {
    CallReply(.unsupportedProtocol)
  }
  /// Nothing.
  public func forget(_ vcpu: VCPUHandle) {}
}

/// A service in front of other services.
public struct Protocols<Service: ProtocolService, Rest: ProtocolTable>: ProtocolTable {
  private let service: Service
  private let rest: Rest

  /// `service`, then `rest`.
  public init(_ service: Service, _ rest: Rest) {
    self.service = service
    self.rest = rest
  }

  /// The service's, or the others'.
  public func versions(of id: ProtocolID) -> ProtocolVersions? {
    id == service.protocolID ? service.versions : rest.versions(of: id)
  }

  /// Serves the call, or lets the others.
  public nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply {
    guard call.id.protocolID == service.protocolID else { return await rest.serve(call) }
    guard service.versions != nil else { return CallReply(.unsupportedProtocol) }
    return await service.serve(call)
  }

  /// Tells all.
  public func forget(_ vcpu: VCPUHandle) {
    service.forget(vcpu)
    rest.forget(vcpu)
  }
}
