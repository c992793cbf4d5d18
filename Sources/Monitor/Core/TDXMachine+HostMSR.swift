// TDXMachine+HostMSR: the MSRs that a TD reaches through its host: most of the x2APIC.

import Bits
import Model
import TDX

extension TDXMachine {
  /// RDMSR by TDVMCALL; nil for an MSR that the host does not know (tdx.md C.5).
  func readHostMSR(_ index: Int, _ number: UInt32) -> UInt64? {
    switch number {
    // Enabled, x2APIC mode, bootstrap processor.
    case 0x1B: index == 0 ? 0xFEE0_0D00 : 0xFEE0_0C00
    case 0x802: UInt64(index)
    case 0x803: 0x0005_0014
    case 0x80D: UInt64(index >> 4) << 16 | 1 << UInt64(index & 15)
    case 0x80F: UInt64(processors[index].interrupts.spurious)
    case 0x832: UInt64(processors[index].timer.entry)
    case 0x838: UInt64(processors[index].timer.initialCount)
    case 0x839: UInt64(processors[index].timer.currentCount(guestTime(index)))
    case 0x83E: UInt64(processors[index].timer.divide)
    // The other LVT entries are masked.
    case 0x828: 0
    case 0x82F, 0x833...0x837: 0x1_0000
    // MTRR capabilities, machine-check banks, patch level.
    case 0xFE, 0x2FF, 0x179, 0x17A, 0x8B: 0
    default: nil
    }
  }

  /// WRMSR by TDVMCALL; false for an MSR that the host does not know, or a value that it refuses.
  func writeHostMSR(_ index: Int, _ number: UInt32, _ value: UInt64) -> Bool {
    switch number {
    case 0x80F: processors[index].interrupts.spurious = UInt32(truncatingIfNeeded: value)
    case 0x830: return interProcessor(index, value)
    // The module does not offer the TSC-deadline mode (tdx.md D.3): the entry keeps no such mode.
    case 0x832: processors[index].timer.setEntry(UInt32(truncatingIfNeeded: value) & 0x3_10FF)
    case 0x838: _ = processors[index].timer.setCount(UInt32(truncatingIfNeeded: value), guestTime(index))
    case 0x83E: processors[index].timer.setDivide(UInt32(truncatingIfNeeded: value))
    case 0x828, 0x82F, 0x833...0x837: break
    // A microcode revision is there to be cleared before it is read.
    case 0x8B: break
    default: return false
    }
    return true
  }

  /// The interrupt command register in x2APIC mode (SDM 3A, 11.12.9): fixed interrupts only.
  private func interProcessor(_ index: Int, _ value: UInt64) -> Bool {
    guard value >> 8 & 7 == 0 else { return value >> 8 & 7 >= 4 }
    let vector = UInt8(truncatingIfNeeded: value)
    let destination = value >> 32
    let isLogical = value.bit(11)
    if options.schedule.dropsInterrupts { return true }
    for target in 0..<processors.count {
      let isMeant =
        switch value >> 18 & 3 {
        case 1: target == index
        case 2: true
        case 3: target != index
        default:
          destination == 0xFFFF_FFFF
            || (isLogical
              ? destination >> 16 == UInt64(target >> 4) && destination.bit(target & 15)
              : destination == UInt64(target))
        }
      if isMeant { post(vector, to: target, from: index) }
    }
    return true
  }
}
