// HardwareSpaces: the ways a driver reaches hardware: ports, MSRs, device registers.
import X86

/// The 64 KiB of I/O ports.
public protocol PortSpace {
  /// Reads a byte from `port`.
  func in8(_ port: UInt16) -> UInt8
  /// Writes a byte to `port`.
  func out8(_ port: UInt16, _ value: UInt8)
}

/// The model-specific registers of the calling CPU.
///
/// The caller knows that the register exists.
public protocol MSRSpace {
  /// Reads `register`.
  func read(_ register: MSR) -> UInt64
  /// Writes `register`.
  func write(_ register: MSR, _ value: UInt64)
}

/// The local APIC's memory-mapped page (xAPIC mode) of the calling CPU.
public protocol APICPage {
  /// Reads the 32-bit register at `offset` bytes, a multiple of 16 below 4096.
  func read(_ offset: UInt16) -> UInt32
  /// Writes the 32-bit register at `offset` bytes, a multiple of 16 below 4096.
  func write(_ offset: UInt16, _ value: UInt32)
}

/// The time-stamp counter of the calling CPU.
public protocol CycleCounter {
  /// The counter, in its own ticks.
  func cycles() -> UInt64
}

/// A hardware source of random words of full entropy (RDSEED, or RDRAND folded).
public protocol SeedSource {
  /// A fresh word; nil if there is none just now, or never any.
  func seed() -> UInt64?
}
