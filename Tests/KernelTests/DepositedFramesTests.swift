// Tests of deposited frames: the kernel lives on what a guest lends it, and gives back what it does not use.
import Kernel
import Seams
import TestSupport
import Testing
import X86

private typealias Deposits = DepositedFrames<FakeMemory, NoHint>
private let page: UInt64 = 4096
private let large: UInt64 = 2 << 20

private func at(_ address: UInt64) -> PhysicalAddress { PhysicalAddress(address) }

/// Remembers what it is told.
private final class Told: @unchecked Sendable {
  var isAvailable = false
  var changes = 0
}

/// Clears the pages of `FakeMemory`'s guest; pages that the host has taken can't be cleared.
private struct Cleaner: PageValidator, @unchecked Sendable {
  let memory: FakeMemory
  var taken: Swift.Set<UInt64> = []
  func validate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func invalidate(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func revoke(_ address: PhysicalAddress, _ size: GuestPageSize) throws(PageFailure) {}
  func flushReductions() -> Bool { true }
  func clear(_ address: PhysicalAddress, byteCount: UInt64) throws(GuestMemoryFault) {
    if taken.contains(address.rawValue) { throw GuestMemoryFault() }
    memory.zero(PhysicalAddress(address.rawValue + KernelLayout.depositedOffset), count: byteCount)
  }
  func isClearable(_ address: PhysicalAddress) -> Bool {
    address.rawValue < 0xA_0000 || address.rawValue >= 0x10_0000
  }
}

private struct Machine {
  let memory: FakeMemory
  let frames: FrameAllocator<FakeMemory, NoHint>
  let deposits: Deposits
  let told = Told()

  init() throws {
    let small = smallMachine()
    memory = small.0
    var table = small.1
    deposits = Deposits(memory: memory, records: try table.allocate(.frameTable))
    frames = FrameAllocator(table, deposited: deposits)
    let told = told
    deposits.notify {
      told.isAvailable = $0
      told.changes += 1
    }
  }

  func takeAllOwn() { while (try? frames.allocate(.image)) != nil {} }
}

@Suite struct DepositedFramesTests {
  // D.71 to D.76: what is lent is used, and comes back when nothing uses it.
  @Test func aFullPoolGrowsByADepositAndShrinksByAWithdrawal() throws {
    let machine = try Machine()
    var pool = SizeClassPool(memory: machine.memory, owner: .heap, frameLimit: 100)
    machine.takeAllOwn()
    #expect(throws: MemoryError.exhausted) { try pool.allocate(bytes: 4096, from: machine.frames) }
    #expect(machine.deposits.add(at(0x10_0000), pageCount: 1))
    #expect(machine.deposits.add(at(0x10_1000), pageCount: 1) && machine.told.isAvailable)
    let block = try pool.allocate(bytes: 4096, from: machine.frames)
    #expect(block.rawValue == 0x10_0000 + KernelLayout.depositedOffset && pool.depositedCount == 1)
    #expect(
      (0..<page).allSatisfy { machine.memory.load(UInt8.self, at: block.advanced(by: $0)) == 0 }, "cleared")
    #expect(machine.deposits.takeBack() == at(0x10_1000) && machine.deposits.takeBack() == nil)
    #expect(!machine.told.isAvailable && machine.deposits.owner(of: Frame(containing: block)) == .heap)
    #expect(throws: MemoryError.exhausted) { try pool.allocate(bytes: 4096, from: machine.frames) }
    try pool.release(block, bytes: 4096, to: machine.frames)
    #expect(throws: MemoryError.notOwned) { try pool.release(block, bytes: 4096, to: machine.frames) }
    #expect(machine.told.isAvailable && pool.depositedCount == 0 && pool.frameCount == 0)
    #expect(machine.deposits.takeBack() == at(0x10_0000) && !machine.told.isAvailable)
    #expect(machine.memory.strayAccesses == 0)
  }

  @Test func onlyPoolsGetThemNotPageTables() throws {
    let machine = try Machine()
    #expect(machine.deposits.add(at(large), pageCount: 512))
    machine.takeAllOwn()
    #expect(throws: MemoryError.exhausted) { try machine.frames.allocate(.pageTables) }
    #expect(throws: MemoryError.exhausted) { try machine.frames.allocate(count: 2, .window, rest: .window) }
  }

  @Test func ownFramesGoFirstAndTheLimitHoldsForThemOnly() throws {
    let machine = try Machine()
    #expect(machine.deposits.add(at(large), pageCount: 512))
    var pool = SizeClassPool(memory: machine.memory, owner: .heap, frameLimit: 2)
    var blocks: [PhysicalAddress] = []
    for _ in 0..<4 { blocks.append(try pool.allocate(bytes: 4096, from: machine.frames)) }
    #expect(pool.frameCount == 2 && pool.depositedCount == 2)
    #expect(blocks.map { $0.rawValue >= KernelLayout.depositedOffset } == [false, false, true, true])
    for block in blocks { try pool.release(block, bytes: 4096, to: machine.frames) }
    #expect(pool.frameCount == 0 && pool.depositedCount == 0 && machine.deposits.freeCount == 511)
  }

  @Test func twoMebibytesComeBackPageByPageTheOneWithTheBooksLast() throws {
    let machine = try Machine()
    #expect(machine.deposits.add(at(large), pageCount: 512))
    #expect(
      !machine.deposits.add(at(large), pageCount: 512)
        && !machine.deposits.add(at(large + page), pageCount: 1))
    let run = try machine.deposits.allocate(count: 100, .heap, rest: .heapRun)
    var back: Swift.Set<UInt64> = []
    while let found = machine.deposits.takeBack() { back.insert(found.rawValue) }
    #expect(back.count == 411 && !back.contains(large))
    #expect(machine.deposits.add(at(large + 511 * page), pageCount: 1), "one comes again")
    #expect(machine.deposits.takeBack() == at(large + 511 * page))
    try machine.deposits.release(run, .heap)
    for step in 1..<UInt64(100) { try machine.deposits.release(Frame(number: run.number + step), .heapRun) }
    while let found = machine.deposits.takeBack() { back.insert(found.rawValue) }
    #expect(back.count == 512 && machine.deposits.freeCount == 0 && !machine.told.isAvailable)
    #expect(machine.deposits.add(at(large), pageCount: 512), "all of it may come again")
  }

  @Test func neighboursAreFoundAmongSinglePages() throws {
    let machine = try Machine()
    for number in [7, 3, 5, 4, 9] as [UInt64] {
      #expect(machine.deposits.add(at(number * page), pageCount: 1))
    }
    #expect(throws: MemoryError.exhausted) { try machine.deposits.allocate(count: 4, .heap, rest: .heapRun) }
    let run = try machine.deposits.allocate(count: 3, .heap, rest: .heapRun)
    #expect(run.start.rawValue == 3 * page + KernelLayout.depositedOffset)
    #expect(machine.deposits.owner(of: Frame(number: run.number + 2)) == .heapRun)
    #expect(throws: MemoryError.notOwned) {
      try machine.deposits.release(Frame(number: run.number + 1), .heap)
    }
  }

  @Test func aWithdrawalFindsWhatIsFreeBelowAndAboveWhatIsUsed() throws {
    let machine = try Machine()
    // From the last on, so that each record goes before all others.
    for number in (1...UInt64(8)).reversed() {
      #expect(machine.deposits.add(at(number * page), pageCount: 1))
    }
    let run = try machine.deposits.allocate(count: 8, .heap, rest: .heap)
    for step in [2, 6, 0, 7] as [UInt64] {
      try machine.deposits.release(Frame(number: run.number + step), .heap)
      #expect(machine.deposits.takeBack() == at((step + 1) * page))
      #expect(machine.deposits.takeBack() == nil)
    }
    #expect(machine.deposits.add(at(9 * page), pageCount: 1) && machine.deposits.add(at(page), pageCount: 1))
    #expect([machine.deposits.takeBack(), machine.deposits.takeBack()] == [at(9 * page), at(page)])
    #expect(machine.deposits.owner(of: Frame(number: run.number + 1)) == .heap)
  }

  @Test func aFullBookRefuses() throws {
    let machine = try Machine()
    for number in 0..<Deposits.capacity { #expect(machine.deposits.add(at(number * 2 * page), pageCount: 1)) }
    #expect(!machine.deposits.add(at(page), pageCount: 1))
    #expect(machine.deposits.freeCount == Deposits.capacity)
  }

  // A heap that draws on its reserve says how much it lacks, until a guest has deposited that (D.77).
  @Test func aHeapInNeedSaysHowMuchAndIsServed() throws {
    let machine = try Machine()
    let heap = KernelHeap(
      memory: machine.memory, frames: machine.frames, stocks: stocks(machine.memory, machine.frames),
      frameLimit: 8, reserve: 4, lowness: { _ in })
    var objects: [PhysicalAddress] = []
    while !heap.isLow {
      #expect(heap.shortfall == 0)
      objects.append(try #require(heap.allocate(bytes: 4000, alignment: 16, on: .boot)))
    }
    #expect(heap.shortfall == 4 && heap.allocate(bytes: 60_000, alignment: 16, on: .boot) == nil)
    var cleaner = Cleaner(memory: machine.memory)
    cleaner.taken = [large]
    let exchange = DepositedMemory(machine.deposits, heap: heap, platform: cleaner, tell: { _ in })
    #expect(!exchange.deposit(at(0xA_0000), pageCount: 1), "memory that can't be written")
    #expect(!exchange.deposit(at(0), pageCount: 512), "nor 2 MiB around it")
    #expect(!exchange.deposit(at(large), pageCount: 512), "nor what the host does not back")
    // Half of what the reserve holds will do, but all of it is asked for.
    for (number, needed) in zip(UInt64(1)..., [4, 3, 0, 0] as [UInt32]) {
      #expect(exchange.shortfall == needed)
      #expect(exchange.deposit(at(large + number * page), pageCount: 1))
    }
    #expect(exchange.shortfall == 0)
    #expect(exchange.deposit(at(2 * large), pageCount: 512))
    let big = try #require(heap.allocate(bytes: 60_000, alignment: 16, on: .boot))
    for offset in 0..<UInt64(60_000) { machine.memory.store(UInt8(0xEE), at: big.advanced(by: offset)) }
    #expect(heap.depositedCount == 15)
    heap.release(big, on: .boot)
    #expect(heap.depositedCount == 0)
    // What the kernel wrote does not come back.
    var count = 0
    while let found = exchange.withdraw() {
      let name = PhysicalAddress(found.rawValue + KernelLayout.depositedOffset)
      #expect(
        (0..<page / 8).allSatisfy { machine.memory.load(UInt64.self, at: name.advanced(by: $0 * 8)) == 0 })
      count += 1
    }
    #expect(count == 516 && heap.shortfall == 4 && machine.memory.strayAccesses == 0)
  }

  @Test(arguments: seeds) func aRandomHistoryLosesAndDoublesNothing(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let machine = try Machine()
    // The guest's pages below 8 MiB: whose each is.
    var guests = Swift.Set((0..<UInt64(2048)))
    var used: [UInt64: UInt64] = [:]  // first page of the kernel's: how many
    for round in 0..<20_000 {
      switch random.next() % 6 {
      case 0:
        let number = random.next() % 2048
        guard guests.contains(number) else { continue }
        if machine.deposits.add(at(number * page), pageCount: 1) { guests.remove(number) }
      case 1:
        let number = random.next() % 4 * 512
        guard (number..<number + 512).allSatisfy({ guests.contains($0) }) else { continue }
        if machine.deposits.add(at(number * page), pageCount: 512) { guests.subtract(number..<number + 512) }
      case 2:
        for _ in 0..<random.next() % 300 {
          guard let found = machine.deposits.takeBack() else { break }
          #expect(guests.insert(found.rawValue / page).inserted, "round \(round): \(found) twice")
        }
      case 3, 4:
        let count = random.next() % 3 == 0 ? random.next() % 20 + 1 : 1
        guard let frame = try? machine.deposits.allocate(count: count, .heap, rest: .heapRun) else {
          continue
        }
        let first = (frame.start.rawValue - KernelLayout.depositedOffset) / page
        for number in first..<first + count {
          #expect(!guests.contains(number), "round \(round): the guest's")
          #expect(!used.contains { $0.key <= number && number < $0.key + $0.value }, "round \(round): used")
        }
        used[first] = count
      default:
        guard let (first, count) = used.randomElement(using: &random) else { continue }
        used[first] = nil
        let frame = (first * page + KernelLayout.depositedOffset) / page
        for step in 0..<count {
          try machine.deposits.release(Frame(number: frame + step), step == 0 ? .heap : .heapRun)
        }
      }
      #expect(machine.told.isAvailable == (machine.deposits.freeCount > 0))
    }
    for (first, count) in used {
      let frame = (first * page + KernelLayout.depositedOffset) / page
      for step in 0..<count {
        try machine.deposits.release(Frame(number: frame + step), step == 0 ? .heap : .heapRun)
      }
    }
    while let found = machine.deposits.takeBack() { #expect(guests.insert(found.rawValue / page).inserted) }
    #expect(guests.count == 2048 && machine.memory.strayAccesses == 0, "seed \(seed)")
  }
}
