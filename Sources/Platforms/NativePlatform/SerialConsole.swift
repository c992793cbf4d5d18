// SerialConsole: a 16550 on COM1, polled, beside QEMU's debug port.
import Seams

/// COM1 at 0x3F8 (16550 data sheet: THR 0, IER 1, FCR 2, LCR 3, MCR 4, LSR 5, scratch 7) and port 0xE9.
public struct SerialConsole<Ports: PortSpace>: Console {
  /// COM1.
  public static var base: UInt16 { 0x3F8 }
  /// QEMU's isa-debugcon, which reads back its own number.
  public static var debugPort: UInt16 { 0xE9 }
  /// How often the transmitter is looked at before a byte is dropped.
  public static var patience: Int { 100_000 }
  private let ports: Ports
  /// Whether there is a 16550.
  public let hasUART: Bool
  /// Whether there is a debug port.
  public let hasDebugPort: Bool

  /// Finds what is there and sets the UART to 115,200 baud, 8N1, FIFO on, interrupts off.
  public init(ports: Ports) {
    self.ports = ports
    ports.out8(Self.base + 7, 0x5A)
    hasUART = ports.in8(Self.base + 7) == 0x5A
    hasDebugPort = ports.in8(Self.debugPort) == 0xE9
    guard hasUART else { return }
    ports.out8(Self.base + 1, 0)
    ports.out8(Self.base + 3, 0x80)
    ports.out8(Self.base, 1)
    ports.out8(Self.base + 1, 0)
    ports.out8(Self.base + 3, 0x03)
    ports.out8(Self.base + 2, 0x07)
    ports.out8(Self.base + 4, 0x03)
  }

  /// Sends a byte to whatever is there; a newline is preceded by a carriage return on the UART.
  public func write(_ byte: UInt8) {
    if hasDebugPort { ports.out8(Self.debugPort, byte) }
    if byte == 0x0A { send(0x0D) }
    send(byte)
  }

  private func send(_ byte: UInt8) {
    guard hasUART else { return }
    for _ in 0..<Self.patience where ports.in8(Self.base + 5) & 0x20 != 0 {
      ports.out8(Self.base, byte)
      return
    }
  }
}
