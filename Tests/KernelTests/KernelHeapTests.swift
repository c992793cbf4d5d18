// Tests of the heap: sizes, stocks of CPUs, bounds, the reserve, and what is not the heap's.
import Kernel
import Seams
import Tasks
import TestSupport
import Testing
import X86

private typealias Heap = KernelHeap<FakeMemory, NoHint>

/// Remembers what the heap said of its reserve.
private final class Lowness: @unchecked Sendable {
  var changes: [Bool] = []
}

private struct Machine {
  let memory: FakeMemory
  let frames: FrameAllocator<FakeMemory, NoHint>
  let heap: Heap
  let lowness = Lowness()

  init(limit: UInt64 = 64, reserve: UInt64 = 4) {
    let (memory, table) = smallMachine()
    self.memory = memory
    let frames = FrameAllocator<FakeMemory, NoHint>(table)
    self.frames = frames
    let lowness = lowness
    heap = Heap(
      memory: memory, frames: frames, stocks: stocks(memory, frames), frameLimit: limit, reserve: reserve,
      lowness: { lowness.changes.append($0) })
  }

  func allocate(_ bytes: UInt64, _ alignment: UInt64 = 16, on cpu: UInt32 = 0) -> PhysicalAddress? {
    heap.allocate(bytes: bytes, alignment: alignment, on: CPUIndex(cpu))
  }
}

@Suite struct KernelHeapTests {
  @Test func theHeapRemembersSizesItself() throws {
    let machine = Machine()
    var blocks: [PhysicalAddress] = []
    for bytes in [1, 16, 48, 49, 500, 3000, 20_000] as [UInt64] {
      for alignment in [8, 16, 64, 1024] as [UInt64] {
        let block = try #require(machine.allocate(bytes, alignment))
        #expect(block.rawValue % alignment == 0)
        for offset in 0..<bytes { machine.memory.store(UInt8(0xEE), at: block.advanced(by: offset)) }
        blocks.append(block)
      }
    }
    #expect(machine.heap.usage.live == UInt64(blocks.count))
    for block in blocks { machine.heap.release(block, on: .boot) }
    #expect(machine.heap.usage.live == 0)
    #expect(machine.allocate(1 << 40) == nil)
    #expect(machine.allocate(.max) == nil)
    #expect(machine.allocate(65 * 4096) == nil)
    #expect(machine.memory.strayAccesses == 0)
  }

  @Test func aStockIsFilledAndEmptiedByChains() throws {
    let machine = Machine()
    let first = try #require(machine.heap.allocateChain(blockBytes: 128, count: 8, on: CPUIndex(1)))
    var objects: [UInt64] = []
    var next = first.rawValue
    while next != 0 {
      objects.append(next)
      let header = ObjectHeader(word: machine.memory.load(UInt64.self, at: PhysicalAddress(next - 8)))
      #expect(header.blockBytes == 128 && header.lead == 16 && !header.isStocked)
      next = machine.memory.load(UInt64.self, at: PhysicalAddress(next))
    }
    #expect(Set(objects).count == 8 && machine.heap.usage.live == 8)
    machine.heap.releaseChain(first, on: CPUIndex(2))
    #expect(machine.heap.usage.live == 0)
    // A chain is as long as there is memory, and never the reserve's.
    let small = Machine(limit: 1)
    #expect(
      small.heap.allocateChain(blockBytes: 1024, count: 8, on: .boot) != nil && small.heap.usage.live == 4)
    #expect(small.heap.allocateChain(blockBytes: 1024, count: 8, on: .boot) == nil && !small.heap.isLow)
  }

  @Test func aSecondReleaseChangesNothing() throws {
    let machine = Machine()
    let block = try #require(machine.allocate(40))
    let other = try #require(machine.allocate(40))
    machine.heap.release(block, on: .boot)
    machine.heap.release(block, on: CPUIndex(1))
    #expect(machine.heap.usage.live == 1)
    let first = machine.allocate(40)
    let second = machine.allocate(40)
    #expect(first == block && second != block && second != other)
  }

  @Test(arguments: seeds) func blocksOfManyCPUsNeverOverlap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let machine = Machine(limit: 100)
    var live: [(start: PhysicalAddress, bytes: UInt64)] = []
    for _ in 0..<3000 {
      let cpu = CPUIndex(UInt32(random.next() % 5))  // the fifth has no stock
      if random.next() % 3 != 0 || live.isEmpty {
        let bytes = random.next() % 3000 + 1
        guard let block = machine.heap.allocate(bytes: bytes, alignment: 16, on: cpu) else { continue }
        for other in live {
          #expect(
            block.rawValue + bytes <= other.start.rawValue
              || other.start.rawValue + other.bytes <= block.rawValue)
        }
        live.append((block, bytes))
      } else {
        let index = Int(random.next() % UInt64(live.count))
        live.swapAt(index, live.count - 1)
        machine.heap.release(live.removeLast().start, on: cpu)
      }
    }
    #expect(machine.heap.usage.live == UInt64(live.count) && machine.heap.usage.frames <= 100)
    for block in live { machine.heap.release(block.start, on: .boot) }
    #expect(machine.heap.usage.live == 0 && machine.memory.strayAccesses == 0 && !machine.heap.isLow)
  }

  // Invariant I6 for objects: the reserve serves when the pool does not, and says so.
  @Test func theReserveServesWhenThePoolIsExhaustedAndSaysSo() throws {
    let machine = Machine(limit: 3, reserve: 2)
    var plain: [PhysicalAddress] = []
    while !machine.heap.isLow { plain.append(try #require(machine.allocate(1000))) }
    #expect(machine.lowness.changes == [true] && plain.count == 3 * 4 + 1)
    var reserved = [plain.removeLast()]
    while let block = machine.allocate(1000, on: 1) { reserved.append(block) }
    #expect(reserved.count == 2 * 4, "two frames of the reserve, and then nil")
    for block in plain { machine.heap.release(block, on: .boot) }
    #expect(machine.heap.isLow, "what others give back does not end it")
    for block in reserved { machine.heap.release(block, on: CPUIndex(3)) }
    #expect(!machine.heap.isLow && machine.lowness.changes == [true, false])
    #expect(machine.heap.usage.live == 0)
  }

  @Test func aReserveGivesNeighbouringFramesAndKnowsItsOwn() throws {
    let machine = Machine()
    let reserve = machine.frames.reserve(5)
    let run = try reserve.allocate(count: 3, .reserve, rest: .reserve)
    let single = try reserve.allocate(.reserve)
    #expect(single.number == run.number + 3 && reserve.freeCount == 1 && reserve.isDrawnOn)
    #expect(throws: MemoryError.exhausted) { try reserve.allocate(count: 2, .reserve, rest: .reserve) }
    #expect(throws: MemoryError.exhausted) { try reserve.allocate(count: 65, .reserve, rest: .reserve) }
    try reserve.release(single, .reserve)
    #expect(throws: MemoryError.notOwned) { try reserve.release(single, .reserve) }
    #expect(throws: MemoryError.notOwned) { try reserve.release(Frame(number: run.number + 5), .reserve) }
    #expect(throws: MemoryError.notOwned) { try reserve.release(Frame(number: run.number &- 1), .reserve) }
    for step in 0..<3 as Range<UInt64> { try reserve.release(Frame(number: run.number + step), .reserve) }
    #expect(!reserve.isDrawnOn)
  }
}

// Invariant I6: growing frames may use memory that spawning may not.
@Suite struct TaskMemoryTests {
  @Test func growingFramesFindMemoryWhenSpawningDoesNot() throws {
    let (memory, table) = smallMachine()
    let frames = FrameAllocator<FakeMemory, NoHint>(table)
    let tasks = TaskMemory(
      memory: memory, frames: frames, stocks: stocks(memory, frames), frameLimit: 8, reserve: 3)
    var blocks: [PhysicalAddress] = []
    while let block = tasks.allocateBlock(bytes: 1024, on: .boot) { blocks.append(block) }
    #expect(blocks.count == 8 * 4)
    var grown: [PhysicalAddress] = []
    while let block = tasks.allocateReserve(bytes: 1024) { grown.append(block) }
    #expect(grown.count == 3 * 4 && tasks.allocateBlock(bytes: 1024, on: .boot) == nil)
    for block in grown { tasks.releaseBlock(block, bytes: 1024, on: CPUIndex(1)) }
    #expect(tasks.reserveUsage.live == 0)
    #expect(tasks.allocateBlock(bytes: 1024, on: .boot) == nil, "what growing gave back is still set aside")
    let again = try #require(tasks.allocateReserve(bytes: 1024))
    tasks.releaseBlock(again, bytes: 1024, on: .boot)
    tasks.releaseBlock(again, bytes: 1024, on: .boot)
    #expect(tasks.reserveUsage.live == 0)
    for block in blocks { tasks.releaseBlock(block, bytes: 1024, on: .boot) }
    #expect(tasks.usage.live == 0)
  }
}
