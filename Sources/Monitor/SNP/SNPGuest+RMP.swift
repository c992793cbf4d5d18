// SNPGuest+RMP: PVALIDATE, RMPADJUST, RMPQUERY, INVLPGB and TLBSYNC, which QEMU does not know.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  private static var carry: UInt64 { 1 }
  /// CF, PF, AF, ZF, SF and OF, which the RMP instructions set by EAX (APM volume 3).
  private static var arithmetic: UInt64 { 0x8D5 }

  private func caller(_ index: Int, _ vmpl: VMPL) -> SNPCaller {
    SNPCaller(cpu: index, vmpl: vmpl, cpl: cpu(index, vmpl).cpl)
  }

  /// Where RAX leads through the guest's own tables; nil after the page fault has been raised.
  private func target(_ index: Int, _ vmpl: VMPL) -> RMPTarget? {
    let cpu = cpu(index, vmpl)
    let linear = cpu[.rax]
    do throws(GuestPageFault) {
      let found = try GuestPaging(cpu, markBit: cMask).translate(linear, for: .read, cpl: cpu.cpl, self)
      return RMPTarget(
        linearAddress: linear, page: GuestPage(containing: found.address), isEncrypted: found.hasMarkBit)
    } catch {
      pageFault(index, vmpl, error.errorCode, error.address)
      return nil
    }
  }

  func pageFault(_ index: Int, _ vmpl: VMPL, _ errorCode: UInt32, _ address: UInt64) {
    var cpu = cpu(index, vmpl)
    cpu[VMCB.cr2] = address
    raise(index, vmpl, Vector.pageFault, errorCode: errorCode)
  }

  /// PVALIDATE: RAX address, ECX size, EDX validate; EAX and CF out (reference B.1.2).
  func pvalidate(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    // What needs no address comes first: a page fault must not tell a lower level about tables.
    guard cpu.cpl == 0, vmpl == .vmpl0 else {
      raise(index, vmpl, Vector.generalProtection, errorCode: 0)
      return
    }
    guard let target = target(index, vmpl) else { return }
    let size = RMPPageSize(rawValue: cpu[.rcx] & 0xFFFF_FFFF)
    let validate = cpu[.rdx] & 1 == 1
    do throws(GuestFault) {
      let result = try machine.memory.pvalidate(caller(index, vmpl), target, size: size, validate: validate)
      finish(&cpu, result)
      if result.status == .success, !result.carry { remapAll(target.page, count: size.pageCount) }
    } catch {
      carryOut(index, vmpl, error, target)
    }
  }

  /// RMPADJUST: RAX address, RCX size, RDX target, permissions and VMSA bit; EAX out.
  func rmpadjust(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    guard let target = target(index, vmpl) else { return }
    let size = RMPPageSize(rawValue: cpu[.rcx])
    do throws(GuestFault) {
      let result = try machine.memory.rmpadjust(
        caller(index, vmpl), target, size: size, RMPAdjustOperand(rawValue: cpu[.rdx]))
      finish(&cpu, result)
      if result.status == .success { remapAll(target.page, count: size.pageCount) }
    } catch {
      carryOut(index, vmpl, error, target)
    }
  }

  /// RMPQUERY: RAX address, RDX target; EAX, RDX permissions and VMSA bit, RCX size out.
  func rmpquery(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    guard let target = target(index, vmpl) else { return }
    do throws(GuestFault) {
      let result = try machine.memory.rmpquery(
        caller(index, vmpl), target, of: VMPL(rawValue: UInt8(truncatingIfNeeded: cpu[.rdx])))
      if result.status == .success {
        cpu[.rdx] = result.answer.rawValue
        cpu[.rcx] = result.size.rawValue
      }
      finish(&cpu, RMPResult(result.status))
    } catch {
      carryOut(index, vmpl, error, target)
    }
  }

  /// EAX gets the status, the flags follow it, RIP moves on; all three instructions have four bytes.
  private func finish(_ cpu: inout PageCPU<Hardware>, _ result: RMPResult) {
    cpu[.rax] = UInt64(result.status.rawValue)
    var flags = cpu[VMCB.rflags] & ~Self.arithmetic
    if result.carry { flags |= Self.carry }
    if result.status == .success { flags |= 1 << 6 }
    cpu[VMCB.rflags] = flags
    cpu.skip(4)
  }

  /// INVLPGB: RAX, ECX, EDX; three bytes.
  func invalidate(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    do throws(GuestFault) {
      try machine.memory.invlpgb(
        caller(index, vmpl), rax: cpu[.rax], edx: UInt32(truncatingIfNeeded: cpu[.rdx]))
      cpu.skip(3)
    } catch {
      carryOut(index, vmpl, error, nil)
    }
  }

  /// TLBSYNC: other CPUs have left the guest once before it completes.
  func synchronize(_ index: Int, _ vmpl: VMPL) {
    var cpu = cpu(index, vmpl)
    flushOthers(index)
    do throws(GuestFault) {
      try machine.memory.tlbsync(caller(index, vmpl))
      cpu.skip(3)
    } catch {
      carryOut(index, vmpl, error, nil)
    }
  }

  /// What follows a fault that the model answered to an instruction.
  private func carryOut(_ index: Int, _ vmpl: VMPL, _ fault: GuestFault, _ target: RMPTarget?) {
    switch fault {
    case .generalProtection: raise(index, vmpl, Vector.generalProtection, errorCode: 0)
    case .pageFault(let errorCode): pageFault(index, vmpl, errorCode, target?.linearAddress ?? 0)
    case .notValidated:
      var cpu = cpu(index, vmpl)
      cpu[VMCB.cr2] = target?.linearAddress ?? 0
      raiseVC(index, vmpl, .pageNotValidated)
    case .nested(let code): hostFault(index, vmpl, code, target?.page ?? GuestPage(rawValue: 0))
    default: raise(index, vmpl, Vector.invalidOpcode)
    }
  }
}
