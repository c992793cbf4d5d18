// DepositedPages: the pages that a guest has lent to the kernel, in a table of runs that no CPU locks.
public import Seams
import Tasks
public import X86

/// Pages deposited and not withdrawn: a stock of at most `capacity` runs of 1 or 512 pages.
///
/// A run is one word, the first page's number and how many there are; a withdrawal takes the run's first page by
/// compare-exchange. Nothing else of the kernel uses the pages, so each may be withdrawn at any time.
public struct DepositedPages<Platform: PageValidator & Sendable>: MemoryExchange, Sendable {
  /// Runs that can be booked.
  public static var capacity: Int { 256 }
  private let words: SharedWords
  private let platform: Platform

  /// An empty stock; `platform` clears what is given back.
  public init(_ platform: Platform) {
    self.platform = platform
    words = SharedWords(count: Self.capacity)
  }

  // Pages of the run in bits 9:0, the first one's number above.
  private static func run(_ page: UInt64, _ count: UInt64) -> UInt64 {
    count == 0 ? 0 : page << 10 | count
  }

  /// Books the run; false if the table is full.
  public func deposit(_ address: PhysicalAddress, pageCount: Int) -> Bool {
    let run = Self.run(address.rawValue >> 12, UInt64(pageCount))
    for index in 0..<Self.capacity
    where words[index].loadRelaxed() == 0
      && words[index].compareExchange(expected: 0, desired: run) == 0
    {
      return true
    }
    return false
  }

  /// The first page of some run; one that can't be cleared is the host's loss and stays out.
  public func withdraw() -> PhysicalAddress? {
    for index in 0..<Self.capacity {
      let run = words[index].loadAcquire()
      guard run != 0 else { continue }
      let (page, count) = (run >> 10, run & 0x3FF)
      guard words[index].compareExchange(expected: run, desired: Self.run(page &+ 1, count &- 1)) == run
      else { continue }
      let address = PhysicalAddress(page << 12)
      do throws(GuestMemoryFault) { try platform.clear(address, byteCount: 4096) } catch { continue }
      return address
    }
    return nil
  }

  /// Books the page again; the run that it was taken from has left room, or another withdrawal has.
  public func returnWithdrawn(_ address: PhysicalAddress) { _ = deposit(address, pageCount: 1) }

  /// Whether any run is booked.
  public var hasSpare: Bool {
    for index in 0..<Self.capacity where words[index].loadRelaxed() != 0 { return true }
    return false
  }
}
