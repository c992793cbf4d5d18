// DepositedFrames: the frames that a guest has deposited: which there are, whose they are, and which are free.
import Seams
import X86

extension Frame {
  /// The frame by which the allocators name the guest's page at `page`, which it has deposited.
  init(deposited page: PhysicalAddress) {
    self.init(containing: PhysicalAddress(page.rawValue &+ KernelLayout.depositedOffset))
  }
  /// Whether a guest has deposited it: no frame of the kernel's own has so high a number.
  var isDeposited: Bool { number >= KernelLayout.depositedOffset / Frame.bytes }
  /// The guest's page that it is.
  var guestPage: PhysicalAddress { PhysicalAddress(start.rawValue &- KernelLayout.depositedOffset) }
}

/// Frames on loan: the pools' when the kernel's own are used up, and the guest's again when nothing uses them.
///
/// Sorted records of a word each, in a frame of their own: address of the first frame, bit 8 for a run of 512
/// (`DepositedRun`), and a single frame's owner in bits 7:0. Every search is bounded by the capacity. Only
/// for memory that the direct map's arithmetic reaches: page tables and CPUs' pages are never here.
public final class DepositedFrames<Memory: PhysicalMemory & Sendable, Hint: SpinHint>: @unchecked Sendable {
  /// Records that there is room for.
  public static var capacity: UInt64 { 512 }
  private static var isRun: UInt64 { 0x100 }
  /// Runs that are searched for neighbouring frames.
  private static var runsSearched: Int { 16 }

  private let lock = SpinLock<Hint>()
  private let memory: Memory
  private let records: PhysicalAddress
  // Every access is within `lock`.
  private var count: UInt64 = 0
  private var free: UInt64 = 0
  // Every free frame belongs to a record below this one, so that a guest's withdrawals pass each record once.
  private var freeBelow: UInt64 = 0
  private var tell: ((Bool) -> Void)?

  /// No frames; `records` is a frame of the kernel's own, and `memory` reaches the guest's window.
  public init(memory: Memory, records: Frame) {
    self.memory = memory
    self.records = records.start
  }

  /// From now on `tell` is told, with the lock held, whenever there begins or ceases to be a free frame.
  public func notify(_ tell: @escaping (Bool) -> Void) { lock.withLock { self.tell = tell } }

  /// Frames that nobody uses.
  public var freeCount: UInt64 { lock.withLock { free } }

  // MARK: Records.

  private func record(_ index: UInt64) -> UInt64 {
    memory.load(UInt64.self, at: records.advanced(by: index &* 8))
  }
  private func setRecord(_ index: UInt64, _ word: UInt64) {
    memory.store(word, at: records.advanced(by: index &* 8))
  }
  private func first(_ word: UInt64) -> Frame { Frame(number: word >> 12) }
  private func run(_ word: UInt64) -> DepositedRun<Memory>? {
    word & Self.isRun != 0 ? DepositedRun(memory: memory, first: first(word)) : nil
  }
  private func single(_ word: UInt64) -> FrameOwner {
    FrameOwner(rawValue: UInt8(truncatingIfNeeded: word)) ?? .firmware
  }

  // The number of records that begin at or before the frame.
  private func rank(_ number: UInt64) -> UInt64 {
    var low: UInt64 = 0
    var high = count
    while low < high {
      let middle = (low &+ high) / 2
      if record(middle) >> 12 <= number { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  // The record that the frame belongs to.
  private func find(_ number: UInt64) -> UInt64? {
    let rank = rank(number)
    guard rank > 0 else { return nil }
    let word = record(rank &- 1)
    let length = word & Self.isRun != 0 ? DepositedRun<Memory>.frames : 1
    return number &- word >> 12 < length ? rank &- 1 : nil
  }

  private func insert(_ word: UInt64) {
    let place = rank(word >> 12)
    move(from: place, to: place &+ 1, count: count &- place)
    setRecord(place, word)
    count &+= 1
  }

  private func remove(_ place: UInt64) {
    count &-= 1
    move(from: place &+ 1, to: place, count: count &- place)
  }

  private func move(from first: UInt64, to target: UInt64, count: UInt64) {
    memory.move(
      records.advanced(by: first &* 8), to: records.advanced(by: target &* 8), wordCount: count)
  }

  private func ownerOf(_ number: UInt64) -> FrameOwner {
    guard let index = find(number) else { return .firmware }
    let word = record(index)
    return run(word)?.owner(number) ?? single(word)
  }

  private func set(_ number: UInt64, _ owner: FrameOwner) {
    guard let index = find(number) else { return }
    let word = record(index)
    if let run = run(word) {
      run.set(number, owner)
    } else {
      setRecord(index, word & ~0xFF | UInt64(owner.rawValue))
    }
  }

  private func change(_ amount: UInt64, isMore: Bool) {
    let before = free
    if isMore { freeBelow = count }
    free = isMore ? free &+ amount : free &- amount
    if (before == 0) != (free == 0) { tell?(free != 0) }
  }

  // MARK: The guest's side.

  /// Takes `pageCount` pages, 1 or 512, from `page` on; false without room, or if one of them is here already.
  @inline(never) public func add(_ page: PhysicalAddress, pageCount: Int) -> Bool {
    let frame = Frame(deposited: page)
    return lock.withLock {
      if let index = find(frame.number) {
        // A page that was given back, of a run that is here still.
        guard pageCount == 1, let run = run(record(index)), run.owner(frame.number) == .firmware else {
          return false
        }
        run.set(frame.number, .free)
        change(1, isMore: true)
        return true
      }
      guard count < Self.capacity else { return false }
      if pageCount == 1 {
        insert(frame.start.rawValue | UInt64(FrameOwner.free.rawValue))
        change(1, isMore: true)
        return true
      }
      let frames = DepositedRun<Memory>.frames
      guard pageCount == Int(frames), frame.number % frames == 0,
        rank(frame.number &+ frames &- 1) == rank(frame.number)
      else { return false }
      insert(frame.start.rawValue | Self.isRun)
      DepositedRun(memory: memory, first: frame).begin()
      change(frames &- 1, isMore: true)
      return true
    }
  }

  /// Gives up a page that nobody uses, with whatever is in it; nil if there is none.
  @inline(never) public func takeBack() -> PhysicalAddress? {
    lock.withLock {
      guard free > 0 else { return nil }
      while freeBelow > 0 {
        let index = freeBelow &- 1
        let word = record(index)
        guard let run = run(word) else {
          guard single(word) == .free else {
            freeBelow = index
            continue
          }
          remove(index)
          freeBelow = index
          change(1, isMore: false)
          return first(word).guestPage
        }
        guard let frame = run.lastFree else {
          freeBelow = index
          continue
        }
        run.set(frame.number, .firmware)
        if run.presentCount == 0 {
          // The first frame has nothing to tell of any more and is a free one like others.
          setRecord(index, run.first.start.rawValue | UInt64(FrameOwner.free.rawValue))
        } else {
          change(1, isMore: false)
        }
        return frame.guestPage
      }
      return nil
    }
  }

  // MARK: The kernel's side.

  /// Neighbouring frames, cleared, the first for `owner` and the others for `rest`.
  @inline(never) public func allocate(
    count wanted: UInt64, _ owner: FrameOwner, rest: FrameOwner
  ) throws(MemoryError) -> Frame {
    let found: Frame? = lock.withLock {
      guard wanted > 0, wanted <= free, let frame = search(wanted) else { return nil }
      set(frame.number, owner)
      for step in 1..<max(wanted, 1) { set(frame.number &+ step, rest) }
      change(wanted, isMore: false)
      return frame
    }
    guard let found else { throw .exhausted }
    memory.zero(found.start, count: wanted &* Frame.bytes)
    return found
  }

  // Neighbours are looked for within a run and among single frames.
  private func search(_ wanted: UInt64) -> Frame? {
    var singles: UInt64 = 0
    var next: UInt64 = 0
    var runsLeft = Self.runsSearched
    for index in 0..<count {
      let word = record(index)
      let frame = first(word)
      if let run = run(word) {
        singles = 0
        guard run.freeCount >= wanted, runsLeft > 0 else { continue }
        runsLeft &-= 1
        if let found = run.freeFrames(wanted) { return found }
      } else if single(word) == .free {
        singles = frame.number == next ? singles &+ 1 : 1
        next = frame.number &+ 1
        if singles == wanted { return Frame(number: next &- wanted) }
      } else {
        singles = 0
      }
    }
    return nil
  }

  /// Takes a frame of `owner` back; `notOwned` (and nothing changed) if it isn't that owner's.
  @inline(never) public func release(_ frame: Frame, _ owner: FrameOwner) throws(MemoryError) {
    let isOurs: Bool = lock.withLock {
      guard owner != .free, owner != .firmware, owner != .frameTable, ownerOf(frame.number) == owner else {
        return false
      }
      set(frame.number, .free)
      change(1, isMore: true)
      return true
    }
    if !isOurs { throw .notOwned }
  }

  /// Who owns `frame`; the firmware if it is not here.
  @inline(never) public func owner(of frame: Frame) -> FrameOwner { lock.withLock { ownerOf(frame.number) } }
}
