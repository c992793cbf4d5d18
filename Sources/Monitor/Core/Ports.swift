// Ports: which ports of the physical machine a guest's host lets it use.

import Seams

/// COM1, the debug console, fw_cfg and the clock pass through; everything else reads as ones.
enum Ports {
  private static func passes(_ port: UInt16) -> Bool {
    switch port {
    case 0x3F8...0x3FF, 0xE9, 0x510, 0x511, 0x70...0x71: true
    default: false
    }
  }

  /// A read of 1, 2 or 4 bytes.
  static func read<Hardware: MonitorHardware>(
    _ port: UInt16, _ byteCount: UInt8, _ hardware: Hardware
  ) -> UInt32 {
    if passes(port) { return hardware.portRead(port, byteCount: byteCount) }
    return byteCount >= 4 ? .max : (1 << (8 * UInt32(byteCount))) &- 1
  }

  /// A write.
  static func write<Hardware: MonitorHardware>(
    _ port: UInt16, _ byteCount: UInt8, _ value: UInt32, _ hardware: Hardware
  ) {
    if passes(port) { hardware.portWrite(port, byteCount: byteCount, value) }
  }
}
