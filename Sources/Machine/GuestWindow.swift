// GuestWindow: the guest's memory at `KernelLayout.guest`, which the guest may write at the same time.
import Boot
public import Seams
public import X86

/// Guest memory below `limit`, of which only what the kernel has mapped may be named.
///
/// Each integer of 1, 2, 4 or 8 bytes is one access, never repeated.
public struct GuestWindow: PhysicalMemory, Sendable {
  /// The first address that the window doesn't show.
  public let limit: PhysicalAddress

  /// The window below `limit`.
  public init(limit: PhysicalAddress) { self.limit = limit }

  private func place(_ address: PhysicalAddress, _ bytes: UInt64) -> UInt64? {
    // In this order the first comparison and the difference are one for all accesses of a size.
    guard limit.rawValue >= bytes, address.rawValue <= limit.rawValue &- bytes else { return nil }
    return KernelLayout.guest(address).rawValue
  }

  /// The integer at `address`.
  public func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  ) -> Value {
    guard let place = place(address, UInt64(Value.bitWidth / 8)) else { return .max }
    switch Value.bitWidth {
    case 8: return Value(truncatingIfNeeded: apus_window_load8(place))
    case 16: return Value(truncatingIfNeeded: apus_window_load16(place))
    case 32: return Value(truncatingIfNeeded: apus_window_load32(place))
    default: return Value(truncatingIfNeeded: apus_window_load64(place))
    }
  }

  /// Stores an integer at `address`.
  public func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress
  ) {
    guard let place = place(address, UInt64(Value.bitWidth / 8)) else { return }
    switch Value.bitWidth {
    case 8: apus_window_store8(place, UInt8(truncatingIfNeeded: value))
    case 16: apus_window_store16(place, UInt16(truncatingIfNeeded: value))
    case 32: apus_window_store32(place, UInt32(truncatingIfNeeded: value))
    default: apus_window_store64(place, UInt64(truncatingIfNeeded: value))
    }
  }

  /// Fills with zeros.
  public func zero(_ address: PhysicalAddress, count: UInt64) {
    guard let place = place(address, count), count <= UInt64(Int.max) else { return }
    // UNSAFETY: within the window by the check above; mapped, as the caller promises.
    guard let pointer = unsafe UnsafeMutableRawPointer(bitPattern: UInt(truncatingIfNeeded: place)) else {
      return
    }
    unsafe pointer.initializeMemory(as: UInt8.self, repeating: 0, count: Int(count))
  }
}
