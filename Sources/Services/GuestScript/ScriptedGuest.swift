// ScriptedGuest: a platform whose guest is a script: what the request loop costs without a change of world.
import RequestLoop
import SVSMProtocol
import Seams
import Tasks
import X86

/// One vCPU whose registers and memory are words; everything that a request loop asks of a platform besides is answered
/// with what changes nothing, so that neither the switch nor the platform's instructions are in any reading.
public struct ScriptedGuest<Script: GuestScript>: GuestPlatform {
  private static var svme: UInt64 { 1 << 12 }

  private let script: Script
  private let state: ScriptedState

  /// The guest that `script` plays in `state`.
  public init(_ script: Script, _ state: ScriptedState) {
    self.script = script
    self.state = state
  }

  // MARK: Entry

  public func holdWakes() {}
  public func releaseWakes() {}
  public func halt(until deadline: UInt64?) { script.halt() }
  public func flush() {}
  @inline(__always) public func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    script.enter()
    return .returned
  }

  // MARK: Registers

  @inline(__always) public func closeGate(_ context: VCPUContext) -> Bool {
    state.efer.storeRelaxed(state.efer.loadRelaxed() & ~Self.svme)
    return true
  }
  @inline(__always) public func openGate(_ context: VCPUContext) {
    state.efer.storeRelaxed(state.efer.loadRelaxed() | Self.svme)
  }
  @inline(__always) public func exitedByCall(_ context: VCPUContext) -> Bool { true }
  @inline(__always) public func callRegisters(_ context: VCPUContext) -> CallRegisters {
    let registers = CallRegisters(
      rax: state.rax.loadRelaxed(), rcx: state.rcx.loadRelaxed(), rdx: state.rdx.loadRelaxed(),
      r8: state.r8.loadRelaxed(), r9: state.r9.loadRelaxed())
    script.pass(.decoded)
    return registers
  }
  @inline(__always) public func write(_ reply: CallReply, to context: VCPUContext) {
    state.rax.storeRelaxed(UInt64(reply.result))
    if let value = reply.rcx { state.rcx.storeRelaxed(value) }
    if let value = reply.rdx { state.rdx.storeRelaxed(value) }
    if let value = reply.r8 { state.r8.storeRelaxed(value) }
    script.pass(.replied)
  }

  // MARK: Memory

  @inline(__always)
  public func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 {
    state.cell(address).loadRelaxed()
  }
  public func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    state.cell(address).storeRelaxed(value)
  }
  public func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    state.store(UInt64(value), mask: 0xFFFF, address)
  }
  @inline(__always)
  public func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    state.store(UInt64(value), mask: 0xFF, address)
  }
  public func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault)
  {
    throw GuestMemoryFault()
  }
  public func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    throw GuestMemoryFault()
  }

  // MARK: Pages and vCPUs

  public func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  public func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  public func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  public func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  public func flushReductions() -> Bool { true }
  public func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {}
  public func isClearable(_ address: PhysicalAddress) -> Bool { true }

  public var guestCreatesVCPUs: Bool { false }
  public func processor(apicID: UInt32) -> CPUIndex? { nil }
  public func makeContext(_ context: VCPUContext) throws(VCPUFailure) { throw .contents }
  public func unmakeContext(_ context: VCPUContext) throws(PageFailure) {}
}
