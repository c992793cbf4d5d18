// ScriptedGuest: a guest that is a script: each entry notes the time, writes the next call's registers and comes back.
import SVSMProtocol
import Seams
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

/// The platform: registers and a page of memory in words; pages change hands without any work.
///
/// Unchecked: one CPU.
final class ScriptedGuest: GuestPlatform, @unchecked Sendable {
  static let area: UInt64 = 0x1000
  static let state: UInt64 = 0x2000
  static let firstPage: UInt64 = 0x4000_0000

  private let now: () -> UInt64
  private let put: (UInt8) -> Void
  private let end: () -> Void
  private let registers = SharedWords(count: 16)
  private let memory = SharedWords(count: 512)
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

  // MARK: Entry

  func holdWakes() {}
  func releaseWakes() {}
  func halt(until deadline: UInt64?) { end() }
  func flush() {}

  func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    let passed = now() &- started &- empty
    if batch >= 0 { note(passed) }
    prepare()
    started = now()
    return .returned
  }

  private var next: UInt64 { memory[1].loadRelaxed() >> 16 & 0xFFFF }

  private func note(_ passed: UInt64) {
    ticks &+= passed
    longest = max(longest, passed)
    calls &+= 1
    let result = ResultCode(rawValue: UInt32(truncatingIfNeeded: registers[0].loadRelaxed()))
    if result == .incomplete { return }
    if result != .success || memory[0].loadRelaxed() & 0xFF != 0 { failures &+= 1 }
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
        memory[2 &+ index].storeRelaxed(
          PValidateEntry.encode(
            address: Self.firstPage &+ UInt64(index) &* size, is2M: current.isLarge,
            isValidate: current.isValidate, ignoresCarry: false))
      }
      memory[1].storeRelaxed(UInt64(current.pages))
    }
    registers[0].storeRelaxed(current.id.rax)
    registers[1].storeRelaxed(current.rcx)
    memory[0].storeRelaxed(1)
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

  // MARK: Registers

  func closeGate(_ context: VCPUContext) -> Bool {
    registers[8].storeRelaxed(registers[8].loadRelaxed() & ~0x1000)
    return true
  }
  func openGate(_ context: VCPUContext) {
    registers[8].storeRelaxed(registers[8].loadRelaxed() | 0x1000)
  }
  func exitedByCall(_ context: VCPUContext) -> Bool { registers[9].loadRelaxed() == 0 }
  func callRegisters(_ context: VCPUContext) -> CallRegisters {
    CallRegisters(
      rax: registers[0].loadRelaxed(), rcx: registers[1].loadRelaxed(), rdx: registers[2].loadRelaxed(),
      r8: registers[3].loadRelaxed(), r9: registers[4].loadRelaxed())
  }
  func write(_ reply: CallReply, to context: VCPUContext) {
    registers[0].storeRelaxed(UInt64(reply.result))
    if let value = reply.rcx { registers[1].storeRelaxed(value) }
    if let value = reply.rdx { registers[2].storeRelaxed(value) }
    if let value = reply.r8 { registers[3].storeRelaxed(value) }
  }

  // MARK: Memory: one page, whichever is named

  private func cell(_ address: PhysicalAddress) -> AtomicCell {
    memory[Int(truncatingIfNeeded: address.rawValue >> 3 & 511)]
  }
  func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 { cell(address).loadRelaxed() }
  func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    cell(address).storeRelaxed(value)
  }
  private func store(_ value: UInt64, mask: UInt64, _ address: PhysicalAddress) {
    let shift = (address.rawValue & 7) &* 8
    let cell = cell(address)
    cell.storeRelaxed(cell.loadRelaxed() & ~(mask << shift) | value << shift)
  }
  func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    store(UInt64(value), mask: 0xFFFF, address)
  }
  func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    store(UInt64(value), mask: 0xFF, address)
  }
  func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault) {
    throw GuestMemoryFault()
  }
  func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    throw GuestMemoryFault()
  }

  // MARK: Pages and vCPUs

  func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func flushReductions() -> Bool { true }
  func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {}
  func isClearable(_ address: PhysicalAddress) -> Bool { true }

  var guestCreatesVCPUs: Bool { false }
  func processor(apicID: UInt32) -> CPUIndex? { nil }
  func makeContext(_ context: VCPUContext) throws(VCPUFailure) { throw .contents }
  func unmakeContext(_ context: VCPUContext) throws(PageFailure) {}
}
