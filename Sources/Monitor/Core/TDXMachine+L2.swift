// TDXMachine+L2: an L2 on its own VMCB, and its exits in VMX's terms.

import Bits
import Model
import SNP
import Seams
import TDX

extension TDXMachine {
  /// TDG.VP.ENTER has passed its checks: the L2 runs next.
  func enterL2(_ index: Int, _ vm: Int, _ state: L2EnterState) {
    stop(.panic, index, "L2 is not there yet")
  }

  /// An exit of an L2.
  func exitedL2(_ index: Int, _ vm: Int) {
    stop(.panic, index, "L2 is not there yet")
  }
}
