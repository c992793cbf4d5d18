// L2Exit: a VM exit out of an L2, before anyone has decided whose it is.

import TDX

/// What the CPU reports about an exit out of an L2.
public struct L2Exit: Equatable, Sendable {
  /// The exit reason, bit 31 for an entry failure.
  public var reason: VMXExitReason
  /// The exit qualification.
  public var qualification: UInt64 = 0
  /// The guest linear address.
  public var linearAddress: UInt64 = 0
  /// The guest-physical address, offset included.
  public var guestAddress: UInt64 = 0
  /// VM-exit interruption information, error code in the upper half.
  public var interruption: UInt64 = 0
  /// IDT-vectoring information, error code in the upper half.
  public var vectoring: UInt64 = 0
  /// The length of the instruction in bytes.
  public var instructionLength: UInt32 = 0
  /// The VMX instruction information.
  public var instructionInformation: UInt32 = 0
  /// CS: selector, VMX access rights, limit, base.
  public var codeSegment: (selector: UInt16, rights: UInt16, limit: UInt32, base: UInt64) = (
    0, 0, 0, 0
  )
  /// The privilege level.
  public var cpl: UInt8 = 0
  /// The extended exit qualification.
  public var extended = ExtendedQualification.none

  /// An exit for `reason` with everything else 0.
  public init(_ reason: VMXExitReason) { self.reason = reason }

  /// Whether all fields agree.
  public static func == (left: L2Exit, right: L2Exit) -> Bool {
    left.reason == right.reason && left.qualification == right.qualification
      && left.linearAddress == right.linearAddress && left.guestAddress == right.guestAddress
      && left.interruption == right.interruption && left.vectoring == right.vectoring
      && left.instructionLength == right.instructionLength
      && left.instructionInformation == right.instructionInformation
      && left.codeSegment == right.codeSegment && left.cpl == right.cpl
      && left.extended == right.extended
  }
}

/// Who deals with an exit out of an L2.
public enum L2Route: Equatable, Sendable {
  /// L1: its TDG.VP.ENTER ends, and its registers hold the outputs.
  case toL1
  /// The host.
  case toHost(TDExit)
  /// Nobody: the L2 goes on, with the access done natively.
  case resume
  /// The L2 takes #GP(0).
  case injectGeneralProtection
}
