// GHCB: one exchange with the host, by MSR or by page: filled, exited, copied out, wiped; never nested.
import SNP
public import Seams
import X86

/// An event and its inputs; what is nil is neither written nor marked valid.
public struct GHCBRequest: Sendable {
  /// The event.
  public var event: NAEEvent
  /// SW_EXITINFO1.
  public var info1: UInt64
  /// SW_EXITINFO2.
  public var info2: UInt64
  /// RAX.
  public var rax: UInt64?
  /// RBX.
  public var rbx: UInt64?
  /// RCX.
  public var rcx: UInt64?
  /// RDX.
  public var rdx: UInt64?
  /// CPL and XCR0, for the events that ask for them.
  public var cpl: UInt64?
  /// XCR0.
  public var xcr0: UInt64?
  /// The first word of the shared buffer, with SW_SCRATCH pointing there.
  public var buffer: UInt64?

  /// An event with its two information words.
  public init(_ event: NAEEvent, info1: UInt64 = 0, info2: UInt64 = 0) {
    self.event = event
    self.info1 = info1
    self.info2 = info2
  }
}

/// What the host left, copied out once.
public struct GHCBReply: Equatable, Sendable {
  /// SW_EXITINFO2.
  public var info2: UInt64 = 0
  /// RAX; nil if the host did not mark it valid, and so for the others.
  public var rax: UInt64?
  /// RBX.
  public var rbx: UInt64?
  /// RCX.
  public var rcx: UInt64?
  /// RDX.
  public var rdx: UInt64?
  /// The first word of the shared buffer.
  public var buffer: UInt64 = 0
}

/// Why an exchange gave nothing.
public enum GHCBError: Error, Equatable, Sendable {
  /// The host reports this error (`GHCBResult`).
  case refused(UInt64)
  /// The host asks for this exception, which is #GP or #UD.
  case exception(EventInjection)
  /// The answer is none of those that the protocol has.
  case malformed
  /// This CPU has no registered GHCB yet.
  case notRegistered
}

/// Exchanges of the calling CPU.
///
/// *Discipline* (design.md): synchronous, never awaiting, never nested; the #HV handler makes none; a #VC while one is
/// open is the end. The CPU's own word 0 says whether one is open and where the page is.
public struct GHCB<Hardware: SNPHardware>: Sendable {
  let hardware: Hardware

  /// Exchanges on `hardware`.
  public init(_ hardware: Hardware) { self.hardware = hardware }

  // Own word 0: the page's address, bit 0 an open exchange.
  private static var word: Int { 0 }
  private static var open: UInt64 { 1 }

  /// Whether an exchange of this CPU is open.
  public var isOpen: Bool { hardware.ownWord(Self.word) & Self.open != 0 }
  /// This CPU's registered page.
  public var page: PhysicalAddress? {
    let address = hardware.ownWord(Self.word) & ~0xFFF
    return address == 0 ? nil : PhysicalAddress(address)
  }

  private func begin() {
    if isOpen { hardware.terminate(.general) }
    hardware.setOwnWord(Self.word, hardware.ownWord(Self.word) | Self.open)
  }

  private func end() { hardware.setOwnWord(Self.word, hardware.ownWord(Self.word) & ~Self.open) }

  /// Gives up whatever exchange is open: for a dying kernel, which goes on with the page as it finds it.
  public func abandon() { end() }

  /// One exchange through the MSR.
  public func message(_ request: GHCBMSR) -> GHCBMSR {
    begin()
    let answer = hardware.exchange(request.rawValue)
    end()
    return GHCBMSR(rawValue: answer)
  }

  /// Runs `body`, which writes the MSR and exits, as one exchange.
  func guarded(_ body: () -> UInt64) -> UInt64 {
    begin()
    let answer = body()
    end()
    return answer
  }

  /// Registers `page`, which the host can reach, as this CPU's GHCB; false if the host refuses (reference B.4).
  public func register(_ page: PhysicalAddress) -> Bool {
    let number = page.rawValue >> 12
    let answer = message(GHCBMSR(.registerRequest, operand: number))
    guard answer.code == .registerResponse, answer.operand == number else { return false }
    hardware.setOwnWord(Self.word, page.rawValue & ~0xFFF)
    for offset in stride(from: 0, to: GHCBPage.byteCount, by: 8) {
      hardware.storeShared(page.advanced(by: UInt64(offset)), 0)
    }
    return true
  }

  /// One exchange through the page (reference B.5).
  public func perform(_ request: GHCBRequest) throws(GHCBError) -> GHCBReply {
    guard let page else { throw .notRegistered }
    begin()
    fill(page, request)
    _ = hardware.exchange(page.rawValue)
    let result = collect(page)
    wipe(page)
    end()
    return try result.get()
  }

  private func fill(_ page: PhysicalAddress, _ request: GHCBRequest) {
    var valid: (low: UInt64, high: UInt64) = (0, 0)
    func put(_ offset: Int, _ value: UInt64?) {
      guard let value, let bit = GHCBPage.validBit(offset) else { return }
      hardware.storeShared(page.advanced(by: UInt64(offset)), value)
      if bit < 64 { valid.low |= 1 << UInt64(bit) } else { valid.high |= 1 << UInt64(bit - 64) }
    }
    put(GHCBPage.rax, request.rax)
    put(GHCBPage.rbx, request.rbx)
    put(GHCBPage.rcx, request.rcx)
    put(GHCBPage.rdx, request.rdx)
    put(GHCBPage.xcr0, request.xcr0)
    // CPL is one byte; the word around it belongs to no other input.
    put(GHCBPage.cpl & ~7, request.cpl.map { ($0 & 3) << UInt64(8 * (GHCBPage.cpl & 7)) })
    if let buffer = request.buffer {
      let place = page.advanced(by: UInt64(GHCBPage.sharedBuffer))
      hardware.storeShared(place, buffer)
      put(GHCBPage.scratch, place.rawValue)
    }
    put(GHCBPage.exitCode, request.event.rawValue)
    put(GHCBPage.exitInfo1, request.info1)
    put(GHCBPage.exitInfo2, request.info2)
    hardware.storeShared(page.advanced(by: UInt64(GHCBPage.validBitmap)), valid.low)
    hardware.storeShared(page.advanced(by: UInt64(GHCBPage.validBitmap + 8)), valid.high)
    // Version 2, usage 0.
    hardware.storeShared(page.advanced(by: 0xFF8), UInt64(2) << 16)
  }

  private func collect(_ page: PhysicalAddress) -> Result<GHCBReply, GHCBError> {
    let low = hardware.loadShared(page.advanced(by: UInt64(GHCBPage.validBitmap)))
    let high = hardware.loadShared(page.advanced(by: UInt64(GHCBPage.validBitmap + 8)))
    func take(_ offset: Int) -> UInt64? {
      guard let bit = GHCBPage.validBit(offset) else { return nil }
      let word = bit < 64 ? low : high
      guard word >> UInt64(bit & 63) & 1 == 1 else { return nil }
      return hardware.loadShared(page.advanced(by: UInt64(offset)))
    }
    guard let info1 = take(GHCBPage.exitInfo1), let info2 = take(GHCBPage.exitInfo2) else {
      return .failure(.malformed)
    }
    switch info1 & 0xFFFF_FFFF {
    case GHCBResult.success:
      let place = page.advanced(by: UInt64(GHCBPage.sharedBuffer))
      return .success(
        GHCBReply(
          info2: info2, rax: take(GHCBPage.rax), rbx: take(GHCBPage.rbx), rcx: take(GHCBPage.rcx),
          rdx: take(GHCBPage.rdx), buffer: hardware.loadShared(place)))
    case GHCBResult.injectException:
      let event = EventInjection(rawValue: info2)
      let isKnown =
        event.isValid && event.kind == .exception
        && (event.vector == Vector.generalProtection || event.vector == Vector.invalidOpcode)
      return .failure(isKnown ? .exception(event) : .malformed)
    case GHCBResult.error: return .failure(.refused(info2))
    default: return .failure(.malformed)
    }
  }

  // Nothing of a request or an answer stays for the next one to leak or to trust.
  private func wipe(_ page: PhysicalAddress) {
    let offsets: [7 of Int] = [
      GHCBPage.rax, GHCBPage.rbx, GHCBPage.rcx, GHCBPage.rdx, GHCBPage.sharedBuffer, GHCBPage.validBitmap,
      GHCBPage.validBitmap + 8,
    ]
    for index in offsets.indices { hardware.storeShared(page.advanced(by: UInt64(offsets[index])), 0) }
  }
}
