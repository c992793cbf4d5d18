// TDXMachine+StatusWord: CLTS and LMSW, the instructions that change the low bits of CR0.

import Bits
import Model
import Seams
import TDX

extension TDXMachine {
  /// CR0 as CLTS or LMSW leaves it, and LMSW's operand; nil for other instructions (SDM 2, CLTS and LMSW).
  ///
  /// LMSW sets PE and never clears it. Throws the page fault of its operand.
  private func statusWord(
    _ index: Int, _ found: Instruction, vm: Int
  ) throws(GuestPageFault) -> (cr0: UInt64, operand: UInt64)? {
    let cpu = cpu(index, vm: vm)
    let old = control(index, 0, vm: vm)
    guard found.operation == .lmsw else { return found.operation == .clts ? (old & ~8, 0) : nil }
    var operand = found.registerValue(cpu)
    if let linear = found.linearAddress(cpu) {
      let paging = GuestPaging(cpu, markBit: domain.configuration.sharedMask)
      operand = 0
      for byte in 0..<UInt64(2) {
        let place = try paging.translate(linear &+ byte, for: .read, cpl: cpu.cpl, words).address
        // Where there is no memory a read gives ones.
        operand |= UInt64(words.byte(place) ?? 0xFF) << (8 &* byte)
      }
    }
    return (old & ~0xE | operand & 0xF, operand)
  }

  /// CLTS and LMSW of L1: the module owns none of their bits but PE, which LMSW cannot clear (tdx.md D.1).
  func changeStatusWord(_ index: Int, _ found: Instruction) {
    do throws(GuestPageFault) {
      guard let new = try statusWord(index, found, vm: 0) else {
        stop(.panic, index, "no instruction that writes CR0")
      }
      var cpu = cpu(index)
      _ = setControl(index, &cpu, 0, new.cr0)
      cpu.skip(UInt64(found.length))
    } catch {
      raise(index, .pageFault(errorCode: error.errorCode, linearAddress: error.address))
    }
  }

  /// CLTS and LMSW of an L2: kinds 2 and 3 of the exit's qualification (SDM 3C, table 28-3).
  func changeStatusWordL2(_ index: Int, _ vm: Int, _ found: Instruction) {
    let cpu = cpu(index, vm: vm)
    var exit = l2Exit(index, vm, .crAccess, length: UInt32(found.length))
    do throws(GuestPageFault) {
      guard let new = try statusWord(index, found, vm: vm) else {
        stop(.panic, index, "no instruction of an L2 that writes CR0")
      }
      exit.qualification = 2 << 4
      if found.operation == .lmsw {
        exit.qualification = 3 << 4 | new.operand << 16 | (found.memory == nil ? 0 : 1 << 6)
        exit.linearAddress = found.linearAddress(cpu) ?? 0
      }
      settleControl(index, vm, found, 0, new.cr0, exit)
    } catch {
      pageFaultL2(index, vm, error)
    }
  }

  /// Gives a write of CR0 or CR4 to the model; what it lets pass is done, but for L1's bits (tdx.md B.3 "CR rule").
  func settleControl(
    _ index: Int, _ vm: Int, _ found: Instruction, _ number: UInt8, _ new: UInt64, _ exit: L2Exit
  ) {
    switch deliver(index, vm, exit) {
    case .toL1, .toHost: return
    case .injectGeneralProtection: raise(index, .generalProtection, vm: vm)
    case .resume:
      var cpu = cpu(index, vm: vm)
      let mask = field(index, vm, number == 0 ? .cr0Mask : .cr4Mask)
      let old = control(index, number, vm: vm)
      let value = (new & ~mask | old & mask) & (number == 4 ? ~L2Controls.vmxe : .max)
      guard setControl(index, &cpu, number, value, vm: vm, normal: processors[index].l2Intercepts) else {
        raise(index, .generalProtection, vm: vm)
        return
      }
      cpu.skip(UInt64(found.length))
    }
  }
}
