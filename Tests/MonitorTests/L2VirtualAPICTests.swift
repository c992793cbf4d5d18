// L2VirtualAPICTests: interrupt delivery from the virtual-APIC page of an L2.

import Model
import Monitor
import Testing

private let page = SystemPage(rawValue: 0)

private func apic(
  status: UInt16 = 0, priority: UInt32 = 0, requested: [UInt8] = [], serving: [UInt8] = []
) -> (L2VirtualAPIC<SharedMemory>, SharedMemory) {
  let memory = SharedMemory()
  memory.store(page, 0x80, UInt64(priority))
  for (base, vectors) in [(0x200, requested), (0x100, serving)] {
    for vector in vectors {
      let offset = base + 16 * Int(vector >> 5)
      memory.store(page, offset, memory.load(page, offset) | 1 << UInt64(vector & 31))
    }
  }
  var apic = L2VirtualAPIC(page, status: status, memory)
  apic.updatePriority()
  return (apic, memory)
}

@Suite struct L2VirtualAPICTests {
  @Test(arguments: [
    (UInt32(0x00), UInt8(0x00), UInt8(0x00)), (0x35, 0x00, 0x35), (0x35, 0x30, 0x35), (0x35, 0x41, 0x40),
    (0xFF, 0xE1, 0xFF),
  ])
  func pprIsTheHigherOfTPRAndTheClassOfSVI(_ task: UInt32, _ serving: UInt8, _ expected: UInt8) {
    // SDM 3C, 30.1.3.
    #expect(apic(status: UInt16(serving) << 8, priority: task).0.processorPriority == expected)
  }

  @Test func aRequestIsRecognizedIfItsClassIsAbovePPR() {
    // SDM 3C, 30.2.1; tdx.md B.7.
    #expect(apic(status: 0x60, priority: 0x5F).0.recognized == 0x60)
    #expect(apic(status: 0x6F, priority: 0x60).0.recognized == nil)
    #expect(apic(status: 0x6F, priority: 0x60).0.heldByTaskPriority == 0x6F)
    #expect(apic(status: 0x7061, priority: 0).0.recognized == nil)
    #expect(apic(status: 0x7061, priority: 0).0.heldByTaskPriority == nil)
    #expect(apic(status: 0).0.recognized == nil)
  }

  @Test func deliveryMovesTheVectorFromIRRToISRAndFindsTheNextRequest() {
    // SDM 3C, 30.2.2.
    var (apic, memory) = apic(status: 0x91, requested: [0x91, 0x52, 0x31])
    let delivered = apic.deliver()
    #expect(delivered == 0x91)
    #expect(apic.status == 0x9152)
    #expect(apic.processorPriority == 0x90)
    #expect(memory.load(page, 0x240) == 0)
    #expect(memory.load(page, 0x140) == 1 << 17)
    #expect(apic.recognized == nil)
  }

  @Test func endOfInterruptGoesBackToTheVectorThatWasInterrupted() {
    // SDM 3C, 30.1.4.
    var (apic, _) = apic(status: 0x9152, requested: [0x52], serving: [0x91, 0x40])
    let first = apic.endOfInterrupt()
    #expect(first == 0x91)
    #expect(apic.status == 0x4052)
    #expect(apic.processorPriority == 0x40)
    #expect(apic.recognized == 0x52)
    let second = apic.endOfInterrupt()
    #expect(second == 0x40)
    #expect(apic.status == 0x0052)
  }

  @Test func aSelfInterruptRaisesRVIAndNeverLowersIt() {
    // SDM 3C, 30.1.5.
    var (apic, memory) = apic(status: 0x50, requested: [0x50])
    apic.requestItself(0x45)
    #expect(apic.requested == 0x50)
    apic.requestItself(0xFF)
    #expect(apic.requested == 0xFF)
    #expect(memory.load(page, 0x270) == 1 << 31)
  }

  @Test func everyVectorIsDeliveredAndEndedOnce() {
    for vector in UInt8(16)...255 {
      var (apic, memory) = apic()
      apic.requestItself(vector)
      #expect(apic.recognized == vector)
      let delivered = apic.deliver()
      let ended = apic.endOfInterrupt()
      #expect(delivered == vector && ended == vector)
      #expect(apic.status == 0)
      #expect((0x100..<0x280).allSatisfy { $0 % 8 != 0 || memory.load(page, $0) == 0 })
    }
  }
}
