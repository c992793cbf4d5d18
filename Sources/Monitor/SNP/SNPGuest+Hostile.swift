// SNPGuest+Hostile: what a hostile host does between exits, and whether a secret came out.

import Bits
import Model
import SNP
import Seams
import X86

extension SNPGuest {
  /// One move of the script, before the vCPU goes on.
  func play(_ index: Int) {
    guard host.script != nil else { return }
    if host.strikes(.remap) { takeBack(randomPage()) }
    if host.strikes(.swap) { swap(randomPage(), randomPage()) }
    if host.strikes(.doubleMap) { doubleMap(randomPage(), randomPage()) }
    if host.strikes(.forgeExit), let vmpl = machine.vcpus[index].running,
      cpu(index, vmpl).codeSize == .bits64
    {
      raiseVC(index, vmpl, .cpuid)
    }
    if host.strikes(.floodInterrupts) || host.strikes(.duplicateInterrupts) {
      let vector = UInt8(truncatingIfNeeded: 32 &+ host.draw() >> 32 % 200)
      for number in 0..<UInt8(4) { withAPIC(index, VMPL(rawValue: number)) { $0.request(vector) } }
    }
    if host.strikes(.switchOutOfTurn) {
      _ = machine.hostSwitch(index, to: VMPL(rawValue: UInt8(truncatingIfNeeded: host.draw() >> 32 & 3)))
    }
    if host.strikes(.startTwice), let vmpl = machine.vcpus[index].next {
      // The second start of a running vCPU: the same VMSA on another one.
      let other = Int(truncatingIfNeeded: host.draw() >> 32 % UInt64(max(1, processors.count)))
      if other != index { machine.offerVMSA(machine.vcpus[index].vmsa(vmpl), vcpu: other, vmpl: vmpl) }
    }
  }

  private func randomPage() -> GuestPage {
    GuestPage(rawValue: host.draw() >> 16 % max(1, backing.ramPageCount))
  }

  /// RMPUPDATE to the hypervisor and back to the guest: Validated and contents are gone (reference B.1.2).
  private func takeBack(_ page: GuestPage) {
    guard let entry = machine.memory.nested[page],
      let old = machine.memory.rmp.governing(entry.page), old.isAssigned, old.pageSize == .size4K,
      machine.memory.rmpUpdate(entry.page, .hypervisorOwned()) == .success
    else { return }
    scramble(entry.page)
    _ = machine.memory.rmpUpdate(
      entry.page,
      RMPUpdateRecord(
        guestAddress: page.address, assigned: true, pageSize: .size4K, immutable: false,
        asid: machine.configuration.asid))
    remapAll(page, count: 1)
  }

  /// Two guest pages change their system pages; the reverse map sees it.
  private func swap(_ first: GuestPage, _ second: GuestPage) {
    let one = machine.memory.nested[first]
    machine.memory.nested[first] = machine.memory.nested[second]
    machine.memory.nested[second] = one
    remapAll(first, count: 1)
    remapAll(second, count: 1)
  }

  /// One system page behind two guest pages; the reverse map sees it.
  private func doubleMap(_ first: GuestPage, _ second: GuestPage) {
    machine.memory.nested[second] = machine.memory.nested[first]
    remapAll(second, count: 1)
  }

  /// A word that a guest plants in what must stay private: "APUS-CANARY".
  static var canary: (UInt64, UInt64) { (0x4E41_432D_5355_5041, 0x0000_0000_0059_5241) }

  /// A page that the hypervisor owns, or shares, and that holds a canary; nil if there is none.
  func leakedPage() -> GuestPage? {
    for number in 0..<backing.ramPageCount {
      let page = GuestPage(rawValue: number)
      guard let entry = machine.memory.nested[page], machine.memory.hostMayWrite(entry.page) else { continue }
      for offset in stride(from: 0, to: 4088, by: 8)
      where hardware.load(entry.page, offset) == Self.canary.0
        && hardware.load(entry.page, offset + 8) & 0xFF_FFFF == Self.canary.1
      {
        return page
      }
    }
    return nil
  }
}
