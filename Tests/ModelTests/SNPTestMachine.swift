// SNPTestMachine: an SNP guest of two vCPUs with a launched VMSA and a registered GHCB.

import Model
import SNP

/// Guest page n is backed by system page n.
///
/// Pages 0 to 31 are launched, 40 is the VMSA of VMPL0 on vCPU 0, 41 that of VMPL2; from 64 on
/// everything is shared; 64 is the GHCB of VMPL0 on vCPU 0.
final class SNPTestMachine {
  var machine: SNPMachine
  var memory = ArrayMemory(pageCount: 2048)
  static let ghcb: UInt64 = 64

  init(translationCapacity: Int = 0, finish: Bool = true) {
    machine = SNPMachine(
      SNPConfiguration(apicIDs: [0, 7]), systemPageCount: 2048, windows: PageWindows(pageCount: 2048),
      firmware: SNPFirmware(seed: 42), translationCapacity: translationCapacity)
    for page in 0..<UInt64(2048) {
      machine.memory.nested[GuestPage(rawValue: page)] = NestedEntry(page: SystemPage(rawValue: page))
    }
    _ = machine.startLaunch(policy: 1 << 17)
    if !finish { return }
    for page in 0..<UInt64(32) { _ = launch(page, .normal) }
    prepareVMSA(40, vmpl: 0)
    _ = launch(40, .vmsa)
    prepareVMSA(41, vmpl: 2)
    _ = launch(41, .normal)
    _ = machine.finishLaunch(hostData: InlineArray(repeating: 9))
    machine.offerVMSA(GuestPage(rawValue: 40), vcpu: 0, vmpl: .vmpl0)
    _ = adjust(41, .vmpl2, .read, isVMSA: true)
    machine.offerVMSA(GuestPage(rawValue: 41), vcpu: 0, vmpl: .vmpl2)
    register(Self.ghcb)
  }

  func prepareVMSA(_ page: UInt64, vmpl: UInt64, features: UInt64 = 1) {
    let system = SystemPage(rawValue: page)
    memory.store(system, VMSAField.vmpl & ~7, vmpl << UInt64(8 * (VMSAField.vmpl & 7)))
    memory.store(system, VMSAField.efer, VMSAField.eferSVME)
    memory.store(system, VMSAField.sevFeatures, features)
  }

  @discardableResult
  func launch(_ page: UInt64, _ kind: LaunchPageKind) -> FirmwareStatus {
    let system = SystemPage(rawValue: page)
    _ = assign(page, immutable: true)
    return machine.launch(GuestPage(rawValue: page), system, kind, &memory)
  }

  @discardableResult
  func assign(
    _ page: UInt64, to guest: UInt64? = nil, is2M: Bool = false, immutable: Bool = false
  ) -> RMPStatus {
    machine.memory.rmpUpdate(
      SystemPage(rawValue: page),
      RMPUpdateRecord(
        guestAddress: (guest ?? page) << 12, assigned: true, pageSize: is2M ? .size2M : .size4K,
        immutable: immutable, asid: 5))
  }

  func release(_ page: UInt64) -> RMPStatus {
    machine.memory.rmpUpdate(SystemPage(rawValue: page), .hypervisorOwned())
  }

  func validate(_ page: UInt64, _ value: Bool = true, is2M: Bool = false, vmpl: VMPL = .vmpl0)
    -> Result<RMPResult, GuestFault>
  {
    Self.catching { () throws(GuestFault) in
      try machine.memory.pvalidate(
        SNPCaller(cpu: 0, vmpl: vmpl), RMPTarget(GuestPage(rawValue: page)),
        size: is2M ? .size2M : .size4K, validate: value)
    }
  }

  func adjust(
    _ page: UInt64, _ target: VMPL, _ permissions: RMPPermissions, isVMSA: Bool = false,
    is2M: Bool = false, vmpl: VMPL = .vmpl0
  ) -> Result<RMPResult, GuestFault> {
    Self.catching { () throws(GuestFault) in
      try machine.memory.rmpadjust(
        SNPCaller(cpu: 0, vmpl: vmpl), RMPTarget(GuestPage(rawValue: page)),
        size: is2M ? .size2M : .size4K,
        RMPAdjustOperand(target: target, permissions: permissions, isVMSA: isVMSA))
    }
  }

  func access(
    _ page: UInt64, _ kind: SNPAccessKind, vmpl: VMPL = .vmpl0, cpl: UInt8 = 0, cpu: Int = 0
  ) -> Result<SystemPage, GuestFault> {
    Self.catching { () throws(GuestFault) in
      try machine.memory.access(
        SNPCaller(cpu: cpu, vmpl: vmpl, cpl: cpl), GuestPage(rawValue: page), kind)
    }
  }

  static func catching<T>(_ body: () throws(GuestFault) -> T) -> Result<T, GuestFault> {
    do throws(GuestFault) {
      return .success(try body())
    } catch {
      return .failure(error)
    }
  }

  func entry(_ page: UInt64) -> RMPEntry? { machine.memory.rmp.read(SystemPage(rawValue: page)) }

  func run(_ vmpl: VMPL = .vmpl0, vcpu: Int = 0) -> VMRunResult { machine.vmrun(vcpu, vmpl, &memory) }

  func exit(_ code: SVMExitCode = .vmgexit, vcpu: Int = 0) { machine.vmexit(vcpu, code, &memory) }

  /// One exchange through the GHCB MSR, with the action and the MSR afterwards.
  @discardableResult
  func msr(_ value: UInt64, vcpu: Int = 0) -> (GHCBMSRAction, UInt64) {
    let action = machine.msrRequest(vcpu, GHCBMSR(rawValue: value))
    return (action, machine.vcpus[vcpu].ghcbMSR.rawValue)
  }

  func register(_ page: UInt64) { msr(page << 12 | 0x012) }

  /// Fills the GHCB and makes the exchange; the action, INFO1 and INFO2.
  func nae(
    _ code: UInt64, info1: UInt64 = 0, info2: UInt64 = 0, rax: UInt64? = nil, rbx: UInt64? = nil,
    scratch: UInt64? = nil, skipValid: Int? = nil, usage: UInt32 = 0
  ) -> (action: NAEAction, info1: UInt64, info2: UInt64) {
    let page = SystemPage(rawValue: Self.ghcb)
    memory.store(page, GHCBPage.validBitmap, 0)
    memory.store(page, GHCBPage.validBitmap + 8, 0)
    func put(_ offset: Int, _ value: UInt64) {
      memory.store(page, offset, value)
      guard let bit = GHCBPage.validBit(offset), offset != skipValid else { return }
      let word = GHCBPage.validBitmap + bit / 64 * 8
      memory.store(page, word, memory.load(page, word) | 1 << UInt64(bit % 64))
    }
    put(GHCBPage.exitCode, code)
    put(GHCBPage.exitInfo1, info1)
    put(GHCBPage.exitInfo2, info2)
    if let rax { put(GHCBPage.rax, rax) }
    if let rbx { put(GHCBPage.rbx, rbx) }
    if let scratch { put(GHCBPage.scratch, scratch) }
    memory.store(page, GHCBPage.usage & ~7, UInt64(usage) << 32)
    let action = machine.naeRequest(0, GuestPage(rawValue: Self.ghcb), &memory)
    return (action, memory.load(page, GHCBPage.exitInfo1), memory.load(page, GHCBPage.exitInfo2))
  }

  // The calls below go through the class because expectations cannot borrow the machine itself.

  func smash(_ page: UInt64) -> RMPStatus { machine.memory.psmash(SystemPage(rawValue: page)) }

  func hostMayWrite(_ page: UInt64) -> Bool { machine.memory.hostMayWrite(SystemPage(rawValue: page)) }
}
