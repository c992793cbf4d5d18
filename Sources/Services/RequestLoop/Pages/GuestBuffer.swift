// GuestBuffer: a guest's memory as a service may touch it: checked, pinned, copied, given up.
public import SVSMProtocol
public import Seams
public import X86

/// Copies between a service and buffers that the guest named.
///
/// Every page is pinned while it is touched, so that no other vCPU can turn it into something else meanwhile.
///
/// Rule: reference snp-svsm.md A.11.
public struct GuestBuffer<Platform: GuestPlatform>: Sendable {
  /// What reaches the memory.
  public let platform: Platform
  /// What the pages are.
  public let states: PageStates

  /// Access through `platform`, as `states` allow it.
  public init(platform: Platform, states: PageStates) {
    self.platform = platform
    self.states = states
  }

  /// Pins the page at `address`.
  ///
  /// Throws INVALID_ADDRESS if the guest may not name it, BUSY if it is being changed.
  public func pin(_ address: PhysicalAddress) throws(ResultCode) {
    let found = states.pin(address)
    if found.pinned != nil { return }
    throw found == .claimed || found.isPinned ? .busy : .invalidAddress
  }

  /// Whether `byteCount` bytes from `address` on lie in pages that the guest may name just now.
  ///
  /// Throws INVALID_ADDRESS if not; for a wrap around the end of the address space too.
  public func check(_ address: UInt64, byteCount: UInt64) throws(ResultCode) {
    guard byteCount > 0 else { return }
    let (last, overflow) = address.addingReportingOverflow(byteCount &- 1)
    guard !overflow else { throw .invalidAddress }
    var page = address & ~0xFFF
    while true {
      let state = states.state(of: PhysicalAddress(page))
      guard state.isValid || state.isCallingArea || state == .claimed else { throw .invalidAddress }
      if page == last & ~0xFFF { return }
      page &+= 0x1000
    }
  }

  /// Copies `bytes.count` bytes from `address` on; each byte is read once.
  ///
  /// Throws INVALID_ADDRESS or BUSY.
  public func read(_ address: UInt64, into bytes: inout MutableSpan<UInt8>) throws(ResultCode) {
    guard !address.addingReportingOverflow(UInt64(bytes.count)).overflow else { throw .invalidAddress }
    var done = 0
    while done < bytes.count {
      let place = PhysicalAddress(address &+ UInt64(done))
      let count = min(4096 &- Int(truncatingIfNeeded: place.rawValue & 0xFFF), bytes.count &- done)
      try pin(place)
      var isReached = true
      var part = bytes._mutatingExtracting(done..<(done &+ count))
      do throws(GuestMemoryFault) { try platform.read(place, into: &part) } catch { isReached = false }
      states.unpin(place)
      guard isReached else { throw .invalidAddress }
      done &+= count
    }
  }

  /// Copies `bytes` to `address` on.
  ///
  /// Throws INVALID_ADDRESS or BUSY; what was written before stays.
  public func write(_ bytes: borrowing Span<UInt8>, _ address: UInt64) throws(ResultCode) {
    guard !address.addingReportingOverflow(UInt64(bytes.count)).overflow else { throw .invalidAddress }
    var done = 0
    while done < bytes.count {
      let place = PhysicalAddress(address &+ UInt64(done))
      let count = min(4096 &- Int(truncatingIfNeeded: place.rawValue & 0xFFF), bytes.count &- done)
      try pin(place)
      var isReached = true
      do throws(GuestMemoryFault) {
        try platform.write(bytes.extracting(done..<(done &+ count)), place)
      } catch {
        isReached = false
      }
      states.unpin(place)
      guard isReached else { throw .invalidAddress }
      done &+= count
    }
  }
}
