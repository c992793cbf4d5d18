// DevicePolicy: which ports and device pages of QEMU a guest reaches through the monitor.

import Bits
import Seams

/// What happens to an access of a guest to a port or to device memory.
public enum DeviceAccess: Equatable, Sendable {
  /// Done on QEMU's device.
  case pass
  /// The verdict byte of the run: recorded, not passed.
  case verdict
  /// The guest's power switch: an ACPI sleep control register.
  case power
  /// Answered by the virtual APIC.
  case localAPIC
  /// Reads give all ones, writes vanish.
  case absent
}

/// The proxy's table (svm-monitor.md §6, §8): serial port, debug console, firmware configuration, PC
/// timers and interrupt controllers, PCI; all else is absent.
public enum DevicePolicy {
  /// The verdict port, which the monitor keeps for itself (design "Exit codes").
  public static let verdictPort: UInt16 = 0xF4

  /// A sleep control register, where nothing of QEMU is (ACPI 6.5, 4.8.3.7): SLP_EN, bit 5, switches the guest off.
  public static let powerPort: UInt16 = 0xF8

  /// How a write ends the guest; nil if it does not.
  static func ending(port: UInt16, _ value: UInt32) -> RunEnding? {
    switch access(port: port) {
    case .verdict: .verdict(Verdict(rawValue: UInt8(truncatingIfNeeded: value)) ?? .fail)
    case .power: value.bit(5) ? .poweredOff : nil
    default: nil
    }
  }

  /// What happens at a port.
  public static func access(port: UInt16) -> DeviceAccess {
    switch port {
    case verdictPort: .verdict
    case powerPort: .power
    // COM1, debug console, fw_cfg without DMA, which would go to the machine's own memory.
    case 0x3F8...0x3FF, 0xE9, 0x510...0x511: .pass
    // PIC, PIT, keyboard controller and port B, RTC, delay port, PIC 2, ELCR.
    case 0x20...0x21, 0x40...0x43, 0x60...0x61, 0x64, 0x70...0x71, 0x80, 0xA0...0xA1, 0x4D0...0x4D1: .pass
    // PCI configuration, ACPI power management of q35 (0x600), reset control is not passed.
    case 0xCF8, 0xCFC...0xCFF, 0x600...0x67F: .pass
    default: .absent
    }
  }

  /// What happens at a guest-physical address outside the guest's memory.
  public static func access(address: UInt64) -> DeviceAccess {
    switch address {
    case 0xFEE0_0000...0xFEE0_0FFF: .localAPIC
    // I/O APIC, HPET, PCI memory below it, PCIe configuration of q35.
    case 0xFEC0_0000...0xFEC0_0FFF, 0xFED0_0000...0xFED0_03FF, 0xB000_0000...0xBFFF_FFFF,
      0xC000_0000...0xFEBF_FFFF:
      .pass
    default: .absent
    }
  }
}
