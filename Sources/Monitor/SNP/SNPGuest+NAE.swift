// SNPGuest+NAE: instructions and device accesses that a guest asks its host to carry out.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// Carries out an event of a GHCB page (reference B.5.1), whose inputs the model has found valid.
  func emulate(
    _ index: Int, _ vmpl: VMPL, _ event: NAEEvent, _ info1: UInt64, _ info2: UInt64, _ page: GuestPage,
    _ system: SystemPage
  ) {
    let rax = hardware.load(system, GHCBPage.rax)
    let rcx = hardware.load(system, GHCBPage.rcx)
    switch event {
    case .cpuid:
      let words = cpuid(index, UInt32(truncatingIfNeeded: rax), UInt32(truncatingIfNeeded: rcx))
      machine.answerNAE(
        index, rax: UInt64(words.eax), rbx: UInt64(words.ebx), rcx: UInt64(words.ecx),
        rdx: UInt64(words.edx), &hardware)
    case .io: port(index, info1, info2, page, system)
    case .msr:
      let value = (rax & 0xFFFF_FFFF) | hardware.load(system, GHCBPage.rdx) << 32
      msrEvent(index, vmpl, UInt32(truncatingIfNeeded: rcx), info1 == 1 ? value : nil)
    case .mmioRead, .mmioWrite:
      mmio(index, vmpl, info1, Int(clamping: info2), page, system, isWrite: event == .mmioWrite)
    case .rdtsc, .rdtscp:
      let time = guestTime(index)
      machine.answerNAE(index, rax: time & 0xFFFF_FFFF, rcx: 0, rdx: time >> 32, &hardware)
    case .rdpmc: machine.answerNAE(index, rax: 0, rdx: 0, &hardware)
    case .dr7Read: machine.answerNAE(index, rax: 0x400, &hardware)
    // No hypercall is known: -1000, as KVM answers.
    case .vmmcall: machine.answerNAE(index, rax: UInt64(bitPattern: -1000), &hardware)
    case .apJumpTable: machine.answerNAE(index, &hardware)
    default: machine.answerNAE(index, &hardware)
    }
  }

  /// Port access by IOIO's EXITINFO1.
  private func port(
    _ index: Int, _ info1: UInt64, _ info2: UInt64, _ page: GuestPage, _ system: SystemPage
  ) {
    let port = UInt16(truncatingIfNeeded: info1 >> 16)
    let byteCount = Int(truncatingIfNeeded: info1 >> 4 & 7)
    guard byteCount == 1 || byteCount == 2 || byteCount == 4 else {
      machine.failNAE(index, &hardware)
      return
    }
    guard info1.bit(2) else {
      if info1.bit(0) {
        machine.answerNAE(index, rax: UInt64(Ports.read(port, UInt8(byteCount), hardware)), &hardware)
      } else {
        portOut(port, byteCount, UInt32(truncatingIfNeeded: hardware.load(system, GHCBPage.rax)))
        machine.answerNAE(index, &hardware)
      }
      return
    }
    // Strings: the elements lie at SW_SCRATCH, in the shared buffer; INFO2 is their number.
    let address = hardware.load(system, GHCBPage.scratch)
    let total = info2.multipliedReportingOverflow(by: UInt64(byteCount))
    guard !total.overflow, let first = scratch(address, page, total.partialValue) else {
      machine.failNAE(index, &hardware)
      return
    }
    for element in 0..<Int(truncatingIfNeeded: info2) {
      let place = first + element * byteCount
      if info1.bit(0) {
        setBytes(system, place, byteCount, UInt64(Ports.read(port, UInt8(byteCount), hardware)))
      } else {
        portOut(port, byteCount, UInt32(truncatingIfNeeded: bytes(system, place, byteCount)))
      }
    }
    machine.answerNAE(index, &hardware)
  }

  /// The offset of `count` bytes at `address`, if they lie in the shared buffer of the GHCB at `page`.
  private func scratch(_ address: UInt64, _ page: GuestPage, _ count: UInt64) -> Int? {
    let first = UInt64(GHCBPage.sharedBuffer)
    let size = UInt64(GHCBPage.sharedBufferByteCount)
    guard address >= page.address &+ first, count <= size, address &- page.address &- first <= size &- count
    else { return nil }
    return Int(truncatingIfNeeded: address &- page.address)
  }

  private func bytes(_ page: SystemPage, _ offset: Int, _ count: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<min(count, 8) {
      let place = offset + index
      value |= (hardware.load(page, place & ~7) >> UInt64(8 * (place & 7)) & 0xFF) << UInt64(8 * index)
    }
    return value
  }

  private func setBytes(_ page: SystemPage, _ offset: Int, _ count: Int, _ value: UInt64) {
    for index in 0..<min(count, 8) {
      let place = offset + index
      let shift = UInt64(8 * (place & 7))
      let old = hardware.load(page, place & ~7) & ~(0xFF << shift)
      hardware.store(page, place & ~7, old | (value >> UInt64(8 * index) & 0xFF) << shift)
    }
  }

  private func portOut(_ port: UInt16, _ byteCount: Int, _ value: UInt32) {
    if let ending = DevicePolicy.ending(port: port, value) { conclude(ending) }
    Ports.write(port, UInt8(byteCount), value, hardware)
  }

  /// RDMSR (`value` nil) or WRMSR.
  private func msrEvent(_ index: Int, _ vmpl: VMPL, _ number: UInt32, _ value: UInt64?) {
    let now = guestTime(index)
    let isAPIC = number == VirtualAPIC.baseMSR || number == VirtualAPIC.deadlineMSR || number >> 8 == 8
    guard isAPIC else {
      // Machine check, MTRR, microcode and platform information: there, and of no effect.
      switch number {
      case 0x17, 0x2A, 0x8B, 0xFE, 0x10A, 0x179...0x17F, 0x1A0, 0x1D9, 0x200...0x20F, 0x250...0x26F,
        0x280...0x29F, 0x2FF,
        0x400...0x47F, 0xC000_0081...0xC000_0103, 0xC001_0010...0xC001_001F, 0xC001_0055, 0xC001_0058,
        0xC001_0114, 0xC001_0117, 0xC001_1000...0xC001_10FF, 0xC000_0104, 0xC001_0015,
        0xC001_0064...0xC001_006B,
        0xC001_0299...0xC001_029B, 0xC000_2000...0xC000_2FFF, 0x10, 0x3A, 0x3B:
        machine.answerNAE(index, rax: value == nil ? 0 : nil, rdx: value == nil ? 0 : nil, &hardware)
      default: refuse(index)
      }
      return
    }
    if let value {
      let effect = withAPIC(index, vmpl) { $0.write(msr: number, value, now: now) } ?? nil
      guard let effect else {
        refuse(index)
        return
      }
      machine.answerNAE(index, &hardware)
      carryOut(effect, index, vmpl)
    } else {
      guard let found = withAPIC(index, vmpl, { $0.read(msr: number, now: now) }) ?? nil else {
        refuse(index)
        return
      }
      machine.answerNAE(index, rax: found & 0xFFFF_FFFF, rdx: found >> 32, &hardware)
    }
  }

  /// #GP(0), to be injected by the guest's own handler.
  private func refuse(_ index: Int) {
    machine.answerNAE(
      index, exception: EventInjection(.exception, vector: 13, errorCode: 0), &hardware)
  }

  /// A device access of 1 to 8 bytes; data travel in the shared buffer.
  private func mmio(
    _ index: Int, _ vmpl: VMPL, _ address: UInt64, _ count: Int, _ page: GuestPage, _ system: SystemPage,
    isWrite: Bool
  ) {
    let place = scratch(hardware.load(system, GHCBPage.scratch), page, UInt64(max(0, count)))
    guard let place, (1...8).contains(count) else {
      machine.failNAE(index, &hardware)
      return
    }
    let now = guestTime(index)
    let offset = address &- VirtualAPIC.pageAddress
    var effect = VirtualAPIC.Effect.none
    switch (DevicePolicy.access(address: address), isWrite) {
    case (.localAPIC, true):
      let value = UInt32(truncatingIfNeeded: bytes(system, place, 4))
      effect = withAPIC(index, vmpl) { $0.write(page: offset, value, now: now) } ?? .none
    case (.localAPIC, false):
      let value = withAPIC(index, vmpl) { $0.read(page: offset, now: now) } ?? .max
      setBytes(system, place, count, UInt64(value))
    case (_, false): setBytes(system, place, count, .max)
    default: break
    }
    machine.answerNAE(index, &hardware)
    carryOut(effect, index, vmpl)
  }
}
