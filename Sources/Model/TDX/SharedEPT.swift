// SharedEPT: the host's mapping of the shared half of a TD's addresses.

/// Where a shared guest page leads.
public enum SharedMapping: Equatable, Sendable {
  /// Nowhere; an access exits to the host, which may map it.
  case absent
  /// Nowhere, and an access raises #VE: the host says that it is a device.
  case device
  /// To `page`.
  case page(SystemPage)
}

/// The shared EPT as an array over the TD's windows of pages, 8 bytes each.
///
/// It belongs to the host.
public struct SharedEPT: ~Copyable {
  private var words: [UInt64]
  private let windows: PageWindows

  /// A table in which everything is absent.
  public init(windows: PageWindows) {
    self.windows = windows
    words = [UInt64](repeating: 0, count: windows.pageCount)
  }

  /// The mapping of the page numbered without the shared bit.
  ///
  /// Pages outside the windows are devices.
  public subscript(page: GuestPage) -> SharedMapping {
    get {
      guard let index = windows.index(page) else { return .device }
      switch words[index] & 3 {
      case 0: return .absent
      case 1: return .device
      default: return .page(SystemPage(rawValue: words[index] >> 12))
      }
    }
    set {
      guard let index = windows.index(page) else { return }
      switch newValue {
      case .absent: words[index] = 0
      case .device: words[index] = 1
      case .page(let system): words[index] = system.rawValue << 12 | 2
      }
    }
  }
}
