// Doorbell: the page by which the host tells of events, its drain, and the rest that an event ends.
import SNP
public import Seams
import X86

/// The calling CPU's #HV doorbell (reference snp-svsm.md B.5.3; design.md "GHCB and #HV discipline").
///
/// The handler only notes an event, or cancels the rest that it interrupted. no_further_signal is cleared nowhere but
/// in `drain`, so between two drains the host signals at most once, and the word itself says that it did.
public struct Doorbell<Hardware: SNPHardware>: Sendable {
  private let hardware: Hardware
  private let pages: SharedPages
  /// Bits of the first word that end a rest: vector, NMI, machine check, no_further_signal.
  public static var pending: UInt32 { 0x83FF }

  /// The doorbells among `pages`.
  public init(_ hardware: Hardware, _ pages: SharedPages) {
    self.hardware = hardware
    self.pages = pages
  }

  private var word: PhysicalAddress? { pages.doorbell(of: hardware.cpu) }

  /// Tells the host where this CPU's page is; false if the host refuses.
  public func install(_ ghcb: GHCB<Hardware>) -> Bool {
    guard let word else { return false }
    for offset in stride(from: UInt64(0), to: Frame.bytes, by: 8) {
      hardware.storeShared(word.advanced(by: offset), 0)
    }
    let request = GHCBRequest(.doorbell, info1: 1, info2: word.rawValue)
    guard let reply = try? ghcb.perform(request) else { return false }
    return reply.info2 == word.rawValue
  }

  /// Whether an event was signalled since the last drain.
  public var isPending: Bool {
    guard let word else { return false }
    return hardware.loadShared32(word) & Self.pending != 0
  }

  /// Takes what the host has noted: first lets it signal again, then consumes the vector, so that an event between
  /// the two is signalled anew; answers what was there.
  public func drain() -> DoorbellWord {
    guard let word else { return DoorbellWord(rawValue: 0) }
    var taken = DoorbellWord(rawValue: 0)
    // no_further_signal, NMI and machine check in one exchange.
    let head = change(word) { $0 & ~0x8300 }
    taken.isNMIPending = head & 1 << 8 != 0
    taken.isMachineCheckPending = head & 1 << 9 != 0
    let after = change(word) { $0 & ~0xFF }
    taken.vector = UInt8(truncatingIfNeeded: after)
    return taken
  }

  // The host may change the word meanwhile, but not for ever: after `patience` rounds its word is left as it is.
  private func change(_ word: PhysicalAddress, _ body: (UInt32) -> UInt32) -> UInt32 {
    var old = hardware.loadShared32(word)
    for _ in 0..<1000 {
      let found = hardware.exchangeShared(word, expected: old, with: body(old))
      if found == old { return old }
      old = found
    }
    return old
  }

  /// Rests until an event; one that came before ends the rest at once.
  public func rest() {
    guard let word else { return }
    hardware.halt(unless: word, has: Self.pending)
    _ = drain()
  }
}

/// The idle task's rest under SNP: #HV takes no notice of RFLAGS.IF, so the doorbell's word closes the window.
public struct SNPHalter<Hardware: SNPHardware>: Halter, Sendable {
  private let doorbell: Doorbell<Hardware>
  private let flushOwn: @Sendable () -> Void

  /// A rest at `doorbell`; `flush` empties this CPU's TLB.
  public init(_ doorbell: Doorbell<Hardware>, flush: @escaping @Sendable () -> Void) {
    self.doorbell = doorbell
    flushOwn = flush
  }

  /// Nothing to hold: an event that comes from here on stays in the doorbell's word.
  public func holdWakes() {}
  /// Takes what came.
  public func releaseWakes() { _ = doorbell.drain() }
  /// Rests; there are no deadlines, because the clock can't interrupt.
  public func halt(until deadline: UInt64?) { doorbell.rest() }
  /// Empties the TLB.
  public func flush() { flushOwn() }
}
