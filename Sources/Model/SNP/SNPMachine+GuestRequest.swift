// SNPMachine+GuestRequest: the host's part in guest messages.

import SNP

extension SNPMachine {
  /// NAE events guest request and extended guest request.
  ///
  /// Rule: reference B.5.1, D.126: both pages aligned, distinct and shared, else 2/4 (pages) or 2/5; an
  /// extended request needs room for the certificates, else INFO2 = 1 << 32 and RBX the pages needed;
  /// BUSY is 2 << 32. Neither error reaches the firmware, so the guest must send the same message again.
  mutating func guestRequest<Memory: PageMemory & ~Copyable>(
    _ ghcb: GHCBView, _ event: NAEEvent, _ request: UInt64, _ response: UInt64,
    _ bytes: inout Memory
  ) -> NAEAction {
    guard request & 0xFFF == 0, response & 0xFFF == 0, request != response else {
      ghcb.finish(info1: GHCBResult.error, info2: GHCBResult.missingInput, &bytes)
      return .answered
    }
    guard let source = sharedPage(request), let target = sharedPage(response) else {
      ghcb.finish(info1: GHCBResult.error, info2: GHCBResult.invalidInput, &bytes)
      return .answered
    }
    if firmware.isBusy {
      firmware.isBusy = false
      ghcb.succeed(info2: 2 << 32, &bytes)
      return .answered
    }
    if event == .extendedGuestRequest, !copyCertificates(ghcb, &bytes) { return .answered }
    var message = [UInt8](repeating: 0, count: 4096)
    var span = message.mutableSpan
    bytes.copy(source, 0, to: &span)
    let (status, answer) = firmware.message(message)
    if status == .success { bytes.fill(target, 0, from: answer.span) }
    ghcb.succeed(info2: UInt64(status.rawValue), &bytes)
    return .answered
  }

  /// The system page of a shared guest page; nil if it is not the host's.
  private func sharedPage(_ address: UInt64) -> SystemPage? {
    guard let page = memory.nested[GuestPage(containing: address)]?.page,
      memory.hostMayWrite(page)
    else { return nil }
    return page
  }

  /// Copies the certificate table to the guest's buffer; false, with the answer made, if it cannot.
  private mutating func copyCertificates<Memory: PageMemory & ~Copyable>(
    _ ghcb: GHCBView, _ bytes: inout Memory
  ) -> Bool {
    let address = bytes.load(ghcb.page, GHCBPage.rax)
    let offered = bytes.load(ghcb.page, GHCBPage.rbx)
    let needed = firmware.certificatePageCount
    guard address & 0xFFF == 0 else {
      ghcb.finish(info1: GHCBResult.error, info2: GHCBResult.invalidInput, &bytes)
      return false
    }
    guard offered >= UInt64(needed) else {
      ghcb.set(GHCBPage.rbx, UInt64(needed), &bytes)
      ghcb.succeed(info2: 1 << 32, &bytes)
      return false
    }
    for number in 0..<needed {
      guard let page = sharedPage(address &+ UInt64(number) << 12) else {
        ghcb.finish(info1: GHCBResult.error, info2: GHCBResult.invalidInput, &bytes)
        return false
      }
      let end = min(firmware.certificates.count, (number + 1) * 4096)
      bytes.fill(page, 0, from: Array(firmware.certificates[(number * 4096)..<end]).span)
    }
    return true
  }
}
