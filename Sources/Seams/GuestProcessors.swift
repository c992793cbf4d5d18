// GuestProcessors: making guest memory a vCPU's saved state, and back.

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
{}
