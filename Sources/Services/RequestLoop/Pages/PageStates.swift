// PageStates: the state of every page of the guest, changed by compare-exchange and never locked.
public import Seams
public import Tasks
public import X86

/// What a claim found.
public enum PageClaim: Equatable, Sendable {
  /// The caller has the pages.
  case claimed
  /// Another CPU has one of them, or reads or writes it: answer BUSY.
  case busy
  /// One of them is not the guest's to name.
  case protected
  /// A 2 MiB range of pages in different states.
  case mixed
  /// All of them are in this state instead.
  case other(PageState)
}

/// The states of the guest's pages: four bits each, and one word per chunk of 2 MiB.
///
/// A chunk whose pages are all alike is that one word, so that 2 MiB change hands with one compare-exchange; the first
/// change of a single page *splits* the chunk into 32 words of 16 states. A 2 MiB change joins it again.
///
/// ```
///   chunk word:  uniform(state) ──1 split──▶ splitting ──2──▶ split
///                  │  ▲                                         │
///              3 claim finish 4                    3 claim all 32 words
///                  ▼  │                                         │
///                claimed ──────────4 finish: uniform────────────┘
/// ```
/// While a chunk is uniform its 32 words are stale; they are then all `claimed` or were never used, so that a CPU
/// which read `split` before finds nothing it could change.
public final class PageStates: Sendable {
  /// Ranges of guest memory that the map can hold.
  public static var maximumRegions: Int { 16 }
  private static var split: UInt64 { 0x100 }
  private static var splitting: UInt64 { 0x200 }
  private static var wordsPerChunk: Int { 33 }
  /// Looks at a word that others change before the page is called busy.
  private static var attempts: Int { 64 }

  private struct Region: Sendable {
    var firstChunk: UInt64 = 0
    var chunkCount: UInt64 = 0
    var firstWord = 0
  }

  private struct Place {
    var chunk: Int
    var slot: Int
    @inline(__always) var word: Int { chunk &+ 1 &+ slot >> 4 }
    @inline(__always) var shift: UInt64 { UInt64(truncatingIfNeeded: slot & 15) &* 4 }
  }

  private let regions: InlineArray<16, Region>
  private let regionCount: Int
  private let words: SharedWords

  /// Words of 8 bytes that the map of `regions` takes: 264 bytes per 2 MiB, about half a byte per page.
  public static func wordCount(_ regions: [GuestRegion]) -> Int {
    var count: UInt64 = 0
    for region in regions.prefix(maximumRegions) {
      count &+= min(region.chunkCount, 1 << 31) &* UInt64(wordsPerChunk)
    }
    return Int(truncatingIfNeeded: count)
  }

  /// A map of `regions` (at most 16, disjoint as 2 MiB chunks) in which every page is `outside`.
  ///
  /// `words` are `wordCount(regions)` zeroed words; nil: from the heap.
  public init(_ regions: [GuestRegion], words: SharedWords? = nil) {
    var list = InlineArray<16, Region>(repeating: Region())
    var next = 0
    var count = 0
    for region in regions.prefix(Self.maximumRegions) {
      list[count] = Region(
        firstChunk: region.firstChunk, chunkCount: min(region.chunkCount, 1 << 31), firstWord: next)
      next = next &+ Int(truncatingIfNeeded: list[count].chunkCount) &* Self.wordsPerChunk
      count &+= 1
    }
    self.regions = list
    regionCount = count
    self.words = words ?? SharedWords(count: next)
  }

  @inline(__always) private func place(_ address: PhysicalAddress) -> Place? {
    let chunk = address.rawValue >> 21
    var index = 0
    while index < regionCount {
      defer { index &+= 1 }
      let region = regions[index & (Self.maximumRegions &- 1)]
      // Below the first chunk the difference is a large number.
      let offset = chunk &- region.firstChunk
      guard offset < region.chunkCount else { continue }
      return Place(
        chunk: region.firstWord &+ Int(truncatingIfNeeded: offset) &* Self.wordsPerChunk,
        slot: Int(truncatingIfNeeded: address.rawValue >> 12) & 511)
    }
    return nil
  }

  /// The state of the page at `address`; it may have changed by the time the caller looks at it.
  public func state(of address: PhysicalAddress) -> PageState {
    update(address) { _ in nil }
  }

  /// Changes the page at `address` to what `change` makes of its state, unless that is nil; answers the state before.
  ///
  /// `claimed` when others keep changing its word.
  @inline(__always) private func update(
    _ address: PhysicalAddress, _ change: (PageState) -> PageState?
  ) -> PageState {
    guard let place = place(address) else { return .outside }
    let chunkCell = words[place.chunk]
    for _ in 0..<Self.attempts {
      let chunk = chunkCell.loadAcquire()
      if chunk == Self.splitting {
        AtomicCell.pause()
        continue
      }
      if chunk != Self.split {
        let state = PageState(rawValue: UInt8(truncatingIfNeeded: chunk))
        guard state != .claimed, change(state) != nil else { return state }
        split(place, state)
        continue
      }
      let cell = words[place.word]
      let old = cell.loadRelaxed()
      let state = PageState(rawValue: UInt8(truncatingIfNeeded: old >> place.shift))
      guard let new = change(state) else { return state }
      let desired = old & ~(0xF << place.shift) | UInt64(new.rawValue) << place.shift
      if cell.compareExchange(expected: old, desired: desired) == old { return state }
    }
    return .claimed
  }

  private func split(_ place: Place, _ state: PageState) {
    let uniform = UInt64(state.rawValue)
    let chunk = words[place.chunk]
    guard chunk.compareExchange(expected: uniform, desired: Self.splitting) == uniform else { return }
    for index in 1..<Self.wordsPerChunk { words[place.chunk &+ index].storeRelaxed(state.everywhere) }
    chunk.storeRelease(Self.split)
  }

  // MARK: Claims

  /// Takes the pages at `address` if all of them are in state `from`.
  public func claim(_ address: PhysicalAddress, _ size: GuestPageSize, from: PageState) -> PageClaim {
    if size == .large { return claimChunk(address, from) }
    let found = update(address) { $0 == from ? .claimed : nil }
    return found == from ? .claimed : Self.verdict(found)
  }

  /// Takes pages of the kernel's stock, which only the kernel changes; false if they are not in state `from`.
  public func claimKernel(_ address: PhysicalAddress, _ size: GuestPageSize, from: PageState) -> Bool {
    if size == .large { return claimChunk(address, from) == .claimed }
    return update(address) { $0 == from ? .claimed : nil } == from
  }

  /// Gives up pages that the caller has claimed, as `state`; can't fail.
  public func release(_ address: PhysicalAddress, _ size: GuestPageSize, as state: PageState) {
    guard let place = place(address) else { return }
    if size == .large { return words[place.chunk].storeRelease(UInt64(state.rawValue)) }
    // A page that one CPU has claimed lies in a split chunk. Each failure here is another CPU's success
    // with one of the other fifteen pages.
    let cell = words[place.word]
    var old = cell.loadRelaxed()
    while true {
      let desired = old & ~(0xF << place.shift) | UInt64(state.rawValue) << place.shift
      let seen = cell.compareExchange(expected: old, desired: desired)
      if seen == old { return }
      old = seen
    }
  }

  private static func verdict(_ found: PageState) -> PageClaim {
    if found.isProtected { return .protected }
    return found == .claimed || found.isPinned ? .busy : .other(found)
  }

  private func claimChunk(_ address: PhysicalAddress, _ from: PageState) -> PageClaim {
    guard let place = place(address), place.slot == 0 else { return .protected }
    let cell = words[place.chunk]
    let uniform = UInt64(from.rawValue)
    let found = cell.compareExchange(expected: uniform, desired: UInt64(PageState.claimed.rawValue))
    if found == uniform { return .claimed }
    if found == Self.splitting { return .busy }
    if found != Self.split { return Self.verdict(PageState(rawValue: UInt8(truncatingIfNeeded: found))) }
    return claimSplit(place, from)
  }

  @inline(never) private func claimSplit(_ place: Place, _ from: PageState) -> PageClaim {
    for index in 1..<Self.wordsPerChunk {
      let seen = words[place.chunk &+ index].compareExchange(
        expected: from.everywhere, desired: PageState.claimed.everywhere)
      guard seen != from.everywhere else { continue }
      let verdict = survey(place, from, taken: index)
      for taken in 1..<index { words[place.chunk &+ taken].storeRelease(from.everywhere) }
      return verdict
    }
    return .claimed
  }

  /// What the pages of a split chunk are, of which the caller has claimed those of the words before `taken`.
  private func survey(_ place: Place, _ from: PageState, taken: Int) -> PageClaim {
    var isBusy = false
    var isMixed = false
    var common: PageState? = taken > 1 ? from : nil
    for index in taken..<Self.wordsPerChunk {
      let word = words[place.chunk &+ index].loadRelaxed()
      for slot in 0..<16 {
        let state = PageState(rawValue: UInt8(truncatingIfNeeded: word >> UInt64(slot &* 4)))
        switch Self.verdict(state) {
        case .protected: return .protected
        case .busy: isBusy = true
        default:
          if let common, common != state { isMixed = true }
          common = state
        }
      }
    }
    if isBusy { return .busy }
    if isMixed { return .mixed }
    // They became what was wanted while this CPU looked: let the guest ask again.
    guard let common, common != from else { return .busy }
    return .other(common)
  }

  // MARK: Pins and calling areas

  /// Keeps a valid page or calling area as it is while the caller reads or writes it; answers the state before.
  ///
  /// Pinned unless the answer is neither valid nor a calling area, or has `maximumPins` already.
  public func pin(_ address: PhysicalAddress) -> PageState { update(address) { $0.pinned } }

  /// Gives up one pin; can't fail.
  public func unpin(_ address: PhysicalAddress) { settle(address) { $0.unpinned } }

  /// Makes a valid page a calling area; answers the state before, valid if it succeeded.
  public func takeAsCallingArea(_ address: PhysicalAddress) -> PageState {
    update(address) { $0.asCallingArea }
  }

  /// Makes a calling area an ordinary page again; can't fail.
  public func releaseCallingArea(_ address: PhysicalAddress) { settle(address) { $0.asValid } }

  /// A change that the caller has the right to and that must happen.
  ///
  /// Each round that fails is 64 successes of other CPUs with other pages of the same word.
  private func settle(_ address: PhysicalAddress, _ change: (PageState) -> PageState?) {
    while update(address, change) == .claimed {}
  }

  // MARK: Boot

  /// Puts `pages` into `state`, whatever they were; before the guest runs, from one CPU.
  ///
  /// Pages beyond the regions stay outside.
  public func assign(_ pages: GuestRegion, _ state: PageState) {
    var page = pages.firstPage
    let end = pages.firstPage &+ pages.pageCount
    while page < end {
      let address = PhysicalAddress(page << 12)
      let inChunk = min(512 &- page & 511, end &- page)
      if inChunk == 512, let place = place(address) {
        words[place.chunk].storeRelease(UInt64(state.rawValue))
        for index in 1..<Self.wordsPerChunk {
          words[place.chunk &+ index].storeRelaxed(PageState.claimed.everywhere)
        }
      } else {
        for offset in 0..<inChunk {
          _ = update(PhysicalAddress((page &+ offset) << 12)) { $0 == state ? nil : state }
        }
      }
      page &+= inChunk
    }
  }
}
