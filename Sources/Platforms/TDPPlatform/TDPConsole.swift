// TDPConsole: the kernel's lines to COM1, each byte a call to the host.
public import Seams

/// A 16550 that the host emulates; what it does not take is dropped.
public struct TDPConsole<Hardware: TDXHardware>: Console, Sendable {
  private let host: HostCalls<Hardware>
  private let port: UInt16

  /// How often the transmitter is looked at before a byte is sent anyway.
  public static var patience: Int { 64 }

  /// The console at I/O port `port`, as the firmware or the host has set it up.
  public init(_ hardware: Hardware, port: UInt16) {
    host = HostCalls(hardware)
    self.port = port
  }

  /// Sends a byte; a newline is preceded by a carriage return.
  public func write(_ byte: UInt8) {
    if byte == 0x0A { send(0x0D) }
    send(byte)
  }

  private func send(_ byte: UInt8) {
    var looks = 0
    // Line status register, bit 5: the transmitter is empty.
    while looks < Self.patience, let status = try? host.portRead(port &+ 5, byteCount: 1), status & 0x20 == 0
    {
      looks &+= 1
    }
    try? host.portWrite(port, byteCount: 1, UInt32(byte))
  }
}
