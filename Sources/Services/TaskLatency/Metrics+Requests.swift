// Metrics+Requests: a guest's request through its calling area, whole and in its parts, served by the request loop.
import GuestScript
import Latency
import RequestLoop
import SVSMProtocol
import Seams
import TaskRuntime
import Tasks
import X86

/// L10: the guest has come back with a call, until it may be entered again.
///
/// The guest is played by a script: no change of world is in any reading, so that what remains is the kernel's part.
final class Request: LatencyMetric, @unchecked Sendable {
  /// Which call.
  enum Call {
    /// QUERY_PROTOCOL of the Core protocol.
    case core
    /// The only call of a protocol from the table of services.
    case null
  }
  /// Which part of it.
  enum Part { case whole, decode, dispatch, handler, reply }

  private let call: Call
  private let part: Part
  private let state = ScriptedState(words: 1)
  private let guest = Guest(regions: [GuestRegion(firstPage: 0, pageCount: 64)], cpuCount: 1)
  private let vcpu: VCPUHandle?

  let number: UInt8 = 10
  init(_ call: Call, _ part: Part) {
    self.call = call
    self.part = part
    guest.pages.assign(GuestRegion(firstPage: 0, pageCount: 64), .valid)
    let isStarted = guest.start(
      VCPUContext(PhysicalAddress(0x1000)), callingArea: PhysicalAddress(0x2000), cpu: 0, isStartUp: true)
    let newest = isStarted ? guest.vcpus.newest(of: 0) : nil
    if let newest, guest.vcpus.adopt(newest, cpu: 0) { vcpu = newest } else { vcpu = nil }
  }

  var key: String {
    let name = call == .core ? "L10/core" : "L10/null"
    switch part {
    case .whole: return name
    case .decode: return name + "/a"
    case .dispatch: return name + "/b"
    case .handler: return name + (call == .core ? "/bc" : "/c")
    case .reply: return name + "/d"
    }
  }
  var title: String {
    let what = call == .core ? "Core query" : "null protocol"
    switch part {
    case .whole: return "request, \(what): exit to entry, scripted guest"
    case .decode: return "request, \(what): exit to decoded"
    case .dispatch: return "request, \(what): decoded to its handler"
    case .handler: return "request, \(what): \(call == .core ? "decoded to replied" : "handler")"
    case .reply: return "request, \(what): reply to entry"
    }
  }
  var canBeCold: Bool { part == .whole }
  var canBeCounted: Bool { part == .whole }
  func missing(_ host: LatencyHost) -> String? { vcpu == nil ? "the scripted guest did not start" : nil }

  private var points: (from: RequestPoint, to: RequestPoint) {
    switch part {
    case .whole: (.exit, .entry)
    case .decode: (.exit, .decoded)
    case .dispatch: (.decoded, .handling)
    case .handler: call == .core ? (.decoded, .replied) : (.handling, .handled)
    case .reply: (call == .core ? .replied : .handled, .entry)
    }
  }

  private var identifier: CallID {
    call == .core ? .queryProtocol : CallID(NullProtocol<NoMarks>.identifier, 0)
  }

  /// Does `count` calls; each must be answered with success and find its calling area cleared.
  private nonisolated(nonsending) func serve<Marks: GuestScript>(
    _ count: UInt64, _ marks: Marks, before: () -> Void, after: () -> Void
  ) async {
    guard let vcpu else { return }
    let area = state.cell(PhysicalAddress(0x2000))
    let loop = RequestLoop(
      cpu: 0, platform: ScriptedGuest(marks, state), exchange: NoMemoryExchange(), guest: guest,
      table: CoreOnly().with(NullProtocol(marks: marks)))
    for _ in 0..<count {
      state.rax.storeRelaxed(identifier.rax)
      // Core's own version 1.
      state.rcx.storeRelaxed(1)
      area.storeRelaxed(1)
      before()
      marks.pass(.exit)
      let service = await loop.serveExit(of: vcpu)
      marks.pass(.entry)
      after()
      if service != .served || state.rax.loadRelaxed() != 0 || area.loadRelaxed() & 0xFF != 0 {
        ThisCPU.fatal("a scripted request was not answered")
      }
    }
  }

  nonisolated(nonsending) func samples(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    if part == .whole {
      await serve(count, NoMarks()) {
        bench.cool()
        bench.start = Stamp.now()
      } after: {
        bench.stop()
      }
      return
    }
    let marks = PartMarks()
    marks.from.storeRelaxed(points.from.rawValue)
    marks.to.storeRelaxed(points.to.rawValue)
    await serve(count, marks) {
    } after: {
      bench.recorder.record(marks.ticks.loadRelaxed())
    }
  }

  nonisolated(nonsending) func operations(_ count: UInt64, _ bench: LatencyBench) async throws(SpawnError) {
    await serve(count, NoMarks()) {
    } after: {
    }
  }
}
