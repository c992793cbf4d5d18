// L2Processor: what L1 keeps of one L2 vCPU: where its saved state lies, what it waits for, which flush it has seen.
import Seams
import Synchronization
import TDX
import X86

/// The L2 vCPU of one CPU; only that CPU changes it, but for the words that are atomic.
final class L2Processor: @unchecked Sendable {
  /// Whose it is.
  let cpu: CPUIndex
  /// The page whose first bytes TDG.VP.ENTER takes and rewrites; the name of the vCPU.
  let state: PhysicalAddress
  /// Its virtual-APIC page.
  let virtualAPIC: PhysicalAddress
  /// Where it begins; nil until the guest is prepared.
  var start: L2Start?
  /// Whether the module has its state.
  var isPrepared = false
  /// Whether it waits for an interrupt behind a HLT.
  var isHalted = false
  /// Whether it can't run any more.
  var isDead = false
  /// Whether its last exit was a call of the SVSM.
  var hasCalled = false
  /// An event that its next entry delivers: VM-entry interruption information and error code; 0 for none.
  var event: UInt64 = 0
  /// The length of the instruction behind a software event.
  var eventLength: UInt64 = 0
  /// What a #VE that L1 gave it is about, until it has asked (TDG.VP.VEINFO.GET).
  var information: VEInfo?
  /// The deadline that the module knows.
  var deadline = UInt64.max
  /// Whether no kick reaches its CPU.
  var isCutOff = false
  /// Its local APIC.
  var apic: L2APIC
  /// Interrupts from other CPUs.
  let requests = L2Requests()
  /// The generation of rights with which it last flushed.
  var flushed: UInt64 = 0
  /// 0 outside of the L2; 1 on the way in; else 2 more than the generation with which it is being entered.
  let isInside = Atomic<UInt64>(0)

  init(_ cpu: CPUIndex, state: PhysicalAddress, virtualAPIC: PhysicalAddress) {
    self.cpu = cpu
    self.state = state
    self.virtualAPIC = virtualAPIC
    apic = L2APIC(index: cpu.rawValue, scale: 1)
  }

  /// Has the next entry deliver the event, if any, that the end of `stay` broke off, once (G.65).
  ///
  /// R10: low half information, high half error code.
  func deliverAgain(_ stay: L2Stay) {
    guard stay.vectoring & 1 << 31 != 0 else { return }
    event = stay.vectoring & 0xFFFF_FFFF_8000_0FFF
    eventLength = stay.instructionLength
  }

  /// Has the next entry raise `exception` in the L2.
  func raise(_ exception: UInt8, errorCode: UInt32? = nil) {
    event = UInt64(exception) | 3 << 8 | 1 << 31
    eventLength = 0
    if let errorCode { event |= 1 << 11 | UInt64(errorCode) << 32 }
  }
}

/// The guest's rights, as far as vCPUs must know of them.
final class L2Rights: Sendable {
  /// Counts reductions; a vCPU that has flushed with this generation knows of all of them.
  let generation = Atomic<UInt64>(0)
}
