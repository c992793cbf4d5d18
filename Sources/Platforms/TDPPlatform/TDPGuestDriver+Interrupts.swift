// TDPGuestDriver+Interrupts: interrupts for the L2: from other vCPUs and its timer, delivered through the virtual-APIC page.
import Seams
import Synchronization
import TDX
import X86

extension TDPGuestDriver {
  /// What the page and the module must know before the first entry.
  func prepareAPIC(_ processor: L2Processor) {
    let rate = hardware.cpuid(0x15, 0)
    processor.apic = L2APIC(
      index: processor.cpu.rawValue, scale: UInt64(rate.eax == 0 ? 1 : rate.ebx / rate.eax))
    window.zero(processor.virtualAPIC, count: Frame.bytes)
    store(processor, 0x802, processor.cpu.rawValue)
    store(processor, 0x803, UInt32(truncatingIfNeeded: L2APIC.version))
    store(processor, 0x80D, UInt32(truncatingIfNeeded: processor.apic.logical))
    store(processor, 0x80F, processor.apic.spurious)
  }

  private func place(_ processor: L2Processor, _ msr: UInt32) -> PhysicalAddress {
    processor.virtualAPIC.advanced(by: L2APIC.offset(msr))
  }
  private func store(_ processor: L2Processor, _ msr: UInt32, _ value: UInt32) {
    window.store(value, at: place(processor, msr))
  }
  private func load(_ processor: L2Processor, _ msr: UInt32) -> UInt32 {
    window.load(UInt32.self, at: place(processor, msr))
  }

  /// An x2APIC register, or the timer's deadline; nil for a general-protection fault.
  func readAPIC(_ msr: UInt32, _ processor: L2Processor) -> UInt64? {
    switch msr {
    case 0x808, 0x80A, 0x810...0x827: UInt64(load(processor, msr))
    default: processor.apic.read(msr, now: hardware.cycles())
    }
  }

  /// Writes one; false for a general-protection fault.
  func writeAPIC(_ msr: UInt32, _ value: UInt64, _ processor: L2Processor) -> Bool {
    if msr == 0x83F {
      guard value >> 8 == 0 else { return false }
      post(UInt8(truncatingIfNeeded: value), to: processor)
      return true
    }
    guard let command = processor.apic.write(msr, value, now: hardware.cycles()) else { return false }
    if msr == 0x80F { store(processor, msr, processor.apic.spurious) }
    switch command {
    case .nothing: break
    case .one(let index, let vector):
      if index < UInt32(truncatingIfNeeded: processors.count) {
        send(vector, to: processors[Int(index)], from: processor)
      }
    case .all(let includesSelf, let vector):
      for target in processors where includesSelf || target !== processor {
        send(vector, to: target, from: processor)
      }
    case .cluster(let cluster, let mask, let vector):
      for target in processors {
        let index = target.cpu.rawValue
        if index >> 4 == cluster, mask & 1 << (index & 15) != 0 { send(vector, to: target, from: processor) }
      }
    }
    return true
  }

  // Another CPU takes it from the words at its next entry, or when it looks whether its halt is over.
  private func send(_ vector: UInt8, to target: L2Processor, from processor: L2Processor) {
    guard target !== processor else { return post(vector, to: processor) }
    target.requests.insert(vector)
    kick(target.cpu)
  }

  // Into the page's IRR, and the highest into RVI (reference B.7).
  private func post(_ vector: UInt8, to processor: L2Processor) {
    guard vector >= 16 else { return }
    let register = 0x820 &+ UInt32(vector >> 5)
    store(processor, register, load(processor, register) | 1 << UInt32(vector & 31))
    let place = processor.state.advanced(by: UInt64(L2EnterState.interruptStatusOffset))
    if window.load(UInt8.self, at: place) < vector { window.store(vector, at: place) }
  }

  /// Brings what has come since into the page.
  func collect(_ processor: L2Processor) {
    if processor.requests.isMarked {
      for word in 0..<4 {
        var bits = processor.requests.take(word)
        while bits != 0 {
          post(UInt8(truncatingIfNeeded: word &* 64 &+ bits.trailingZeroBitCount), to: processor)
          bits &= bits &- 1
        }
      }
    }
    if processor.apic.expiry != .max, let vector = processor.apic.takeTimer(now: hardware.cycles()) {
      post(vector, to: processor)
    }
  }

  /// Whether an interrupt would end the vCPU's halt: one above its priority, with interrupts open.
  func isAwake(_ processor: L2Processor) -> Bool {
    collect(processor)
    guard registers(processor).rflags & 1 << 9 != 0 else { return false }
    let place = processor.state.advanced(by: UInt64(L2EnterState.interruptStatusOffset))
    let requested = UInt32(window.load(UInt8.self, at: place))
    return requested & 0xF0 > load(processor, 0x80A) & 0xF0
  }
}
