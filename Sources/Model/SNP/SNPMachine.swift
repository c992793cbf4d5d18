// SNPMachine: an SNP guest, its vCPUs and the host's side of the architecture.

import Bits
import SNP

/// Why a VMRUN did not enter, or what it entered.
public enum VMRunResult: Equatable, Sendable {
  /// The level of the VMSA runs.
  case entered(VMPL)
  /// VMEXIT_INVALID: a check failed.
  case invalid
  /// VMEXIT_BUSY: the VMSA is running.
  case busy
}

/// An SNP guest with its memory, its vCPUs and an honest host's book-keeping.
///
/// The machine around it (hosted, or the monitor) executes instructions, moves registers between its
/// CPU and the VMSA page, and asks here for every decision.
public struct SNPMachine: ~Copyable {
  /// What the host offers.
  public let configuration: SNPConfiguration
  /// The guest's memory.
  public var memory: SNPMemory
  /// The vCPUs.
  public internal(set) var vcpus: [SNPVirtualCPU]
  /// The secure processor: launch, keys, guest messages.
  public internal(set) var firmware: SNPFirmware

  /// A machine of `systemPageCount` pages whose guest addresses lie in `windows`.
  public init(
    _ configuration: SNPConfiguration, systemPageCount: Int, windows: PageWindows,
    firmware: SNPFirmware, translationCapacity: Int = 0
  ) {
    self.configuration = configuration
    memory = SNPMemory(
      asid: configuration.asid, systemPageCount: systemPageCount, windows: windows,
      translationCapacity: translationCapacity)
    vcpus = configuration.apicIDs.map { SNPVirtualCPU(apicID: $0) }
    self.firmware = firmware
  }

  /// Whether `index` is a vCPU.
  func isVCPU(_ index: Int) -> Bool { index >= 0 && index < vcpus.count }

  /// The vCPU with an APIC identifier.
  func vcpu(apicID: UInt32) -> Int? { vcpus.firstIndex { $0.apicID == apicID } }

  /// Offers a VMSA to the host for `vmpl` of a vCPU, as a launch does for the first one.
  public mutating func offerVMSA(_ page: GuestPage?, vcpu: Int, vmpl: VMPL) {
    guard isVCPU(vcpu), vmpl.isArchitectural else { return }
    vcpus[vcpu].vmsas[Int(vmpl.rawValue)] = page
    if vcpus[vcpu].next == nil { vcpus[vcpu].next = vmpl }
  }

  /// VMRUN of the VMSA that the vCPU has for `vmpl`.
  ///
  /// Rule: reference B.1.3 (APM volume 2, table 15-41), D.121: VMSA page assigned to this guest, reverse
  /// map equal, not immutable, VMSA bit set, EFER.SVME = 1, SEV_FEATURES allowed with at most one
  /// injection mode; a running VMSA is busy. Stricter: the page must be a validated 4 KiB entry and the
  /// VMSA's own level must be `vmpl`.
  public mutating func vmrun<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ vmpl: VMPL, _ bytes: inout Memory
  ) -> VMRunResult {
    guard isVCPU(vcpu), vcpus[vcpu].running == nil, let page = vcpus[vcpu].vmsa(vmpl),
      let mapping = memory.nested[page], let governing = memory.rmp.governing(mapping.page),
      governing.pageSize == .size4K, governing.isAssigned, governing.asid == memory.asid,
      governing.guestPage == page, !governing.isImmutable, governing.isVMSA, governing.isValidated
    else { return .invalid }
    if governing.isInUse { return .busy }
    let features = SEVFeatures(rawValue: bytes.load(mapping.page, VMSAField.sevFeatures))
    guard bytes.byte(mapping.page, VMSAField.vmpl) == vmpl.rawValue,
      features.contains(.snpActive), features.isSubset(of: configuration.allowedFeatures),
      features.hasOneInjectionMode
    else { return .invalid }
    // BUSY before SVME is looked at: of a more privileged level that clears SVME and then looks at BUSY,
    // and this entry, one sees the other.
    setBusy(mapping.page, true, &bytes)
    bytes.fence()
    guard bytes.load(mapping.page, VMSAField.efer) & VMSAField.eferSVME != 0 else {
      setBusy(mapping.page, false, &bytes)
      return .invalid
    }
    memory.rmp.update(mapping.page) { $0.isInUse = true }
    vcpus[vcpu].running = vmpl
    vcpus[vcpu].next = nil
    return .entered(vmpl)
  }

  /// VINTR_CTRL.BUSY of a VMSA (reference B.1.3).
  private func setBusy<Memory: PageMemory & ~Copyable>(
    _ page: SystemPage, _ isBusy: Bool, _ bytes: inout Memory
  ) {
    let control = bytes.load(page, VMSAField.virtualInterruptControl) & ~(1 << 63)
    bytes.store(page, VMSAField.virtualInterruptControl, control | (isBusy ? 1 << 63 : 0))
  }

  /// Ends the run of a vCPU: the VMSA is free again and holds what happened.
  ///
  /// Rule: reference B.3: an automatic exit stores GUEST_EXITCODE, INFO1, INFO2, EXITINTINFO and NRIP.
  /// The vCPU goes on at the same level unless the host decides otherwise.
  public mutating func vmexit<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ code: SVMExitCode, info1: UInt64 = 0, info2: UInt64 = 0, interruption: UInt64 = 0,
    nextRIP: UInt64 = 0, _ bytes: inout Memory
  ) {
    guard isVCPU(vcpu), let vmpl = vcpus[vcpu].running else { return }
    vcpus[vcpu].running = nil
    vcpus[vcpu].next = vmpl
    guard let page = vmsaPage(vcpu, vmpl) else { return }
    memory.rmp.update(page) { $0.isInUse = false }
    setBusy(page, false, &bytes)
    bytes.store(page, VMSAField.guestExitCode, code.rawValue)
    bytes.store(page, VMSAField.guestExitInfo1, info1)
    bytes.store(page, VMSAField.guestExitInfo2, info2)
    bytes.store(page, VMSAField.guestExitIntInfo, interruption)
    bytes.store(page, VMSAField.guestNRIP, nextRIP)
  }

  /// The system page of the VMSA of `vmpl`.
  func vmsaPage(_ vcpu: Int, _ vmpl: VMPL) -> SystemPage? {
    vcpus[vcpu].vmsa(vmpl).flatMap { memory.nested[$0]?.page }
  }

  /// The SEV_FEATURES of the VMSA of `vmpl`.
  public func features<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ vmpl: VMPL, _ bytes: borrowing Memory
  ) -> SEVFeatures {
    guard let page = vmsaPage(vcpu, vmpl) else { return [] }
    return SEVFeatures(rawValue: bytes.load(page, VMSAField.sevFeatures))
  }

  /// Chooses the level that the vCPU runs next; false if it has no VMSA there.
  ///
  /// A vCPU that goes down with a reduction of rights that it made and has not flushed everywhere is a
  /// breach (issue 4: completing a call with one open is a violation).
  mutating func switchTo(_ vcpu: Int, from: VMPL, _ vmpl: VMPL) -> Bool {
    guard vmpl.isArchitectural, vcpus[vcpu].vmsa(vmpl) != nil else { return false }
    if vmpl > from, memory.revocations.hasOpen(by: vcpu) {
      memory.note(.openRevocation, SNPCaller(cpu: vcpu, vmpl: from), GuestPage(rawValue: 0))
    }
    vcpus[vcpu].next = vmpl
    return true
  }

  /// The host runs another level than the guest asked for: a hostile host's freedom.
  public mutating func hostSwitch(_ vcpu: Int, to vmpl: VMPL) -> Bool {
    guard isVCPU(vcpu), vcpus[vcpu].running == nil else { return false }
    guard vmpl.isArchitectural, vcpus[vcpu].vmsa(vmpl) != nil else { return false }
    vcpus[vcpu].next = vmpl
    return true
  }
}
