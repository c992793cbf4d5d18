// L2Registers: the saved registers of an L2 vCPU, where TDG.VP.ENTER left them.
import Seams
import TDX
import X86

/// Words of the state structure (reference tdx.md B.5), each read and written where it lies.
struct L2Registers<Window: PhysicalMemory> {
  let window: Window
  let base: PhysicalAddress

  /// A general register by its encoding number.
  subscript(number: Int) -> UInt64 {
    get { load(8 &* (number & 15)) }
    nonmutating set { store(8 &* (number & 15), newValue) }
  }

  var rax: UInt64 {
    get { self[0] }
    nonmutating set { self[0] = newValue }
  }
  var rcx: UInt64 {
    get { self[1] }
    nonmutating set { self[1] = newValue }
  }
  var rdx: UInt64 {
    get { self[2] }
    nonmutating set { self[2] = newValue }
  }
  var rbx: UInt64 {
    get { self[3] }
    nonmutating set { self[3] = newValue }
  }
  var rip: UInt64 {
    get { load(L2EnterState.ripOffset) }
    nonmutating set { store(L2EnterState.ripOffset, newValue) }
  }
  var rflags: UInt64 {
    get { load(L2EnterState.rflagsOffset) }
    nonmutating set { store(L2EnterState.rflagsOffset, newValue) }
  }

  /// Writes all of it.
  func write(_ state: L2EnterState) {
    for number in 0..<16 { self[number] = state.registers[number] }
    rip = state.rip
    rflags = state.rflags
    store(L2EnterState.sspOffset, 0)
    store(L2EnterState.interruptStatusOffset, 0)
  }

  private func load(_ offset: Int) -> UInt64 {
    window.load(UInt64.self, at: base.advanced(by: UInt64(truncatingIfNeeded: offset)))
  }
  private func store(_ offset: Int, _ value: UInt64) {
    window.store(value, at: base.advanced(by: UInt64(truncatingIfNeeded: offset)))
  }
}
