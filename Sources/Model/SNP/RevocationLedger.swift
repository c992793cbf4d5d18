// RevocationLedger: reductions of rights that other CPUs may not have noticed yet.

import SNP

/// The reductions of rights made by RMPADJUST and PVALIDATE that are not flushed on all CPUs.
///
/// A reduction is *open* until a CPU has executed INVLPGB for all addresses and then TLBSYNC
/// (issue 4; design.md "Memory and TLBs"). Bounded: what does not fit merges into one entry that
/// covers everything, so the ledger can exaggerate but never forget.
///
/// State of one reduction:
/// 1. none -> open: rights are reduced;
/// 2. open -> posted by CPU c: c executes INVLPGB;
/// 3. posted by c -> none: c executes TLBSYNC;
/// 4. posted -> open: rights on the same pages are reduced again.
public struct RevocationLedger: ~Copyable {
  private struct Item {
    var first: UInt64
    var count: UInt64
    var levels: UInt8
    var posters: CPUSet
    /// The CPUs that made the reductions; they must flush before they go down.
    var openers: CPUSet
  }

  private var items: [Item]
  private let capacity: Int
  private var everything: Item?

  /// A ledger for `capacity` separate ranges of pages.
  public init(capacity: Int = 256) {
    self.capacity = max(1, capacity)
    items = []
    items.reserveCapacity(self.capacity)
  }

  /// Whether nothing is open.
  public var isEmpty: Bool { items.isEmpty && everything == nil }

  /// Transition 1 or 4: notes that the levels in `levels` (bit n is VMPLn) lost rights on
  /// `count` pages from `page`, by an instruction of `cpu`.
  mutating func open(_ page: GuestPage, count: UInt64, levels: UInt8, by cpu: Int) {
    if everything != nil {
      everything?.posters = CPUSet()
      everything?.openers.insert(cpu)
      everything?.levels |= levels
      return
    }
    for index in items.indices where items[index].levels == levels {
      let item = items[index]
      if item.first == page.rawValue, item.count == count {
        items[index].posters = CPUSet()
        items[index].openers.insert(cpu)
        return
      }
      if item.posters.isEmpty, item.first &+ item.count == page.rawValue {
        items[index].count &+= count
        items[index].openers.insert(cpu)
        return
      }
    }
    if items.count < capacity {
      items.append(
        Item(
          first: page.rawValue, count: count, levels: levels, posters: CPUSet(), openers: CPUSet(cpu)))
    } else {
      var merged = Item(
        first: 0, count: .max, levels: levels, posters: CPUSet(), openers: CPUSet(cpu))
      for item in items {
        merged.levels |= item.levels
        for other in 0..<CPUSet.capacity where item.openers.contains(other) {
          merged.openers.insert(other)
        }
      }
      items.removeAll(keepingCapacity: true)
      everything = merged
    }
  }

  /// Transition 2: `cpu` has broadcast an invalidation of all addresses.
  mutating func post(by cpu: Int) {
    for index in items.indices { items[index].posters.insert(cpu) }
    everything?.posters.insert(cpu)
  }

  /// Transition 3: `cpu` has waited until its broadcasts are done everywhere.
  mutating func sync(by cpu: Int) {
    items.removeAll { $0.posters.contains(cpu) }
    if let item = everything, item.posters.contains(cpu) { everything = nil }
  }

  /// Whether a reduction that `cpu` made is open.
  public func hasOpen(by cpu: Int) -> Bool {
    if everything?.openers.contains(cpu) == true { return true }
    for item in items where item.openers.contains(cpu) { return true }
    return false
  }

  /// Whether a reduction on `page` for `vmpl` is open.
  public func isOpen(_ page: GuestPage, _ vmpl: VMPL) -> Bool {
    let bit = UInt8(1) << (vmpl.rawValue & 7)
    if let item = everything, item.levels & bit != 0 { return true }
    for item in items where item.levels & bit != 0 {
      if page.rawValue >= item.first, page.rawValue &- item.first < item.count { return true }
    }
    return false
  }
}
