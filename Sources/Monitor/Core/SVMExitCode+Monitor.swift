// SVMExitCode+Monitor: exit codes that only a host of plain SVM guests sees.

import SNP

extension SVMExitCode {
  /// MOV from CR0.
  static let cr0Read = SVMExitCode(rawValue: 0x00)
  /// MOV from CR3.
  static let cr3Read = SVMExitCode(rawValue: 0x03)
  /// MOV from CR4.
  static let cr4Read = SVMExitCode(rawValue: 0x04)
  /// MOV to CR3.
  static let cr3Write = SVMExitCode(rawValue: 0x13)
  /// MOV to CR0, LMSW, CLTS.
  static let cr0Write = SVMExitCode(rawValue: 0x10)
  /// MOV to CR4.
  static let cr4Write = SVMExitCode(rawValue: 0x14)
  /// MOV to CR8.
  static let cr8Write = SVMExitCode(rawValue: 0x18)
  /// #UD.
  static let exceptionUD = SVMExitCode(rawValue: 0x46)
  /// IRET.
  static let iret = SVMExitCode(rawValue: 0x74)
  /// INVLPGA.
  static let invlpga = SVMExitCode(rawValue: 0x7A)
  /// VMRUN.
  static let vmrun = SVMExitCode(rawValue: 0x80)
  /// VMLOAD.
  static let vmload = SVMExitCode(rawValue: 0x82)
  /// VMSAVE.
  static let vmsave = SVMExitCode(rawValue: 0x83)
  /// STGI.
  static let stgi = SVMExitCode(rawValue: 0x84)
  /// CLGI.
  static let clgi = SVMExitCode(rawValue: 0x85)
  /// SKINIT.
  static let skinit = SVMExitCode(rawValue: 0x86)
  /// ICEBP.
  static let icebp = SVMExitCode(rawValue: 0x88)
}
