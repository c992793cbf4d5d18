// CoreService+VCPUs: CREATE_VCPU and DELETE_VCPU.
import SVSMProtocol
import Seams
import TaskRuntime
import X86

extension CoreService {
  /// CREATE_VCPU: the page's rights are revoked and flushed before its contents are judged.
  ///
  /// Rule: reference A.6 call 2, D.49 to D.62.
  func createVCPU(_ call: GuestCall) -> CallReply {
    guard platform.guestCreatesVCPUs else { return CallReply(.unsupportedCall) }
    do throws(ResultCode) {
      try create(call.registers)
      return CallReply(.success)
    } catch {
      return CallReply(error)
    }
  }

  private func create(_ registers: CallRegisters) throws(ResultCode) {
    let state = PhysicalAddress(registers.rcx)
    let area = PhysicalAddress(registers.rdx)
    guard state.rawValue & 0xFFF == 0, area.rawValue & 0xFFF == 0 else { throw .invalidParameter }
    guard state != area else { throw .invalidAddress }
    try expectValid(state)
    try expectValid(area)
    guard let cpu = platform.processor(apicID: UInt32(truncatingIfNeeded: registers.r8)) else {
      throw .invalidParameter
    }
    let found = guest.pages.takeAsCallingArea(area)
    guard found.asCallingArea != nil else { throw found == .claimed ? .busy : .invalidAddress }
    do throws(ResultCode) {
      try create(VCPUContext(state), callingArea: area, cpu: Int(cpu.rawValue))
    } catch {
      guest.pages.releaseCallingArea(area)
      throw error
    }
  }

  private func expectValid(_ page: PhysicalAddress) throws(ResultCode) {
    let state = guest.pages.state(of: page)
    if state == .claimed { throw .busy }
    guard state.isValid else { throw .invalidAddress }
  }

  private func create(
    _ context: VCPUContext, callingArea: PhysicalAddress, cpu: Int
  ) throws(ResultCode) {
    switch guest.pages.claim(context.address, .small, from: .valid) {
    case .claimed: break
    case .busy: throw .busy
    default: throw .invalidAddress
    }
    guard let vcpu = guest.vcpus.reserve(cpu: cpu) else {
      guest.pages.release(context.address, .small, as: .valid)
      throw .invalidRequest
    }
    do throws(ResultCode) {
      try make(context)
    } catch {
      guest.vcpus.cancel(vcpu)
      restore(context.address, .small)
      throw error
    }
    guest.pages.release(context.address, .small, as: .context)
    guest.vcpus.publish(vcpu, context, callingArea: callingArea)
  }

  private func make(_ context: VCPUContext) throws(ResultCode) {
    do throws(PageFailure) {
      try platform.revoke(context.address, .small)
    } catch {
      throw error == .unreachable ? .invalidAddress : .invalidRequest
    }
    guard platform.flushReductions() else { throw .busy }
    do throws(VCPUFailure) {
      try platform.makeContext(context)
    } catch {
      switch error {
      case .contents: throw .invalidParameter
      case .page(let failure): throw failure == .unreachable ? .invalidAddress : .invalidRequest
      }
    }
  }

  /// DELETE_VCPU: decided without waiting for the vCPU's CPU.
  ///
  /// Rule: reference A.6 call 3, D.63 to D.70; slot states of design.md.
  func deleteVCPU<Table: ProtocolTable>(_ call: GuestCall, _ table: Table) -> CallOutcome {
    guard platform.guestCreatesVCPUs else { return .reply(CallReply(.unsupportedCall)) }
    let address = PhysicalAddress(call.registers.rcx)
    guard address.rawValue & 0xFFF == 0, guest.pages.state(of: address) == .context else {
      return .reply(CallReply(.invalidParameter))
    }
    switch guest.vcpus.beginDeletion(of: address, caller: call.vcpu) {
    case .absent: return .reply(CallReply(.invalidParameter))
    case .busy: return .reply(CallReply(.busy))
    case .begun(let vcpu, let state):
      do throws(ResultCode) {
        try delete(vcpu, from: state)
        table.forget(vcpu)
        return vcpu == call.vcpu ? .ended : .reply(CallReply(.success))
      } catch {
        // The caller's own vCPU stays claimed.
        if vcpu != call.vcpu { guest.vcpus.abandonDeletion(vcpu, backTo: state) }
        return .reply(CallReply(error))
      }
    }
  }

  private func delete(_ vcpu: VCPUHandle, from state: VCPUState) throws(ResultCode) {
    guard !guest.vcpus.isStartUp(vcpu) else { throw .invalidParameter }
    let context = guest.vcpus.context(vcpu)
    guard platform.closeGate(context) else { throw .vcpuInUse }
    do throws(PageFailure) {
      try platform.unmakeContext(context)
    } catch {
      if state != .claimedByOwner { platform.openGate(context) }
      throw error == .inUse ? .vcpuInUse : .invalidRequest
    }
    let area = guest.vcpus.callingArea(vcpu)
    guest.vcpus.finishDeletion(vcpu)
    guest.pages.releaseCallingArea(area)
    // From `context` no other CPU changes the page, so that it needs no claim.
    var isGranted = true
    do throws(PageFailure) { try platform.grant(context.address, .small) } catch { isGranted = false }
    _ = platform.flushReductions()
    guest.pages.release(context.address, .small, as: isGranted ? .valid : .kernel)
  }
}
