// Tests of the frame table, the plan for it, the allocator and its caches.
import Kernel
import Seams
import TestSupport
import Testing
import X86

@Suite struct FrameTableTests {
  @Test func reservedWinsWhereRegionsOverlap() {
    let memory = FakeMemory(count: 4 << 20)
    let table = FrameTable(
      map: map(
        (2 * mebibyte + 1, 4096, .reserved), (0, 4 * mebibyte, .usable),
        (3 * mebibyte + 100, 4096 * 2, .usable)),
      memory: memory, metadata: PhysicalAddress(mebibyte), frameCount: 1024)
    // The reserved region is not aligned: both frames that it touches are kept off.
    #expect(table.owner(of: Frame(number: 512)) == .firmware)
    #expect(table.owner(of: Frame(number: 513)) == .firmware)
    #expect(table.owner(of: Frame(number: 514)) == .free)
    #expect(table.owner(of: Frame(number: 511)) == .free)
    #expect(table.owner(of: Frame(number: 1024)) == .firmware)
    #expect(memory.strayAccesses == 0)
  }

  @Test func usableRegionsShrinkToWholeFrames() {
    let memory = FakeMemory(count: 4 << 20)
    let table = FrameTable(
      map: map((mebibyte, 65536, .usable), (2 * mebibyte + 1, 3 * 4096, .usable)), memory: memory,
      metadata: PhysicalAddress(mebibyte), frameCount: 1024)
    #expect(table.owner(of: Frame(number: 512)) == .firmware)
    #expect(table.owner(of: Frame(number: 513)) == .free)
    #expect(table.owner(of: Frame(number: 514)) == .free)
    #expect(table.owner(of: Frame(number: 515)) == .firmware)
  }

  @Test func nothingBelowOneMebibyteIsEverFree() throws {
    var (_, table) = smallMachine()
    #expect(table.owner(of: Frame(number: 0)) == .firmware)
    #expect(table.count(of: .low) == 255)
    let value1 = try table.allocateLow(.trampoline)
    #expect(value1 == Frame(number: 255))
    let value2 = try table.allocateLow(.trampoline)
    #expect(value2 == Frame(number: 254))
    let value3 = try table.allocate(.heap).number
    #expect(value3 >= 256)
  }

  @Test func everyFrameIsGivenOnceAndComesBackOnce() throws {
    var (memory, table) = smallMachine()
    let free = table.freeCount
    #expect(free == 1024 - 256 - 1)
    var taken: Set<UInt64> = []
    while let frame = try? table.allocate(.heap) {
      let isNew = taken.insert(frame.number).inserted
      #expect(isNew)
    }
    #expect(UInt64(taken.count) == free && table.freeCount == 0)
    #expect(throws: MemoryError.exhausted) { try table.allocate(.heap) }
    for number in taken { try table.release(Frame(number: number), .heap) }
    #expect(table.freeCount == free)
    for number in taken {
      #expect(throws: MemoryError.notOwned) { try table.release(Frame(number: number), .heap) }
    }
    #expect(throws: MemoryError.notOwned) { try table.release(Frame(number: .max), .heap) }
    #expect(table.freeCount == free && memory.strayAccesses == 0)
    memory.bytes = []
  }

  @Test(arguments: seeds) func aRandomHistoryAgreesWithASimpleModel(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var (_, table) = smallMachine()
    var model: [UInt64: FrameOwner] = [:]
    let free = table.freeCount
    for _ in 0..<3000 {
      switch random.next() % 4 {
      case 0:
        if let frame = try? table.allocate(.tasks) {
          #expect(model[frame.number] == nil)
          model[frame.number] = .tasks
        }
      case 1:
        let count = random.next() % 70 + 1
        if let first = try? table.allocate(count: count, .heap, rest: .heapRun) {
          for step in 0..<count {
            #expect(model[first.number + step] == nil)
            model[first.number + step] = step == 0 ? .heap : .heapRun
          }
        }
      default:
        if let (number, owner) = model.randomElement(using: &random) {
          try table.release(Frame(number: number), owner)
          model[number] = nil
        }
      }
      #expect(table.freeCount == free - UInt64(model.count))
    }
    for (number, owner) in model { #expect(table.owner(of: Frame(number: number)) == owner) }
  }

  @Test func aRunOfFramesMayNotCrossWhatIsTaken() throws {
    var (_, table) = smallMachine()
    table.reserve(start: PhysicalAddress(2 * mebibyte), bytes: 1, .image)
    // 255 frames lie between the table and the image, 511 above it.
    let value4 = try table.allocate(count: 255, .heap, rest: .heapRun).number
    #expect(value4 == 257)
    let value5 = try table.allocate(count: 511, .heap, rest: .heapRun).number
    #expect(value5 == 513)
    #expect(throws: MemoryError.exhausted) { try table.allocate(count: 1, .heap, rest: .heapRun) }
  }

  @Test func runsOfMemoryAreFoundWhateverTheirAlignment() {
    let memory = FakeMemory(count: 4 << 20)
    let table = FrameTable(
      map: map(
        (mebibyte, mebibyte, .usable), (2 * mebibyte + 3 * 4096, 4096, .usable),
        (3 * mebibyte - 4096, 17 * 4096, .usable)),
      memory: memory, metadata: PhysicalAddress(mebibyte), frameCount: 1024)
    var runs: [[UInt64]] = []
    var next: UInt64 = 0
    while let run = table.tags.nextRun(from: next) {
      runs.append([run.first, run.count])
      next = run.first + run.count
    }
    #expect(runs == [[256, 256], [515, 1], [767, 17]])
  }

  @Test func thePlanKeepsOffImageReservedRegionsAndLowMemory() throws {
    let image = try #require(
      MemoryRegion(start: PhysicalAddress(mebibyte), bytes: 3 * mebibyte, kind: .reserved))
    let plan = try MemoryPlan(
      map: map(
        (0, 640 * 1024, .usable), (4 * mebibyte, 4096, .reserved), (mebibyte, 255 * mebibyte, .usable)),
      image: image, limit: PhysicalAddress(1 << 32))
    #expect(plan.metadata.rawValue == 4 * mebibyte + 4096)
    #expect(plan.frameCount == 65536)
    #expect(FrameTable<FakeMemory>.metadataBytes(frameCount: 65536) == 65536 + 8192)
  }

  @Test func aPlanWithoutRoomIsRefused() throws {
    let image = try #require(MemoryRegion(start: PhysicalAddress(mebibyte), bytes: mebibyte, kind: .reserved))
    let scattered = map((0, mebibyte, .usable), (mebibyte, mebibyte, .usable))
    #expect(throws: MemoryError.exhausted) {
      try MemoryPlan(map: scattered, image: image, limit: PhysicalAddress(1 << 32))
    }
    #expect(throws: MemoryError.exhausted) {
      try MemoryPlan(map: MemoryMap(), image: image, limit: PhysicalAddress(1 << 32))
    }
    // A region up to the last address must not wrap.
    let huge = map((.max - 8191, 8191, .usable))
    #expect(throws: MemoryError.exhausted) {
      try MemoryPlan(map: huge, image: image, limit: PhysicalAddress(1 << 32))
    }
  }

  @Test func aCacheServesWithoutTheTableAndGivesBackWhatIsTooMuch() throws {
    let (memory, table) = smallMachine()
    let shared = FrameAllocator<FakeMemory, NoHint>(table)
    let cache = FrameCache(shared, stocks(memory, shared), of: .boot)
    let free = shared.withTable { $0.freeCount }
    var frames: [Frame] = []
    for _ in 0..<100 { frames.append(try cache.allocate(.tasks)) }
    #expect(Set(frames.map(\.number)).count == 100)
    #expect(throws: MemoryError.notOwned) { try cache.release(frames[0], .heap) }
    for frame in frames { try cache.release(frame, .tasks) }
    #expect(throws: MemoryError.notOwned) { try cache.release(frames[0], .tasks) }
    #expect(cache.count <= FrameCache<FakeMemory, NoHint>.capacity)
    cache.drain()
    #expect(cache.count == 0 && shared.withTable { $0.freeCount } == free)
  }

  @Test func anExhaustedCacheSaysSoAndRecovers() throws {
    let (memory, table) = smallMachine()
    let shared = FrameAllocator<FakeMemory, NoHint>(table)
    let cache = FrameCache(shared, stocks(memory, shared), of: CPUIndex(1))
    var frames: [Frame] = []
    while let frame = try? cache.allocate(.tasks) { frames.append(frame) }
    #expect(throws: MemoryError.exhausted) { try cache.allocate(.tasks) }
    #expect(frames.count == 766)
    try cache.release(frames[5], .tasks)
    let value6 = try cache.allocate(.heap)
    #expect(value6 == frames[5])
  }
}
