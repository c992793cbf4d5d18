// CallBench: the request loop over a scripted guest, and what is measured of it.
import GuestScript
import RequestLoop
import SVSMProtocol
import Seams
import X86

/// The batches, and the loop that serves them.
public struct CallBench: Sendable {
  private let loop: RequestLoop<ScriptedGuest<CallScript>, NoMemoryExchange, CoreOnly>

  /// The loop of CPU 0, whose guest makes every batch's calls, prints their readings by `put` and calls `end`.
  public init(
    now: @escaping () -> UInt64, put: @escaping (UInt8) -> Void, end: @escaping () -> Void
  ) {
    let list = CallScript.area &+ 8
    let query = CallBatch(
      metric: "QUERY_PROTOCOL", id: .queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1), turns: 10_000)
    func pages(_ metric: String, _ count: Int, large: Bool, validate: Bool, turns: UInt64) -> CallBatch {
      CallBatch(
        metric: metric, id: .pvalidate, rcx: list, pages: count, isLarge: large, isValidate: validate,
        turns: turns, operations: UInt64(count))
    }
    let script = CallScript(
      [
        query,
        pages("PVALIDATE 4 KiB, validate", 1, large: false, validate: true, turns: 1),
        pages("PVALIDATE 4 KiB, rescind", 1, large: false, validate: false, turns: 1),
        pages("PVALIDATE 4 KiB, 510 of a list", 510, large: false, validate: true, turns: 1),
        pages("PVALIDATE 4 KiB, 510 rescinded", 510, large: false, validate: false, turns: 1),
        pages("PVALIDATE 2 MiB, 510 of a list", 510, large: true, validate: true, turns: 1),
        pages("PVALIDATE 2 MiB, 510 rescinded", 510, large: true, validate: false, turns: 1),
        pages("PVALIDATE 4 KiB, validate, warm", 1, large: false, validate: true, turns: 1),
        pages("PVALIDATE 4 KiB, rescind, warm", 1, large: false, validate: false, turns: 1),
      ], now: now, put: put, end: end)
    let own = GuestRegion(firstPage: 0, pageCount: 512)
    let memory = GuestRegion(firstPage: CallScript.firstPage >> 12, pageCount: 512 * 512)
    let state = Guest(regions: [own, memory], cpuCount: 1)
    state.pages.assign(own, .valid)
    state.pages.assign(memory, .invalid)
    _ = state.start(
      VCPUContext(PhysicalAddress(CallScript.context)), callingArea: PhysicalAddress(CallScript.area),
      cpu: 0, isStartUp: true)
    loop = RequestLoop(
      cpu: 0, platform: ScriptedGuest(script, script.state), exchange: NoMemoryExchange(), guest: state,
      table: CoreOnly())
  }

  /// Runs until the last batch ends.
  public nonisolated(nonsending) func run() async { await loop.run() }
}
