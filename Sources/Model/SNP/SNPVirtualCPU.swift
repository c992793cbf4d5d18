// SNPVirtualCPU: one vCPU of an SNP guest as the host keeps it.

import SNP

/// One vCPU: a VMSA per level, the level that runs, its GHCB and its doorbells.
///
/// State of a level's VMSA on a vCPU:
/// 1. none -> offered: launch, or AP creation names the page;
/// 2. offered -> running: VMRUN accepts it (RMP in-use set);
/// 3. running -> offered: any exit (in-use cleared, GUEST_EXIT* written);
/// 4. offered or running -> none: AP destroy; a running one is kicked first.
public struct SNPVirtualCPU: Sendable {
  /// The guest page of the VMSA of each level.
  var vmsas = InlineArray<4, GuestPage?>(repeating: nil)
  /// The guest page of the GHCB that each level registered.
  var ghcbs = InlineArray<4, GuestPage?>(repeating: nil)
  /// The guest page of the doorbell of each level.
  var doorbells = InlineArray<4, GuestPage?>(repeating: nil)
  /// The level that runs, or nil.
  public internal(set) var running: VMPL?
  /// The level that runs next.
  public internal(set) var next: VMPL?
  /// The value of the GHCB MSR.
  public internal(set) var ghcbMSR = GHCBMSR(rawValue: 0)
  /// The APIC identifier.
  public let apicID: UInt32

  init(apicID: UInt32) { self.apicID = apicID }

  /// The guest page of the VMSA of `vmpl`.
  public func vmsa(_ vmpl: VMPL) -> GuestPage? {
    vmpl.isArchitectural ? vmsas[Int(vmpl.rawValue)] : nil
  }
  /// The guest page of the doorbell of `vmpl`.
  public func doorbell(_ vmpl: VMPL) -> GuestPage? {
    vmpl.isArchitectural ? doorbells[Int(vmpl.rawValue)] : nil
  }
  /// The guest page of the GHCB that `vmpl` registered.
  public func ghcb(_ vmpl: VMPL) -> GuestPage? {
    vmpl.isArchitectural ? ghcbs[Int(vmpl.rawValue)] : nil
  }
}
