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
  /// Rule: tdx.md C.2 MapGPA: to private, pages are only added (the guest must accept them); to shared, the
  /// private page is blocked and, when every vCPU has tracked, removed, its contents lost. `isPresent`
  /// says which pages are memory. The caller must be out of the TD, as it is in a TDVMCALL.
  public mutating func mapGPA(
    address: UInt64, byteCount: UInt64, isShared: Bool, backing: (GuestPage) -> SystemPage?
  ) -> MapGPAResult {
    let first = GuestPage(containing: address)
    let count = byteCount >> 12
    for offset in 0..<min(count, UInt64(Self.mapGPAPageLimit)) {
      let page = first.advanced(by: offset)
      guard let system = backing(page) else { return .failed(at: page.address) }
      switch isShared ? share(page, system) : makePrivate(page, system) {
      case .done: continue
      case .retry: return .retry(from: page.address)
      case .failed: return .failed(at: page.address)
      }
    }
    return count > UInt64(Self.mapGPAPageLimit)
      ? .retry(from: address &+ UInt64(Self.mapGPAPageLimit) << 12) : .done
  }

  private mutating func makePrivate(_ page: GuestPage, _ system: SystemPage) -> MapGPAResult {
    if sept.leaf(page) != nil { return .done }
    shared[page] = .absent
    if sept.walk(page, to: 0).level == 1, !addTable(page) { return .failed(at: page.address) }
    return augment(page, system) ? .done : .failed(at: page.address)
  }

  private mutating func share(_ page: GuestPage, _ system: SystemPage) -> MapGPAResult {
    if let leaf = sept.leaf(page) {
      let level = leaf.walk.level
      let target = level == 1 ? page.base2M : page
      switch leaf.walk.entry.state {
      case .mapped, .pending:
        guard block(target, level: level) else { return .failed(at: page.address) }
      case .blocked, .pendingBlocked: break
      default: return .failed(at: page.address)
      }
      if epoch == lastBlockEpoch { track() }
      guard isTracked else { return .retry(from: page.address) }
      if level == 1 {
        guard demote(target), block(page) else { return .failed(at: page.address) }
        track()
        guard isTracked else { return .retry(from: page.address) }
      }
      guard remove(page) else { return .failed(at: page.address) }
    }
    shared[page] = .page(system)
    return .done
  }
}
