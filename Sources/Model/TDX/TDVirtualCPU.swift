// TDVirtualCPU: the architectural state of one vCPU of a TD that the module looks at.

import TDX

/// One vCPU.
///
/// State of a vCPU, by who runs on it:
/// 1. out -> L1: TDH.VP.ENTER for the first time, or after an exit from L1;
/// 2. L1 -> L2: TDG.VP.ENTER passes its checks;
/// 3. L2 -> L1: an exit that belongs to L1, or a pending interrupt;
/// 4. L1 or L2 -> out: a TD exit;
/// 5. out -> L2: TDH.VP.ENTER after an exit from L2, without RESUME_L1;
/// 6. out (left in L2) -> L1: TDH.VP.ENTER with RESUME_L1;
/// 7. any -> dead: a triple fault.
public struct TDVirtualCPU: Sendable {
  /// Who runs.
  public enum Mode: Equatable, Sendable {
    /// The vCPU is not in the TD.
    case out
    /// It runs VM `vm`: 0 is L1.
    case running(vm: Int)
    /// It cannot be entered any more.
    case dead
  }

  /// Who runs now.
  public internal(set) var mode: Mode = .out
  /// The VM that runs, or ran when the vCPU left: CURR_VM.
  public internal(set) var currentVM = 0
  /// L2 state by VM - 1.
  public var l2: [L2Virtual]
  /// Information behind a #VE that nobody has fetched.
  public internal(set) var veInfo: VEInfo?
  /// How often a #VE was due while information was waiting.
  public internal(set) var veOverruns = 0
  /// CPUID_SUPERVISOR_VE and CPUID_USER_VE.
  public internal(set) var cpuidVE: (supervisor: Bool, user: Bool) = (false, false)
  /// CPUID_CONTROL, 128 bytes.
  public internal(set) var cpuidControl: [UInt8]
  /// An NMI that the host has posted and the module has not delivered.
  public internal(set) var isNMIPending = false
  /// L1's requested virtual interrupt (RVI), kept by the machine.
  public internal(set) var l1RequestedVector: UInt8 = 0
  /// L1's processor priority (PPR), kept by the machine.
  public internal(set) var l1Priority: UInt8 = 0
  /// The guest page of the enter state while an L2 runs.
  public internal(set) var enterStateAddress: UInt64 = 0
  /// The SVSM call that L1 was left with, by an L2: which one, and where it goes on; nil if its last exit was none.
  public internal(set) var svsmCall: (vm: Int, returnAddress: UInt64)?
  /// The last exit from an L2 to the host, for RESUME_L1.
  public internal(set) var lastL2Exit: TDExit?
  /// Whether that exit was an L2's TDVMCALL.
  public internal(set) var lastL2ExitWasTDVMCALL = false
  /// The registers of the L2 that the vCPU left in, until it comes back.
  public internal(set) var l2State: L2EnterState?
  /// The mask of a TDVMCALL that the host has not answered.
  public internal(set) var vmcallMask: TDVMCALLMask?
  /// The registers at a TDVMCALL, to which the selected ones are merged.
  public internal(set) var vmcallRegisters = GeneralRegisters()
  /// The TD epoch at the last entry.
  public internal(set) var epoch: UInt64 = 0

  init(l2Count: Int) {
    l2 = [L2Virtual](repeating: L2Virtual(), count: l2Count)
    cpuidControl = [UInt8](repeating: 0, count: 128)
  }

  /// Whether an interrupt for L1 is deliverable: its class is above the priority's.
  ///
  /// Rule: tdx.md B.5; RFLAGS.IF does not matter.
  public var hasPendingL1Interrupt: Bool { l1RequestedVector & 0xF0 > l1Priority & 0xF0 }
}
