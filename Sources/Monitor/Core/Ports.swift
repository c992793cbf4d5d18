// Ports: the ports of the physical machine as a guest's host answers them.

import Seams

/// What `DevicePolicy` passes goes to QEMU's devices; everything else reads as ones.
enum Ports {
  /// A read of 1, 2 or 4 bytes.
  static func read<Hardware: MonitorHardware>(
    _ port: UInt16, _ byteCount: UInt8, _ hardware: Hardware
  ) -> UInt32 {
    if DevicePolicy.access(port: port) == .pass { return hardware.portRead(port, byteCount: byteCount) }
    return byteCount >= 4 ? .max : (1 << (8 * UInt32(byteCount))) &- 1
  }

  /// A write.
  static func write<Hardware: MonitorHardware>(
    _ port: UInt16, _ byteCount: UInt8, _ value: UInt32, _ hardware: Hardware
  ) {
    if DevicePolicy.access(port: port) == .pass { hardware.portWrite(port, byteCount: byteCount, value) }
  }
}
