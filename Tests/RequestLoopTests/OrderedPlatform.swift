// OrderedPlatform: a platform that notes in which order a call's end is written.
import Seams
import X86

/// What was done, in order.
final class StepLog: @unchecked Sendable {
  var steps: [String] = []
}

/// Passes everything on, and notes the steps of D.4.
struct OrderedPlatform: GuestPlatform {
  let base: ModelPlatform
  let log = StepLog()

  init(_ base: ModelPlatform) { self.base = base }

  func holdWakes() {}
  func releaseWakes() {}
  func halt(until deadline: UInt64?) {}
  func flush() {}
  func enter(_ context: VCPUContext, until deadline: UInt64?) -> GuestExit {
    base.enter(context, until: deadline)
  }

  func closeGate(_ context: VCPUContext) -> Bool {
    log.steps.append("close")
    return base.closeGate(context)
  }
  func openGate(_ context: VCPUContext) {
    log.steps.append("open")
    base.openGate(context)
  }
  func exitedByCall(_ context: VCPUContext) -> Bool { base.exitedByCall(context) }
  func callRegisters(_ context: VCPUContext) -> CallRegisters {
    log.steps.append("registers")
    return base.callRegisters(context)
  }
  func write(_ reply: CallReply, to context: VCPUContext) {
    log.steps.append("write")
    base.write(reply, to: context)
  }
  func loadWord(_ address: PhysicalAddress) throws(GuestMemoryFault) -> UInt64 { try base.loadWord(address) }
  func storeWord(_ value: UInt64, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    try base.storeWord(value, address)
  }
  func storeHalf(_ value: UInt16, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    try base.storeHalf(value, address)
  }
  func storeByte(_ value: UInt8, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    log.steps.append("byte 0x\(String(address.rawValue, radix: 16))")
    try base.storeByte(value, address)
  }
  func read(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) throws(GuestMemoryFault) {
    try base.read(address, into: &bytes)
  }
  func write(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) throws(GuestMemoryFault) {
    try base.write(bytes, address)
  }
  func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try base.validate(address, size)
  }
  func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try base.invalidate(address, size)
  }
  func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try base.grant(address, size)
  }
  func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {
    try base.revoke(address, size)
  }
  func flushReductions() -> Bool { base.flushReductions() }
  func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {
    try base.clear(address, byteCount: byteCount)
  }
  func isClearable(_ address: PhysicalAddress) -> Bool { base.isClearable(address) }
  var guestCreatesVCPUs: Bool { true }
  func processor(apicID: UInt32) -> CPUIndex? { base.processor(apicID: apicID) }
  func makeContext(_ context: VCPUContext) throws(VCPUFailure) { try base.makeContext(context) }
  func unmakeContext(_ context: VCPUContext) throws(PageFailure) { try base.unmakeContext(context) }
}
