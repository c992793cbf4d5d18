// TDGLeaf: the numbers of the guest-side functions of TDCALL.

/// A leaf number as TDCALL takes it in RAX[15:0].
///
/// Source: TDX module 1.5.01 `td_dispatcher` (reference tdx.md A.3).
public struct TDGLeaf: RawRepresentable, Hashable, Sendable {
  /// RAX[15:0].
  public let rawValue: UInt16

  /// The leaf numbered `rawValue`, known or not.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// TDG.VP.VMCALL: a call to the host.
  public static let vpVMCALL = TDGLeaf(rawValue: 0)
  /// TDG.VP.INFO.
  public static let vpInfo = TDGLeaf(rawValue: 1)
  /// TDG.MR.RTMR.EXTEND.
  public static let rtmrExtend = TDGLeaf(rawValue: 2)
  /// TDG.VP.VEINFO.GET.
  public static let veInfoGet = TDGLeaf(rawValue: 3)
  /// TDG.MR.REPORT.
  public static let mrReport = TDGLeaf(rawValue: 4)
  /// TDG.VP.CPUIDVE.SET.
  public static let cpuidVESet = TDGLeaf(rawValue: 5)
  /// TDG.MEM.PAGE.ACCEPT.
  public static let pageAccept = TDGLeaf(rawValue: 6)
  /// TDG.VM.RD.
  public static let vmRead = TDGLeaf(rawValue: 7)
  /// TDG.VM.WR.
  public static let vmWrite = TDGLeaf(rawValue: 8)
  /// TDG.VP.RD.
  public static let vpRead = TDGLeaf(rawValue: 9)
  /// TDG.VP.WR.
  public static let vpWrite = TDGLeaf(rawValue: 10)
  /// TDG.SYS.RD.
  public static let sysRead = TDGLeaf(rawValue: 11)
  /// TDG.SYS.RDALL.
  public static let sysReadAll = TDGLeaf(rawValue: 12)
  /// TDG.SERVTD.RD.
  public static let servtdRead = TDGLeaf(rawValue: 18)
  /// TDG.SERVTD.WR.
  public static let servtdWrite = TDGLeaf(rawValue: 20)
  /// TDG.MR.VERIFYREPORT.
  public static let verifyReport = TDGLeaf(rawValue: 22)
  /// TDG.MEM.PAGE.ATTR.RD.
  public static let pageAttrRead = TDGLeaf(rawValue: 23)
  /// TDG.MEM.PAGE.ATTR.WR.
  public static let pageAttrWrite = TDGLeaf(rawValue: 24)
  /// TDG.VP.ENTER.
  public static let vpEnter = TDGLeaf(rawValue: 25)
  /// TDG.VP.INVEPT.
  public static let vpInvalidateEPT = TDGLeaf(rawValue: 26)
  /// TDG.VP.INVVPID, in newer documents TDG.VP.INVGLA.
  public static let vpInvalidateGLA = TDGLeaf(rawValue: 27)

  /// The number of the four bytes `66 0F 01 CC` of the instruction.
  public static let instructionLength: UInt64 = 4
}
