// TDPGuestDriver+Pages: guest pages accepted, aliased for the L2, taken away from it, and given back to the host.
public import Seams
import Synchronization
import TDX
public import X86

/// What PVALIDATE is on a TD: validate = MapGPA(private) and TDG.MEM.PAGE.ACCEPT; rights = the L2's alias; invalidate =
/// MapGPA(shared), after which the host has the page and its contents are lost.
extension TDPGuestDriver {
  /// Looks at another CPU inside the L2 before a flush is given up for this time, and the time that they take at least:
  /// a host may let that CPU run late.
  static var flushPatience: Int { 20_000 }
  static var flushMicroseconds: UInt64 { 250_000 }

  private func level(_ size: GuestPageSize) -> UInt8 { size == .large ? 1 : 0 }

  /// Has the host make the page private, and accepts it; it reads as zero.
  ///
  /// `unchanged`: it was accepted already, by the loader or since; `sizeMismatch`: the module has it in smaller pieces.
  public func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    let conversion = PageConversion(hardware, sharedMask: information.sharedMask)
    do throws(ConversionFailure) {
      try conversion.takeBack(address.rawValue, byteCount: size.byteCount)
    } catch {
      throw .unreachable
    }
    let status = calls.accept(PageOperand(address: address.rawValue, level: level(size)))
    switch status.upper {
    case TDXStatus.success.upper: return
    case TDXStatus.pageAlreadyAccepted.upper: throw .unchanged
    case TDXStatus.pageSizeMismatch.upper: throw .sizeMismatch
    default: throw .unreachable
    }
  }

  /// Makes the page the host's; the L2's alias is gone and nobody uses it.
  public func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    let conversion = PageConversion(hardware, sharedMask: information.sharedMask)
    do throws(ConversionFailure) {
      try conversion.makeShared(address.rawValue, byteCount: size.byteCount)
    } catch {
      throw .unreachable
    }
  }

  /// An alias with every right (reference tdx.md B.4, G.45).
  public func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try alias(address, size, .full)
  }

  /// No alias (G.47); the caller flushes.
  public func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try alias(address, size, [])
  }

  private func alias(
    _ address: PhysicalAddress, _ size: GuestPageSize, _ rights: GPAAttributes
  ) throws(PageFailure) {
    let status = calls.writeAttributes(
      PageOperand(address: address.rawValue, level: level(size)), vm: fields.vm, rights)
    if status.statusClass == .success { return }
    guard size == .large, status.upper == TDXStatus.pageSizeMismatch.upper else { throw .unreachable }
    for offset in stride(from: UInt64(0), to: size.byteCount, by: Int(Frame.bytes)) {
      let page = PageOperand(address: address.rawValue &+ offset, level: 0)
      guard calls.writeAttributes(page, vm: fields.vm, rights).statusClass == .success else {
        throw .unreachable
      }
    }
  }

  /// Whether no vCPU can use rights that were taken away before: each has flushed since, or is outside and flushes as
  /// it enters (G.50, G.73).
  ///
  /// A host that delivers no interrupts can keep a CPU inside: then this says no, after a bounded wait.
  public func flushReductions() -> Bool {
    let wanted = rights.generation.add(1, ordering: .sequentiallyConsistent).newValue
    // All are kicked before any is waited for.
    var isDone = true
    for processor in processors where !hasSeen(wanted, processor) {
      kick(processor.cpu)
      isDone = false
    }
    if isDone { return true }
    let clock = TDPClock(hardware)
    let end = clock.now().advanced(by: clock.ticks(microseconds: Self.flushMicroseconds))
    var looks = 0
    for processor in processors where !wait(for: wanted, processor, until: end, &looks) { return false }
    return true
  }

  private func wait(
    for wanted: UInt64, _ processor: L2Processor, until end: Instant, _ looks: inout Int
  ) -> Bool {
    let clock = TDPClock(hardware)
    while !hasSeen(wanted, processor) {
      guard looks < Self.flushPatience || clock.now() < end else { return false }
      hardware.pause()
      looks &+= 1
    }
    return true
  }

  // Outside, or entered after a look at the generation: then with a flush, or it is not inside at all (G.64).
  private func hasSeen(_ wanted: UInt64, _ processor: L2Processor) -> Bool {
    let word = processor.isInside.load(ordering: .sequentiallyConsistent)
    return word == 0 || word >= wanted &+ 2
  }

  /// Zeros.
  public func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {
    guard address < window.limit, byteCount <= window.limit.rawValue &- address.rawValue else {
      throw GuestMemoryFault()
    }
    window.zero(address, count: byteCount)
  }

  /// All of it is ordinary memory, or the module would not have accepted it.
  public func isClearable(_ address: PhysicalAddress) -> Bool { true }
}
