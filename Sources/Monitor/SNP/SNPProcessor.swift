// SNPProcessor: one vCPU of an SNP guest as the monitor runs it.

import Model
import SNP

/// What one VMPL of a vCPU has of its own: VMCB, registers, APIC, GHCB MSR.
struct SNPLevel {
  /// The page of the VMCB.
  let vmcb: SystemPage
  /// The page of the general registers.
  let registers: SystemPage
  /// The page of x87 and SSE state, as FXSAVE lays it out.
  let vectors: SystemPage
  /// The VMSA whose x87 and SSE state that is.
  var vectorsOf: GuestPage?
  /// The VMSA page whose contents are live in them; nil = load before the next entry.
  var loaded: GuestPage?
  /// GHCB MSR, C001_0130.
  var ghcbMSR = GHCBMSR(rawValue: 0)
  /// The local APIC that the host gives this level.
  var apic: VirtualAPIC
  /// Whether the level may take an NMI.
  var nmi = NMIWindow()
  /// Whether HLT waits for an event.
  var isHalted = false
  /// Whether the unpaged nested root was used last.
  var usesUnpagedRoot = false
  /// An exception that could not be delivered when it arose; none may be lost.
  var pendingEvent: EventInjection?

  /// Calls `body` with the APIC in place.
  mutating func withAPIC<Result>(_ body: (inout VirtualAPIC) -> Result) -> Result { body(&apic) }
}

/// One vCPU.
struct SNPProcessor {
  /// Its levels, made when first used.
  var levels = InlineArray<4, SNPLevel?>(repeating: nil)
  /// The level whose x87 and SSE state the physical CPU holds.
  var vectorLevel: VMPL?
  /// The interrupt that the level that runs was offered at its entry.
  var offer = VirtualInterrupt()
  /// Whether the physical CPU is inside the guest.
  var isInGuest = false
  /// Exits so far.
  var exitCount: UInt64 = 0
  /// Whether the vCPU waits in AP reset hold, and by which protocol.
  var resetHold: ResetHold?
  /// A level that was started while another one ran.
  var pendingStart: VMPL?
  /// Its time-stamp counter.
  var clock: GuestClock
  /// The deadline for which the physical alarm is set; nil = none.
  var alarm: UInt64?
  /// Entries in a row that found EFER.SVME cleared.
  var closedGates = 0
  /// The last vector that was posted to it.
  var lastVector: UInt8 = 32
  /// The last nested fault's address, and how often it came in a row.
  var lastFault: UInt64 = 0
  /// See `lastFault`.
  var faultRepeats = 0

  /// How a vCPU came to wait.
  enum ResetHold: Equatable {
    /// By MSR code 0x006.
    case msr
    /// By NAE event 0x80000004.
    case page
  }
}

/// The nested roots of one VMPL (svm-monitor.md §2, rule a).
struct SNPRoots {
  /// For CR0.PG = 1: private pages at C = 1, shared ones at C = 0.
  var paged: NestedTable
  /// For CR0.PG = 0, where everything is private: private pages at C = 0.
  var unpaged: NestedTable
}
