// ScriptedGuest: a platform whose guest is a script: what the request loop costs without a change of world.
import RequestLoop
import SVSMProtocol
import Seams
import Tasks
import X86

/// One vCPU whose registers and memory are words; everything that a request loop asks of a platform besides is answered
/// with what changes nothing, so that neither the switch nor the platform's instructions are in any reading.
package struct ScriptedGuest<Script: GuestScript>: GuestPlatform {
  private static var svme: UInt64 { 1 << 12 }

  private let script: Script
  private let state: ScriptedState

  /// The guest that `script` plays in `state`.
  package init(_ script: Script, _ state: ScriptedState) {
    self.script = script
    self.state = state
  }

  // MARK: Entry

  package func holdWakes() {}
  package func releaseWakes() {}
  package func halt(until deadline: UInt64?) { script.halt() }
  package func flush() {}
  @inline(__always) package func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    script.enter()
    return .returned
  }

  // MARK: Registers

  @inline(__always) package func closeGate(_ context: VCPUContext) -> Bool {
    state.efer.storeRelaxed(state.efer.loadRelaxed() & ~Self.svme)
    return true
  }
  @inline(__always) package func openGate(_ context: VCPUContext) {
    state.efer.storeRelaxed(state.efer.loadRelaxed() | Self.svme)
  }
  @inline(__always) package func exitedByCall(_ context: VCPUContext) -> Bool { true }
  @inline(__always) package func callRegisters(_ context: VCPUContext) -> CallRegisters {
    let registers = CallRegisters(
      rax: state.rax.loadRelaxed(), rcx: state.rcx.loadRelaxed(), rdx: state.rdx.loadRelaxed(),
      r8: state.r8.loadRelaxed(), r9: state.r9.loadRelaxed())
    script.pass(.decoded)
    return registers
  }
  @inline(__always) package func write(_ reply: CallReply, to context: VCPUContext) {
    state.rax.storeRelaxed(UInt64(reply.result))
    if let value = reply.rcx { state.rcx.storeRelaxed(value) }
    if let value = reply.rdx { state.rdx.storeRelaxed(value) }
    if let value = reply.r8 { state.r8.storeRelaxed(value) }
    script.pass(.replied)
  }

  // MARK: Memory

  @inline(__always)
  package func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 {
    state.cell(address).loadRelaxed()
  }
  package func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    state.cell(address).storeRelaxed(value)
  }
  package func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    state.store(UInt64(value), mask: 0xFFFF, address)
  }
  @inline(__always)
  package func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    state.store(UInt64(value), mask: 0xFF, address)
  }
  package func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault)
  {
    throw GuestMemoryFault()
  }
  package func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    throw GuestMemoryFault()
  }

  // MARK: Pages and vCPUs

  package func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  package func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  package func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  package func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  package func flushReductions() -> Bool { true }
  package func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {}
  package func isClearable(_ address: PhysicalAddress) -> Bool { true }

  package var guestCreatesVCPUs: Bool { false }
  package func processor(apicID: UInt32) -> CPUIndex? { nil }
  package func makeContext(_ context: VCPUContext) throws(VCPUFailure) { throw .contents }
  package func unmakeContext(_ context: VCPUContext) throws(PageFailure) {}
}
