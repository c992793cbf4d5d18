// GuestProcessors: making guest memory a vCPU's saved state, and back.
public import X86

/// Why a saved state is not accepted.
public enum VCPUFailure: Error, Equatable, Sendable {
  /// What lies there is not a vCPU that this guest may have (level, gate, features).
  case contents
  /// The page can't become a saved state, or the host took it away.
  case page(PageFailure)
}

/// The guest's vCPUs, as far as the platform knows them.
///
/// *Requires* of the calls on a context: the caller has claimed its page, has the guest's rights on it revoked and
/// flushed (`PageValidator`), or is deleting the vCPU.
public protocol GuestProcessors {
  /// Whether the guest makes vCPUs itself; false where the kernel starts every one of them (the calls are then
  /// unsupported).
  var guestCreatesVCPUs: Bool { get }
  /// The CPU with this APIC identifier, or nil.
  func processor(apicID: UInt32) -> CPUIndex?
  /// Checks the saved state that the guest wrote, against the start-up vCPU's, and makes the page one that a CPU can run.
  ///
  /// A call that throws leaves an ordinary page on which the guest has no rights.
  func makeContext(_ context: VCPUContext) throws(VCPUFailure)
  /// Makes the saved state an ordinary page on which the guest has no rights; throws `inUse` if a CPU runs it.
  func unmakeContext(_ context: VCPUContext) throws(PageFailure)
}

/// Everything that serving a guest takes from a platform.
public protocol GuestPlatform: GuestEntry, GuestRegisters, GuestMemory, PageValidator, GuestProcessors,
  Sendable
{
  /// Takes the call with which a vCPU came back: closes its gate, reads its calling area's first word and, if that asks for
  /// a call and the vCPU left by the instruction that makes one, its registers; the word, or nil with the gate open (or
  /// not to be closed) if there is nothing to serve.
  ///
  /// What the parts do one after the other; a platform may do it in one piece.
  func takeCall(
    _ context: VCPUContext, at area: PhysicalAddress, into registers: inout CallRegisters
  ) -> UInt64?
  /// Answers it: the reply, then SVSM_CALL_PENDING cleared, then the gate, in this order.
  func answer(_ reply: CallReply, to context: VCPUContext, at area: PhysicalAddress)
}

extension GuestPlatform {
  /// Part by part.
  @inline(__always) public func takeCall(
    _ context: VCPUContext, at area: PhysicalAddress, into registers: inout CallRegisters
  ) -> UInt64? {
    guard closeGate(context) else { return nil }
    let word: UInt64
    // A calling area that the host took away asks for nothing (D.13).
    do throws(GuestMemoryFault) { word = try loadWord(area) } catch { word = 0 }
    guard word & 0xFF != 0, exitedByCall(context) else {
      openGate(context)
      return nil
    }
    registers = callRegisters(context)
    return word
  }

  /// Part by part; a calling area that the host took away is the guest's loss.
  @inline(__always) public func answer(
    _ reply: CallReply, to context: VCPUContext, at area: PhysicalAddress
  ) {
    write(reply, to: context)
    do throws(GuestMemoryFault) { try storeByte(0, area) } catch {}
    openGate(context)
  }
}
