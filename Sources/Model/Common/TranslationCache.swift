// TranslationCache: what the TLBs of all CPUs may still remember.

import SNP

/// A translation that some CPU has cached.
public struct CachedTranslation: Equatable, Sendable {
  /// The CPU whose TLB holds it.
  public var cpu: Int
  /// The VMPL, or the VM index under TDX, that made the access.
  public var level: UInt8
  /// The guest page, accessed privately.
  public var guestPage: GuestPage
  /// The system page behind it.
  public var systemPage: SystemPage
  /// The rights at the time of the walk, as the architecture at hand encodes them.
  public var rights: UInt8
}

/// The TLBs of all CPUs as one bounded pool with round-robin replacement.
///
/// The hosted tests run with it; the monitor makes it empty, because its nested page tables are the
/// cache there.
public struct TranslationCache: ~Copyable {
  private var items: [CachedTranslation]
  private let capacity: Int
  private var victim = 0

  /// A pool of `capacity` translations; 0 caches nothing.
  public init(capacity: Int) {
    self.capacity = max(0, capacity)
    items = []
    items.reserveCapacity(self.capacity)
  }

  /// The translations held now.
  public var count: Int { items.count }

  /// The translation numbered `index`; nil beyond `count`.
  public func item(_ index: Int) -> CachedTranslation? {
    index >= 0 && index < items.count ? items[index] : nil
  }

  /// What `cpu` remembers about `page` at `level`.
  func lookUp(cpu: Int, level: UInt8, _ page: GuestPage) -> CachedTranslation? {
    for item in items where item.cpu == cpu && item.level == level && item.guestPage == page {
      return item
    }
    return nil
  }

  /// Remembers a translation, in place of what was known about the same page.
  mutating func insert(_ item: CachedTranslation) {
    guard capacity > 0 else { return }
    for index in items.indices
    where items[index].cpu == item.cpu && items[index].level == item.level
      && items[index].guestPage == item.guestPage
    {
      items[index] = item
      return
    }
    if items.count < capacity {
      items.append(item)
    } else {
      items[victim] = item
      victim = (victim + 1) % capacity
    }
  }

  /// Drops what any CPU knows about `count` system pages from `page`.
  mutating func drop(_ page: SystemPage, count: UInt64) {
    items.removeAll {
      $0.systemPage.rawValue >= page.rawValue && $0.systemPage.rawValue &- page.rawValue < count
    }
    victim = 0
  }

  /// Drops what `cpu` knows.
  mutating func drop(cpu: Int) {
    items.removeAll { $0.cpu == cpu }
    victim = 0
  }

  /// Drops what `cpu` knows of one level.
  mutating func drop(cpu: Int, level: UInt8) {
    items.removeAll { $0.cpu == cpu && $0.level == level }
    victim = 0
  }

  /// Drops all but the translations whose right is still being taken away.
  mutating func dropAll(keeping open: borrowing RevocationLedger) {
    var kept = 0
    for index in items.indices where open.isOpen(items[index].guestPage, VMPL(rawValue: items[index].level)) {
      items[kept] = items[index]
      kept += 1
    }
    items.removeLast(items.count - kept)
    victim = 0
  }
}
