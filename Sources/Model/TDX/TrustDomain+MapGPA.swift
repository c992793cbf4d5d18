// TrustDomain+MapGPA: how an honest host converts pages between private and shared.

import TDX

/// How far a MapGPA came.
public enum MapGPAResult: Equatable, Sendable {
  /// All pages are converted.
  case done
  /// Call again from this address (bytes, without shared bit).
  case retry(from: UInt64)
  /// This page could not be converted.
  case failed(at: UInt64)
}

extension TrustDomain {
  /// The most pages that one MapGPA converts before it asks to be called again.
  public static let mapGPAPageLimit = 512

  /// Converts a range with the system page of the same number behind each page, as the monitor maps.
  ///
  /// Rule: tdx.md C.2 MapGPA: to private, pages are only added (the guest must accept them); to shared, all private pages
  /// are blocked, and when every vCPU has tracked, all are removed, their contents lost. `backing` says which pages are
  /// memory. The caller must be out of the TD, as it is in a TDVMCALL.
  public mutating func mapGPA(
    address: UInt64, byteCount: UInt64, isShared: Bool, backing: (GuestPage) -> SystemPage?
  ) -> MapGPAResult {
    let first = GuestPage(containing: address)
    let asked = min(byteCount >> 12, UInt64(Self.mapGPAPageLimit))
    var count: UInt64 = 0
    while count < asked, backing(first.advanced(by: count)) != nil,
      !isShared || isShareable(first.advanced(by: count))
    { count &+= 1 }
    if isShared {
      guard share(first, count, backing) else { return .retry(from: address) }
    } else {
      for offset in 0..<count {
        let page = first.advanced(by: offset)
        guard let system = backing(page), makePrivate(page, system) else { return .failed(at: page.address) }
      }
    }
    if count < asked { return .failed(at: first.advanced(by: count).address) }
    return byteCount >> 12 > asked ? .retry(from: address &+ asked << 12) : .done
  }

  private mutating func makePrivate(_ page: GuestPage, _ system: SystemPage) -> Bool {
    if sept.leaf(page) != nil { return true }
    shared[page] = .absent
    if sept.walk(page, to: 0).level == 1, !addTable(page) { return false }
    return augment(page, system)
  }

  /// Whether the host can take `page`: no leaf, or one that can be blocked.
  private func isShareable(_ page: GuestPage) -> Bool {
    guard let leaf = sept.leaf(page) else { return true }
    switch leaf.walk.entry.state {
    // A leaf that is being accepted cannot be split.
    case .mapped, .pending, .blocked, .pendingBlocked:
      return leaf.walk.level == 0 || leaf.walk.entry.progress == 0
    default: return false
    }
  }

  /// Makes pages shared that are all shareable; false if a vCPU must leave the TD before it can go on.
  private mutating func share(
    _ first: GuestPage, _ count: UInt64, _ backing: (GuestPage) -> SystemPage?
  ) -> Bool {
    // Leaves of 2 MiB that are not wholly in the range are split by a first round, and their pages blocked by a second.
    while block(first, count) {
      if epoch == lastBlockEpoch { track() }
      guard isTracked else { return false }
      if !demoteEdges(first, count) { break }
    }
    for offset in 0..<count {
      let page = first.advanced(by: offset)
      if let leaf = sept.leaf(page) {
        let level = leaf.walk.level
        guard level == 0 || holdsLarge(first, count, page),
          remove(level == 1 ? page.base2M : page, level: level)
        else { return false }
      }
      shared[page] = backing(page).map { .page($0) } ?? .absent
    }
    return true
  }

  /// Blocks every leaf of the range; false if there is none.
  private mutating func block(_ first: GuestPage, _ count: UInt64) -> Bool {
    var isFound = false
    for offset in 0..<count {
      let page = first.advanced(by: offset)
      guard let leaf = sept.leaf(page) else { continue }
      isFound = true
      let state = leaf.walk.entry.state
      guard state == .mapped || state == .pending else { continue }
      _ = block(leaf.walk.level == 1 ? page.base2M : page, level: leaf.walk.level)
    }
    return isFound
  }

  /// Splits the blocked leaves of 2 MiB that the range holds in part; false if there is none.
  private mutating func demoteEdges(_ first: GuestPage, _ count: UInt64) -> Bool {
    var isFound = false
    for offset in 0..<count {
      let page = first.advanced(by: offset)
      guard let leaf = sept.leaf(page), leaf.walk.level == 1, !holdsLarge(first, count, page) else {
        continue
      }
      if demote(page.base2M) { isFound = true }
    }
    return isFound
  }

  /// Whether all 2 MiB around `page` are in the range.
  private func holdsLarge(_ first: GuestPage, _ count: UInt64, _ page: GuestPage) -> Bool {
    let base = page.base2M.rawValue
    return base >= first.rawValue && base &+ 512 <= first.rawValue &+ count
  }
}
