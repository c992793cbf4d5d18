// ScriptedGuest: a guest in the kernel's own memory, for what the request loop costs without a change of world.
import RequestLoop
import SVSMProtocol
import Seams
import Tasks
import X86

/// Where the parts of a request meet (runtime.md §6, L10).
enum RequestPoint: UInt64 {
  /// The guest has come back with a call.
  case exit = 1
  /// Its registers are copied.
  case decoded
  /// Its protocol's handler begins.
  case handling
  /// The handler has its reply.
  case handled
  /// The guest may be entered again.
  case entry
}

/// What is done when a request passes a point.
protocol RequestMarks: Sendable {
  func pass(_ point: RequestPoint)
}

/// Nothing: for the whole, and for instructions.
struct NoMarks: RequestMarks {
  @inline(__always) func pass(_ point: RequestPoint) {}
}

/// Takes the time from one point to another: one pair of stamps in each request, as in every other reading.
struct PartMarks: RequestMarks {
  /// Words: the first point, the second, the stamp at the first, the ticks between.
  let from: AtomicCell
  let to: AtomicCell
  let start: AtomicCell
  let ticks: AtomicCell

  init(_ words: SharedWords) {
    from = words[0]
    to = words[1]
    start = words[2]
    ticks = words[3]
  }

  @inline(__always) func pass(_ point: RequestPoint) {
    if to.loadRelaxed() == point.rawValue { ticks.storeRelaxed(Stamp.now() &- start.loadRelaxed()) }
    if from.loadRelaxed() == point.rawValue { start.storeRelaxed(Stamp.now()) }
  }
}

/// One vCPU whose calling area and registers are a few words; everything that a request loop asks of a platform besides is
/// answered with what changes nothing.
struct ScriptedGuest<Marks: RequestMarks>: GuestPlatform {
  let marks: Marks
  /// The calling area, and the call's RAX and RCX.
  let area: AtomicCell
  let rax: AtomicCell
  let rcx: AtomicCell
  /// The reply's RAX.
  let result: AtomicCell

  init(_ marks: Marks, _ words: SharedWords) {
    self.marks = marks
    area = words[8]
    rax = words[9]
    rcx = words[10]
    result = words[11]
  }

  func holdWakes() {}
  func releaseWakes() {}
  func halt(until deadline: UInt64?) {}
  func flush() {}
  func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit { .returned }

  @inline(__always) func closeGate(_ context: VCPUContext) -> Bool { true }
  @inline(__always) func openGate(_ context: VCPUContext) {}
  @inline(__always) func exitedByCall(_ context: VCPUContext) -> Bool { true }
  @inline(__always) func callRegisters(_ context: VCPUContext) -> CallRegisters {
    let registers = CallRegisters(rax: rax.loadRelaxed(), rcx: rcx.loadRelaxed(), rdx: 0, r8: 0, r9: 0)
    marks.pass(.decoded)
    return registers
  }
  @inline(__always) func write(_ reply: CallReply, to context: VCPUContext) {
    // Core has no table in front: what it took is known when its reply is written.
    if rax.loadRelaxed() >> 32 == 0 { marks.pass(.handled) }
    result.storeRelaxed(UInt64(reply.result))
    rcx.storeRelaxed(reply.rcx ?? rcx.loadRelaxed())
  }

  @inline(__always) func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 {
    area.loadRelaxed()
  }
  func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {}
  func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {}
  @inline(__always) func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    area.storeRelaxed(area.loadRelaxed() & ~0xFF | UInt64(value))
  }
  func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault) {}
  func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {}

  func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func flushReductions() -> Bool { true }
  func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {}
  func isClearable(_ address: PhysicalAddress) -> Bool { false }

  var guestCreatesVCPUs: Bool { false }
  func processor(apicID: UInt32) -> CPUIndex? { nil }
  func makeContext(_ context: VCPUContext) throws(VCPUFailure) { throw .contents }
  func unmakeContext(_ context: VCPUContext) throws(PageFailure) {}
}

/// No pages change hands.
struct NoExchange: MemoryExchange, Sendable {
  static var isSupported: Bool { false }
  func deposit(_ address: PhysicalAddress, pageCount: Int) -> Bool { false }
  func withdraw() -> PhysicalAddress? { nil }
  func returnWithdrawn(_ address: PhysicalAddress) {}
  var hasSpare: Bool { false }
}

/// A protocol whose only call answers at once: a handler that is all overhead.
struct NullProtocol<Marks: RequestMarks>: ProtocolService {
  static var identifier: ProtocolID { ProtocolID(rawValue: 0x4150) }
  let marks: Marks
  var protocolID: ProtocolID { Self.identifier }
  var versions: ProtocolVersions? { ProtocolVersions(minimum: 1, maximum: 1) }
  nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply {
    marks.pass(.handling)
    defer { marks.pass(.handled) }
    return CallReply(.success)
  }
}
