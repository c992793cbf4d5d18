// Tests of the pools: sizes, alignment, bounds, and what is not theirs.
import Kernel
import Seams
import TestSupport
import Testing
import X86

private typealias Pool = SizeClassPool<FakeMemory>

@Suite struct PoolTests {
  private func pool(limit: UInt64 = 100) -> (Pool, FrameAllocator<FakeMemory, NoHint>) {
    let (memory, table) = smallMachine()
    let frames = FrameAllocator<FakeMemory, NoHint>(table)
    return (
      SizeClassPool(memory: memory, owner: .heap, frameLimit: limit),
      frames
    )
  }

  @Test func sizesRoundUpToAClassOrWholeFrames() {
    #expect(Pool.blockBytes(0) == 64)
    #expect(Pool.blockBytes(64) == 64)
    #expect(Pool.blockBytes(65) == 128)
    #expect(Pool.blockBytes(2048) == 2048)
    #expect(Pool.blockBytes(2049) == 4096)
    #expect(Pool.blockBytes(4097) == 8192)
    #expect(Pool.blockBytes(.max) == nil)
  }

  @Test(arguments: seeds) func blocksNeverOverlapAndAreAligned(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var (pool, frames) = pool()
    var live: [(start: UInt64, bytes: UInt64)] = []
    for _ in 0..<2000 {
      if random.next() % 3 != 0 || live.isEmpty {
        let bytes = random.next() % 9000
        let alignment = UInt64(1) << (random.next() % 10)
        guard let block = try? pool.allocate(bytes: bytes, alignment: alignment, from: frames) else {
          continue
        }
        #expect(block.rawValue % alignment == 0)
        for other in live {
          #expect(
            block.rawValue + max(bytes, 1) <= other.start
              || other.start + max(other.bytes, 1) <= block.rawValue)
        }
        live.append((block.rawValue, max(bytes, alignment)))
      } else {
        let (start, bytes) = live.swapRemove(Int(random.next() % UInt64(live.count)))
        try pool.release(PhysicalAddress(start), bytes: bytes, to: frames)
      }
      #expect(pool.liveCount == UInt64(live.count) && pool.frameCount <= 100)
    }
  }

  @Test func aPoolStopsAtItsLimitAndCounts() throws {
    var (pool, frames) = pool(limit: 2)
    let free = frames.withTable { $0.freeCount }
    var blocks: [PhysicalAddress] = []
    while let block = try? pool.allocate(bytes: 1024, from: frames) { blocks.append(block) }
    #expect(blocks.count == 8 && pool.frameCount == 2 && pool.refusedCount == 1)
    #expect(throws: MemoryError.exhausted) { try pool.allocate(bytes: 4096, from: frames) }
    #expect(frames.withTable { $0.freeCount } == free - 2)
    try pool.release(blocks[3], bytes: 1024, to: frames)
    let value1 = try pool.allocate(bytes: 600, from: frames)
    #expect(value1 == blocks[3])
  }

  @Test func runsOfFramesGoBackToTheTable() throws {
    var (pool, frames) = pool()
    let free = frames.withTable { $0.freeCount }
    let run = try pool.allocate(bytes: 5 * 4096, from: frames)
    #expect(frames.withTable { $0.freeCount } == free - 5)
    #expect(throws: MemoryError.notOwned) {
      try pool.release(run.advanced(by: 4096), bytes: 4096, to: frames)
    }
    #expect(throws: MemoryError.notOwned) { try pool.release(run, bytes: 6 * 4096, to: frames) }
    try pool.release(run, bytes: 5 * 4096, to: frames)
    #expect(frames.withTable { $0.freeCount } == free && pool.frameCount == 0)
    #expect(throws: MemoryError.notOwned) { try pool.release(run, bytes: 5 * 4096, to: frames) }
  }

  @Test func aSecondReleaseAndAForeignBlockAreNoticed() throws {
    var (pool, frames) = pool()
    let block = try pool.allocate(bytes: 100, from: frames)
    let other = try pool.allocate(bytes: 100, from: frames)
    try pool.release(block, bytes: 100, to: frames)
    #expect(throws: MemoryError.notOwned) { try pool.release(block, bytes: 100, to: frames) }
    #expect(throws: MemoryError.notOwned) { try pool.release(other.advanced(by: 8), bytes: 100, to: frames) }
    let foreign = try frames.allocate(.tasks)
    #expect(throws: MemoryError.notOwned) { try pool.release(foreign.start, bytes: 100, to: frames) }
    #expect(throws: MemoryError.notOwned) { try pool.release(PhysicalAddress(.max), bytes: 100, to: frames) }
    #expect(throws: MemoryError.unservable) { try pool.allocate(bytes: 8, alignment: 3, from: frames) }
    #expect(throws: MemoryError.unservable) { try pool.allocate(bytes: 8, alignment: 8192, from: frames) }
  }
}

extension Array {
  fileprivate mutating func swapRemove(_ index: Int) -> Element {
    swapAt(index, count - 1)
    return removeLast()
  }
}
