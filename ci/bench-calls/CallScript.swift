// CallScript: a guest whose every entry notes the time and writes the next call's registers.
import GuestScript
import SVSMProtocol
import Tasks
import X86

/// One measured kind of call.
struct CallBatch {
  let metric: String
  /// The call, and the argument in RCX.
  let id: CallID
  let rcx: UInt64
  /// Entries of the list at the calling area's offset 8: first page, whether 2 MiB, whether validated.
  var pages = 0
  var isLarge = false
  var isValidate = true
  /// How often the whole is made.
  var turns: UInt64 = 1
  /// Operations of one turn.
  var operations: UInt64 = 1
}

/// Makes every batch's calls, the readings between.
///
/// Unchecked: one CPU.
final class CallScript: GuestScript, @unchecked Sendable {
  static let area: UInt64 = 0x1000
  static let context: UInt64 = 0x2000
  static let firstPage: UInt64 = 0x4000_0000

  /// The vCPU's registers and its only page.
  let state = ScriptedState(words: 512)

  private let now: () -> UInt64
  private let put: (UInt8) -> Void
  private let end: () -> Void
  private let batches: [CallBatch]
  private var batch = -1
  private var turn: UInt64 = 0
  private var calls: UInt64 = 0
  private var ticks: UInt64 = 0
  private var longest: UInt64 = 0
  private var empty: UInt64 = 0
  private var started: UInt64 = 0
  private var failures: UInt64 = 0

  init(
    _ batches: [CallBatch], now: @escaping () -> UInt64, put: @escaping (UInt8) -> Void,
    end: @escaping () -> Void
  ) {
    self.batches = batches
    self.now = now
    self.put = put
    self.end = end
    let before = now()
    empty = now() &- before
  }

  func halt() { end() }
  @inline(__always) func pass(_ point: RequestPoint) {}

  func enter() {
    let passed = now() &- started &- empty
    if batch >= 0 { note(passed) }
    prepare()
    started = now()
  }

  // A word of the calling area, or of the list behind it.
  private func word(_ index: Int) -> PhysicalAddress { PhysicalAddress(Self.area &+ UInt64(index) &* 8) }
  private func load(_ index: Int) -> UInt64 { state.cell(word(index)).loadRelaxed() }
  private func store(_ index: Int, _ value: UInt64) { state.cell(word(index)).storeRelaxed(value) }
  private var next: UInt64 { load(1) >> 16 & 0xFFFF }

  private func note(_ passed: UInt64) {
    ticks &+= passed
    longest = max(longest, passed)
    calls &+= 1
    let result = ResultCode(rawValue: UInt32(truncatingIfNeeded: state.rax.loadRelaxed()))
    if result == .incomplete { return }
    if result != .success || load(0) & 0xFF != 0 { failures &+= 1 }
    turn &+= 1
  }

  private func prepare() {
    if batch < 0 { line("{\"metric\":\"empty loop\",\"count\":1,\"operations\":1,\"ticks\":0}") }
    if batch < 0 || turn == batches[batch].turns {
      if batch >= 0 { report() }
      batch &+= 1
      turn = 0
      calls = 0
      ticks = 0
      longest = 0
      guard batch < batches.count else {
        line("-----END APUS BENCH-----")
        end()
        return
      }
    }
    let current = batches[batch]
    // A list is written anew for each turn, and gone on with after INCOMPLETE.
    if current.pages > 0, calls == 0 || next == UInt64(current.pages) {
      for index in 0..<current.pages {
        let size: UInt64 = current.isLarge ? 0x20_0000 : 0x1000
        store(
          2 &+ index,
          PValidateEntry.encode(
            address: Self.firstPage &+ UInt64(index) &* size, is2M: current.isLarge,
            isValidate: current.isValidate, ignoresCarry: false))
      }
      store(1, UInt64(current.pages))
    }
    state.rax.storeRelaxed(current.id.rax)
    state.rcx.storeRelaxed(current.rcx)
    store(0, 1)
  }

  private func report() {
    let current = batches[batch]
    write("{\"metric\":\"")
    write(current.metric)
    write("\",\"count\":1,\"operations\":")
    write(current.turns &* current.operations)
    write(",\"ticks\":")
    write(ticks)
    write(",\"calls\":")
    write(calls)
    write(",\"longest\":")
    write(longest)
    write(",\"failures\":")
    write(failures)
    line("}")
  }

  private func write(_ text: String) {
    let bytes = text.utf8Span.span
    for index in bytes.indices { put(bytes[index]) }
  }
  private func write(_ value: UInt64) {
    if value >= 10 { write(value / 10) }
    put(UInt8(truncatingIfNeeded: value % 10) &+ 0x30)
  }
  private func line(_ text: String) {
    write(text)
    put(0x0A)
  }
}
