// L2Revocations: reductions of L2 rights that some vCPU may still not have noticed.

/// The reductions made by TDG.MEM.PAGE.ATTR.WR whose old translations may be cached.
///
/// Rule: tdx.md B.4, last paragraph: L1 must flush every vCPU that may have cached them, each with
/// INVEPT or entry flag 1 on that vCPU itself. Bounded like `RevocationLedger`: it can exaggerate,
/// never forget.
///
/// State of one reduction: 1. none -> open on all vCPUs that have run the VM since their last flush;
/// 2. open on n -> open on n - 1: one of them flushes; 3. open on none -> none;
/// 4. open -> open and withheld: L1 answers BUSY to the call that took the rights; the page is nobody's until 3.
public struct L2Revocations: ~Copyable {
  private struct Item {
    var first: UInt64
    var count: UInt64
    var vm: Int
    var opener: Int
    var pending: CPUSet
    var isWithheld = false
    var isDue = false
  }

  private var items: [Item] = []
  private let capacity: Int
  private var overflow = InlineArray<4, CPUSet>(repeating: CPUSet())
  private var mayCache = InlineArray<4, CPUSet>(repeating: CPUSet())

  /// A ledger for `capacity` separate ranges.
  public init(capacity: Int) {
    self.capacity = max(1, capacity)
    items.reserveCapacity(self.capacity)
  }

  /// `vcpu` has entered `vm` and may cache its translations.
  mutating func entered(_ vm: Int, vcpu: Int) { mayCache[vm & 3].insert(vcpu) }

  /// Transition 1: `vm` lost rights on `count` pages from `page`, which vCPU `opener` took.
  mutating func open(_ page: GuestPage, count: UInt64, vm: Int, by opener: Int) {
    let pending = mayCache[vm & 3]
    guard !pending.isEmpty else { return }
    if let last = items.indices.last, items[last].vm == vm, items[last].opener == opener,
      !items[last].isDue,
      items[last].pending == pending, items[last].first &+ items[last].count == page.rawValue
    {
      items[last].count &+= count
      return
    }
    if items.count < capacity {
      items.append(Item(first: page.rawValue, count: count, vm: vm, opener: opener, pending: pending))
    } else {
      for cpu in 0..<CPUSet.capacity where pending.contains(cpu) { overflow[vm & 3].insert(cpu) }
    }
  }

  /// Transition 4: `opener` has answered BUSY.
  ///
  /// What overflowed keeps counting as not withheld.
  mutating func withhold(by opener: Int) {
    for index in items.indices where items[index].opener == opener { items[index].isWithheld = true }
  }

  /// `opener` goes on: from here on nobody may enter with what it has taken unflushed.
  ///
  /// Before, the call that takes the rights is not over, and who enters meanwhile may know nothing of it (G.50).
  mutating func becomeDue(by opener: Int) {
    for index in items.indices where items[index].opener == opener { items[index].isDue = true }
  }

  /// Transitions 2 and 3: `vcpu` has flushed everything of `vm`.
  mutating func flushed(_ vm: Int, vcpu: Int) {
    mayCache[vm & 3].remove(vcpu)
    overflow[vm & 3].remove(vcpu)
    for index in items.indices where items[index].vm == vm { items[index].pending.remove(vcpu) }
    items.removeAll { $0.pending.isEmpty }
  }

  /// Whether `vcpu` may still use old rights of `vm` on `page`.
  public func isOpen(_ page: GuestPage, vm: Int, vcpu: Int) -> Bool {
    if overflow[vm & 3].contains(vcpu) { return true }
    for item in items where item.vm == vm && item.pending.contains(vcpu) {
      if page.rawValue >= item.first, page.rawValue &- item.first < item.count { return true }
    }
    return false
  }

  /// Whether `vcpu` may still use rights that `vm` has lost, on whatever page, and should not any more.
  public func isDue(_ vm: Int, vcpu: Int) -> Bool {
    if overflow[vm & 3].contains(vcpu) { return true }
    for item in items where item.vm == vm && item.isDue && item.pending.contains(vcpu) { return true }
    return false
  }

  /// Whether `vcpu` may still use rights of `vm` that `opener` has taken, on a page that is not withheld.
  public func isPending(_ vm: Int, vcpu: Int, openedBy opener: Int) -> Bool {
    if overflow[vm & 3].contains(vcpu) { return true }
    for item in items
    where item.vm == vm && item.opener == opener && !item.isWithheld && item.pending.contains(vcpu) {
      return true
    }
    return false
  }

  /// Whether `vcpu` may still use rights of `vm` on one of `count` pages from `page` that are withheld for its sake.
  public func isWithheld(_ page: GuestPage, count: UInt64, vm: Int, vcpu: Int) -> Bool {
    for item in items where item.isWithheld && item.vm == vm && item.pending.contains(vcpu) {
      if page.rawValue < item.first &+ item.count, item.first < page.rawValue &+ count { return true }
    }
    return false
  }

  /// Whether any reduction is open anywhere.
  public var isEmpty: Bool {
    for vm in 0..<4 where !overflow[vm].isEmpty { return false }
    return items.isEmpty
  }
}
