// RequestScript: the guest and the protocol of L10's requests, and the time from one point of them to another.
import GuestScript
import RequestLoop
import SVSMProtocol
import Seams
import Tasks

/// Requests made from outside: nothing is done when one passes a point, for the whole and for instructions.
struct NoMarks: GuestScript {
  func enter() {}
  func halt() {}
  @inline(__always) func pass(_ point: RequestPoint) {}
}

/// Takes the time from one point to another: one pair of stamps in each request, as in every other reading.
struct PartMarks: GuestScript {
  /// Words: the first point, the second, the stamp at the first, the ticks between.
  let from: AtomicCell
  let to: AtomicCell
  let start: AtomicCell
  let ticks: AtomicCell
  // They live as long as this.
  private let words = SharedWords(count: 4)

  init() {
    from = words[0]
    to = words[1]
    start = words[2]
    ticks = words[3]
  }

  func enter() {}
  func halt() {}
  @inline(__always) func pass(_ point: RequestPoint) {
    if to.loadRelaxed() == point.rawValue { ticks.storeRelaxed(Stamp.now() &- start.loadRelaxed()) }
    if from.loadRelaxed() == point.rawValue { start.storeRelaxed(Stamp.now()) }
  }
}

/// A protocol whose only call answers at once: a handler that is all overhead.
struct NullProtocol<Marks: GuestScript>: ProtocolService {
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
