// CoreService: the Core protocol, which every SVSM serves.
public import SVSMProtocol
public import Seams
import X86

/// How a call ended.
public enum CallOutcome: Equatable, Sendable {
  /// It is answered.
  case reply(CallReply)
  /// REMAP_CA succeeded: answer SUCCESS, clear the call at the calling area before, and forget that.
  case remapped(from: UInt64)
  /// The caller deleted itself: there is nobody to answer.
  case ended
}

/// The Core protocol, version 1.
///
/// Source: AMD 58019, 6 (reference snp-svsm.md A.6, with the rules of A.12).
public struct CoreService<Platform: GuestPlatform, Exchange: MemoryExchange & Sendable>: Sendable {
  /// The versions served.
  public static var versions: ProtocolVersions { ProtocolVersions(minimum: 1, maximum: 1) }

  let platform: Platform
  let exchange: Exchange
  let guest: Guest
  let buffer: GuestBuffer<Platform>
  /// The guest's pages, by a reference of the service's own: one through `guest` is retained and released at each use.
  var pages: PageStates { buffer.states }

  /// Core for `guest`, over the platform and the kernel's stock of pages.
  public init(platform: Platform, exchange: Exchange, guest: Guest) {
    self.platform = platform
    self.exchange = exchange
    self.guest = guest
    buffer = GuestBuffer(platform: platform, states: guest.pages)
  }

  /// Serves one call of Core that is done at once; nil for one that may have to wait (`serve`).
  @inline(__always) public func serveAtOnce<Table: ProtocolTable>(
    _ call: GuestCall, _ table: Table
  ) -> CallOutcome? {
    switch call.id {
    case .queryProtocol: return .reply(queryProtocol(rcx: call.registers.rcx, table))
    case .remapCallingArea: return remapCallingArea(call)
    case .pvalidate: return pvalidateAtOnce(call).map { .reply($0) }
    case .depositMemory, .withdrawMemory: return nil
    default: return serveRare(call, table)
    }
  }

  @inline(never) private func serveRare<Table: ProtocolTable>(_ call: GuestCall, _ table: Table)
    -> CallOutcome
  {
    switch call.id {
    case .createVCPU: return .reply(createVCPU(call))
    case .deleteVCPU: return deleteVCPU(call, table)
    case .configureVTOM: return .reply(configureVTOM(call))
    default: return .reply(CallReply(.unsupportedCall))
    }
  }

  /// Serves one call of Core that `serveAtOnce` leaves over.
  public nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply {
    switch call.id {
    case .pvalidate: return await pvalidate(call)
    case .depositMemory: return await depositMemory(call)
    case .withdrawMemory: return await withdrawMemory(call)
    default: return CallReply(.unsupportedCall)
    }
  }

  /// QUERY_PROTOCOL (D.78 to D.80).
  @inline(__always) func queryProtocol<Table: ProtocolTable>(rcx: UInt64, _ table: Table) -> CallReply {
    let query = ProtocolQuery(rcx: rcx)
    let versions = query.protocolID == .core ? Self.versions : table.versions(of: query.protocolID)
    return CallReply(
      result: ResultCode.success.rawValue, rcx: versions?.answer(version: query.version) ?? 0)
  }

  /// vTOM is not supported: the query says so, a configuration is INVALID_REQUEST (D.81, D.82).
  private func configureVTOM(_ call: GuestCall) -> CallReply {
    do throws(ResultCode) {
      switch try VTOMRequest(rcx: call.registers.rcx) {
      case .query: return CallReply(result: ResultCode.success.rawValue, rcx: 0)
      case .configure: return CallReply(.invalidRequest)
      }
    } catch {
      return CallReply(error)
    }
  }

  /// REMAP_CA: touches the states of the two pages and nothing else.
  ///
  /// Rule: reference A.6 call 0, D.16 to D.23.
  private func remapCallingArea(_ call: GuestCall) -> CallOutcome {
    let address = call.registers.rcx
    guard address & 0xFFF == 0 else { return .reply(CallReply(.invalidParameter)) }
    let old = guest.vcpus.callingArea(call.vcpu)
    if old.rawValue == address { return .reply(CallReply(.success)) }
    let new = PhysicalAddress(address)
    let found = guest.pages.takeAsCallingArea(new)
    guard found.asCallingArea != nil else {
      return .reply(CallReply(found == .claimed ? .busy : .invalidAddress))
    }
    do throws(GuestMemoryFault) {
      try platform.storeWord(0, new)
    } catch {
      guest.pages.releaseCallingArea(new)
      return .reply(CallReply(.invalidAddress))
    }
    guest.vcpus.setCallingArea(new, of: call.vcpu)
    return .remapped(from: old.rawValue)
  }
}

extension ResultCode {
  /// What a call on a page answers for a platform's failure (reference A.6, PVALIDATE's errors).
  @inline(__always) init(_ failure: PageFailure) {
    switch failure {
    case .unchanged: self = .pvalidateUnchanged
    case .sizeMismatch: self = .pvalidateSizeMismatch
    case .inUse: self = .pvalidateFailed(3)
    case .refused(let code): self = .pvalidateFailed(UInt32(code))
    case .unreachable: self = .invalidAddress
    }
  }
}
