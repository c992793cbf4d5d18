// GHCBView: a GHCB page as the host reads and answers it.

import SNP

/// The fields and valid bits of a GHCB page in system memory.
struct GHCBView {
  let page: SystemPage

  /// Whether the field at `offset` has its valid bit.
  func isValid<Memory: PageMemory & ~Copyable>(_ offset: Int, _ bytes: borrowing Memory) -> Bool {
    guard let bit = GHCBPage.validBit(offset) else { return false }
    let word = bytes.load(page, GHCBPage.validBitmap + bit / 64 * 8)
    return word >> UInt64(bit % 64) & 1 == 1
  }

  func areValid<Memory: PageMemory & ~Copyable>(
    _ first: Int, _ second: Int, _ third: Int, _ bytes: borrowing Memory
  ) -> Bool {
    isValid(first, bytes) && isValid(second, bytes) && isValid(third, bytes)
  }

  /// Sets an output and its valid bit.
  func set<Memory: PageMemory & ~Copyable>(
    _ offset: Int, _ value: UInt64, _ bytes: inout Memory
  ) {
    guard let bit = GHCBPage.validBit(offset) else { return }
    bytes.store(page, offset, value)
    let word = GHCBPage.validBitmap + bit / 64 * 8
    bytes.store(page, word, bytes.load(page, word) | 1 << UInt64(bit % 64))
  }

  func clearValid<Memory: PageMemory & ~Copyable>(_ bytes: inout Memory) {
    bytes.store(page, GHCBPage.validBitmap, 0)
    bytes.store(page, GHCBPage.validBitmap + 8, 0)
  }

  func finish<Memory: PageMemory & ~Copyable>(
    info1: UInt64, info2: UInt64, _ bytes: inout Memory
  ) {
    set(GHCBPage.exitInfo1, info1, &bytes)
    set(GHCBPage.exitInfo2, info2, &bytes)
  }

  func succeed<Memory: PageMemory & ~Copyable>(info2: UInt64, _ bytes: inout Memory) {
    finish(info1: GHCBResult.success, info2: info2, &bytes)
  }

  /// The offset in the page of `count` bytes at SW_SCRATCH; nil unless they lie in the shared buffer.
  func scratch<Memory: PageMemory & ~Copyable>(
    _ count: Int, guestPage: GuestPage, _ bytes: borrowing Memory
  ) -> Int? {
    let address = bytes.load(page, GHCBPage.scratch)
    guard address >= guestPage.address else { return nil }
    let offset = address &- guestPage.address
    let first = UInt64(GHCBPage.sharedBuffer)
    let end = UInt64(GHCBPage.sharedBuffer + GHCBPage.sharedBufferByteCount)
    guard offset >= first, offset <= end, UInt64(count) <= end - offset else { return nil }
    return Int(truncatingIfNeeded: offset)
  }

  /// The error for an event whose inputs are not all valid, or that nobody knows; nil if all is well.
  ///
  /// Rule: reference B.5.1, column "In"; D.123.
  func missingInput<Memory: PageMemory & ~Copyable>(
    _ event: NAEEvent, info1: UInt64, _ bytes: borrowing Memory
  ) -> UInt64? {
    func need(_ offsets: Int...) -> UInt64? {
      for offset in offsets where !isValid(offset, bytes) { return GHCBResult.missingInput }
      return nil
    }
    switch event {
    case .dr7Read, .rdtsc, .rdtscp, .invd, .wbinvd, .nmiComplete, .apResetHold, .apJumpTable,
      .guestRequest, .doorbell, .hvIPI, .runVMPL, .features, .terminate, .unsupported,
      .configureInjection, .disableAlternateInjection, .specificEOI:
      return nil
    case .dr7Write: return need(GHCBPage.rax)
    case .rdpmc: return need(GHCBPage.rcx)
    case .cpuid:
      let isXSAVE = UInt32(truncatingIfNeeded: bytes.load(page, GHCBPage.rax)) == 0xD
      return need(GHCBPage.rax, GHCBPage.rcx) ?? (isXSAVE ? need(GHCBPage.xcr0) : nil)
    case .io:
      if info1 & 4 != 0 { return need(GHCBPage.scratch) }
      return info1 & 1 == 0 ? need(GHCBPage.rax) : nil
    case .msr:
      return info1 == 1 ? need(GHCBPage.rcx, GHCBPage.rax, GHCBPage.rdx) : need(GHCBPage.rcx)
    case .vmmcall: return need(GHCBPage.rax, GHCBPage.cpl)
    case .monitor: return need(GHCBPage.rax, GHCBPage.rcx, GHCBPage.rdx)
    case .mwait: return need(GHCBPage.rax, GHCBPage.rcx)
    case .mmioRead, .mmioWrite, .pageStateChange: return need(GHCBPage.scratch)
    case .extendedGuestRequest: return need(GHCBPage.rax, GHCBPage.rbx)
    case .apCreation: return info1 & 0xFFFF == 2 ? nil : need(GHCBPage.rax)
    case .apicIDList: return need(GHCBPage.rax)
    default: return GHCBResult.invalidEvent
    }
  }
}
