// TrustDomain+L2State: what a machine that runs L2 virtual machines reads and writes of their state.

import TDX

extension TrustDomain {
  /// Lets `body` read and change the VMCS and controls of an L2 that is stopped; nil if there is none.
  ///
  /// The CPU's part of an entry or exit: it loads the guest state from here and stores it back (tdx.md B.1).
  public mutating func withL2<Result>(
    _ vcpu: Int, vm: Int, _ body: (inout L2Virtual) -> Result
  ) -> Result? {
    guard isVCPU(vcpu), vm >= 1, vm <= configuration.l2Count else { return nil }
    return body(&vcpus[vcpu].l2[vm - 1])
  }

  /// The system page behind the virtual-APIC page of an L2; nil while it is not mapped.
  public func virtualAPICPage(_ vcpu: Int, vm: Int) -> SystemPage? {
    guard isVCPU(vcpu), vm >= 1, vm <= configuration.l2Count else { return nil }
    let address = vcpus[vcpu].l2[vm - 1][.virtualAPICAddress]
    guard let leaf = sept.leaf(GuestPage(containing: address)), leaf.walk.entry.state == .mapped else {
      return nil
    }
    return leaf.page
  }

  /// The running L2 leaves to the host with `exit`, which `accessL2` has decided.
  ///
  /// Rule: tdx.md B.6: before a TD exit the L2's state is written to the enter state.
  public mutating func leaveL2<Memory: PageMemory & ~Copyable>(
    _ vcpu: Int, _ exit: TDExit, _ state: L2EnterState, _ memory: inout Memory
  ) {
    guard isVCPU(vcpu), case .running(let vm) = vcpus[vcpu].mode, vm > 0 else { return }
    vcpus[vcpu].l2State = state
    storeState(vcpu, state, &memory)
    leave(vcpu, exit)
  }
}
