// InterruptShadow: the shadow of STI across an exit, which QEMU 7.2 forgets at VMRUN.

import Bits
import X86

extension CPUState where Self: ~Copyable {
  /// Takes a guest that exited between STI and the instruction in its shadow back to the STI.
  ///
  /// QEMU 7.2 saves the shadow at the exit and does not load it at VMRUN (svm-monitor.md §3), so an interrupt would come
  /// between the two: a guest that closes the check-then-halt window by `sti; hlt` would halt with its message unread.
  /// Executed again, STI makes its shadow again. Nothing is done for an event that is to be injected, whose frame has
  /// this RIP, nor for the shadow of a MOV or POP to SS, which nobody rests on.
  public mutating func restoreShadow<View: GuestView & ~Copyable>(_ view: borrowing View, markBit: UInt64) {
    guard vmcb(VMCB.interruptShadow).bit(0), vmcb(VMCB.rflags).bit(9), !vmcb(VMCB.eventInjection).bit(31)
    else {
      return
    }
    let before = vmcb(VMCB.rip) &- 1
    guard let found = try? GuestPaging(self, markBit: markBit).translate(codeAddress(before), view),
      view.byte(found.address) == 0xFB
    else { return }
    self[VMCB.rip] = before
    self[VMCB.rflags] = vmcb(VMCB.rflags) & ~(1 << 9)
    self[VMCB.interruptShadow] = vmcb(VMCB.interruptShadow) & ~1
  }
}
