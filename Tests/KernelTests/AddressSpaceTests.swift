// Tests of address spaces: what is mapped is found, what is not is refused, rights stay apart.
import Kernel
import Seams
import Testing
import X86

@Suite struct AddressSpaceTests {
  private func space() throws -> (AddressSpace<FakeMemory>, FrameAllocator<FakeMemory, NoHint>) {
    let (memory, table) = smallMachine()
    let frames = FrameAllocator<FakeMemory, NoHint>(table)
    return (try AddressSpace(memory: memory, frames: frames), frames)
  }

  @Test func everyPageOfARangeTranslatesAndItsNeighboursDoNot() throws {
    let (space, frames) = try space()
    let start = VirtualAddress(0x7F80_0020_0000)
    try space.map(start, to: PhysicalAddress(0x20_3000), bytes: 5 * 4096, .execute, frames: frames)
    for page in 0..<UInt64(5) {
      let found = try #require(space.translate(start.advanced(by: page * 4096 + 123)))
      #expect(found.entry.address == PhysicalAddress(0x20_3000 + page * 4096))
      #expect(found.entry.permissions == .execute && found.level == 1)
    }
    #expect(space.translate(start.advanced(by: 5 * 4096)) == nil)
    #expect(space.translate(VirtualAddress(start.rawValue - 1)) == nil)
  }

  @Test func bigPagesAreUsedWhereBothAddressesAllow() throws {
    let (space, frames) = try space()
    let gibibyte: UInt64 = 1 << 30
    let start = VirtualAddress(0x1000_0000_0000)
    try space.map(
      start.advanced(by: 0x1F_F000), to: PhysicalAddress(0x1F_F000), bytes: 2 * gibibyte, .write,
      largest: .size1G,
      frames: frames)
    #expect(space.translate(start.advanced(by: 0x1F_F000))?.level == 1)
    #expect(space.translate(start.advanced(by: 0x20_0000))?.level == 2)
    #expect(space.translate(start.advanced(by: gibibyte))?.level == 3)
    let end = start.advanced(by: 0x1F_F000 + 2 * gibibyte)
    #expect(space.translate(VirtualAddress(end.rawValue - 1)) != nil)
    #expect(space.translate(end) == nil)
    // Not aligned alike: small pages only.
    try space.map(
      VirtualAddress(0x2000_0000_0000), to: PhysicalAddress(0x1000), bytes: 0x20_0000, .write,
      largest: .size1G,
      frames: frames)
    #expect(space.translate(VirtualAddress(0x2000_0000_0000))?.level == 1)
  }

  @Test func nothingIsWritableAndExecutable() throws {
    let (space, frames) = try space()
    let page = VirtualAddress(0x4000)
    #expect(throws: MappingError.writableAndExecutable) {
      try space.map(page, to: PhysicalAddress(0), bytes: 4096, [.write, .execute], frames: frames)
    }
    try space.map(page, to: PhysicalAddress(0), bytes: 4096, .write, frames: frames)
    #expect(throws: MappingError.writableAndExecutable) {
      try space.protect(page, bytes: 4096, [.write, .execute])
    }
    try space.protect(page, bytes: 4096, [])
    #expect(space.translate(page)?.entry.permissions == [])
  }

  @Test func malformedRangesAreRefused() throws {
    let (space, frames) = try space()
    for (virtual, physical, bytes) in [
      (0x1001, 0, 4096), (0x1000, 1, 4096), (0x1000, 0, 4095), (0x1000, 0, 0), (0x8000_0000_0000, 0, 4096),
      (0x7FFF_FFFF_F000, 0, 8192), (.max - 4095, 0, 8192), (0x1000, .max - 4095, 8192),
    ] as [(UInt64, UInt64, UInt64)] {
      #expect(throws: MappingError.malformed) {
        try space.map(
          VirtualAddress(virtual), to: PhysicalAddress(physical), bytes: bytes, .write, frames: frames)
      }
    }
  }

  @Test func pagesAreMappedOnceAndUnmappedOnce() throws {
    let (space, frames) = try space()
    let page = VirtualAddress(0x7E80_0000_0000)
    try space.map(page, to: PhysicalAddress(0x9000), bytes: 4096, .write, frames: frames)
    #expect(throws: MappingError.alreadyMapped) {
      try space.map(page, to: PhysicalAddress(0xA000), bytes: 4096, .write, frames: frames)
    }
    #expect(try space.unmap(page) == Frame(number: 9))
    #expect(throws: MappingError.notMapped) { try space.unmap(page) }
    #expect(throws: MappingError.notMapped) { try space.protect(page, bytes: 4096, []) }
    // A page inside a bigger leaf can't be taken out alone.
    try space.map(
      VirtualAddress(0x4000_0000), to: PhysicalAddress(0), bytes: 0x20_0000, .write, largest: .size2M,
      frames: frames)
    #expect(throws: MappingError.notMapped) { try space.unmap(VirtualAddress(0x4000_0000)) }
    #expect(throws: MappingError.alreadyMapped) {
      try space.map(VirtualAddress(0x4000_1000), to: PhysicalAddress(0), bytes: 4096, .write, frames: frames)
    }
  }

  @Test func tablesThatDoNotFitAreAnError() throws {
    let (space, frames) = try space()
    while (try? frames.allocate(.tasks)) != nil {}
    #expect(throws: MappingError.exhausted) {
      try space.map(VirtualAddress(0x1000), to: PhysicalAddress(0), bytes: 4096, .write, frames: frames)
    }
  }

  @Test func aSharedTopEntryShowsLaterMappings() throws {
    let (memory, table) = smallMachine()
    let frames = FrameAllocator<FakeMemory, NoHint>(table)
    let first = try AddressSpace(memory: memory, frames: frames)
    let second = try AddressSpace(memory: memory, frames: frames)
    let page = VirtualAddress(0x7F80_0000_0000)
    try first.map(page, to: PhysicalAddress(0x9000), bytes: 4096, .write, frames: frames)
    first.share(topEntry: page.tableIndex(level: 4), with: second)
    try first.map(page.advanced(by: 4096), to: PhysicalAddress(0xA000), bytes: 4096, .write, frames: frames)
    #expect(second.translate(page.advanced(by: 4096))?.entry.address == PhysicalAddress(0xA000))
    first.share(topEntry: 512, with: second)
  }

  @Test func retiredFramesWaitForEveryCPU() throws {
    let horizon = FakeHorizon()
    var retired = RetiredFrames(horizon: horizon)
    #expect(retired.reclaim() == nil)
    for number in 0..<UInt64(64) { #expect(retired.retire(Frame(number: number)) == true) }
    #expect(!retired.hasRoom && !retired.retire(Frame(number: 99)))
    horizon.passed = 2
    #expect(retired.reclaim() == Frame(number: 0))
    #expect(retired.reclaim() == Frame(number: 1))
    #expect(retired.reclaim() == nil)
    #expect(retired.retire(Frame(number: 64)) == true)
    horizon.passed = .max
    for number in 2...UInt64(64) { #expect(retired.reclaim() == Frame(number: number)) }
    #expect(retired.reclaim() == nil && retired.count == 0)
  }

  @Test func aWindowNeverShowsAnAddressTwice() throws {
    let (space, frames) = try space()
    let horizon = FakeHorizon()
    var window = AddressWindow(space: space, horizon: horizon)
    let frame = try frames.allocate(.window)
    let first = try window.map(frame, frames: frames)
    try window.unmap(first)
    #expect(window.reclaim() == nil)
    let value1 = try window.map(frame, frames: frames)
    #expect(value1 != first)
    horizon.passed = 1
    #expect(window.reclaim() == frame)
    for _ in 0..<64 { try window.unmap(try window.map(frame, frames: frames)) }
    let last = try window.map(frame, frames: frames)
    #expect(throws: MappingError.exhausted) { try window.unmap(last) }
    #expect(space.translate(last) != nil)
  }
}

private final class FakeHorizon: FlushHorizon {
  var generation: UInt64 = 0
  var passed: UInt64 = 0
  func advance() -> UInt64 {
    generation += 1
    return generation
  }
  func hasPassed(_ generation: UInt64) -> Bool { generation <= passed }
}
