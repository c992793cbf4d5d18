// SupportedPlatform: header 0x001, which binds a mask bit to a platform.
import Bits

/// SUPPORTED_PLATFORM, 16 bytes (reference §5).
public struct SupportedPlatform: Equatable, Sendable {
  /// The bit that other headers name this platform by.
  public var mask: PlatformMask
  /// 2 when an SVSM or paravisor sits above the guest firmware, else 0.
  public var highestVTL: UInt8
  /// The platform.
  public var platform: PlatformType
  /// The version of the platform's definition; 1.
  public var version: UInt16
  /// Guest-physical addresses from here up are visible to the host; 0 = the guest manages it.
  ///
  /// Bytes.
  public var sharedGPABoundary: UInt64

  /// A platform header with all its fields.
  public init(
    mask: PlatformMask, highestVTL: UInt8, platform: PlatformType, version: UInt16 = 1,
    sharedGPABoundary: UInt64 = 0
  ) {
    self.mask = mask
    self.highestVTL = highestVTL
    self.platform = platform
    self.version = version
    self.sharedGPABoundary = sharedGPABoundary
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    mask = .init(try reader.little(UInt32.self, file))
    highestVTL = try reader.u8(file)
    platform = .init(rawValue: try reader.u8(file))
    version = try reader.little(UInt16.self, file)
    sharedGPABoundary = try reader.little(UInt64.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(mask.rawValue)
    out.append(highestVTL)
    out.append(platform.rawValue)
    out.append(version)
    out.append(sharedGPABoundary)
  }
}
