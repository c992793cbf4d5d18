// SNPConsole: a 16550 behind the host, reached by port events through the GHCB.
import SNP
public import Seams

/// Ports through the GHCB: NAE event IOIO, one byte at a time (reference snp-svsm.md B.5.1).
public struct GHCBPorts<Hardware: SNPHardware>: PortSpace, Sendable {
  private let ghcb: GHCB<Hardware>

  /// The ports that the host shows.
  public init(_ ghcb: GHCB<Hardware>) { self.ghcb = ghcb }

  // INFO1: port in 31:16, 64-bit addresses bit 9, 8-bit data bit 4, direction bit 0.
  private func information(_ port: UInt16, isInput: Bool) -> UInt64 {
    UInt64(port) << 16 | 1 << 9 | 1 << 4 | (isInput ? 1 : 0)
  }

  /// Reads a byte; all ones if the host gives none.
  public func in8(_ port: UInt16) -> UInt8 {
    let request = GHCBRequest(.io, info1: information(port, isInput: true))
    guard let reply = try? ghcb.perform(request), let value = reply.rax else { return 0xFF }
    return UInt8(truncatingIfNeeded: value)
  }

  /// Writes a byte.
  public func out8(_ port: UInt16, _ value: UInt8) {
    var request = GHCBRequest(.io, info1: information(port, isInput: false))
    request.rax = UInt64(value)
    _ = try? ghcb.perform(request)
  }
}

/// The serial port that the launch information names.
///
/// The host gave it its speed; it is asked for room before each byte, and a byte is dropped when that lasts too long.
public struct SNPConsole<Hardware: SNPHardware>: Console, Sendable {
  /// How often the transmitter is looked at before a byte is dropped.
  public static var patience: Int { 1000 }
  private let ports: GHCBPorts<Hardware>
  private let base: UInt16

  /// The port at `base`; 0 means none.
  public init(_ ports: GHCBPorts<Hardware>, base: UInt16) {
    self.ports = ports
    self.base = base
  }

  /// Sends a byte; a newline is preceded by a carriage return.
  public func write(_ byte: UInt8) {
    guard base != 0 else { return }
    if byte == 0x0A { send(0x0D) }
    send(byte)
  }

  // Line status is register 5, bit 5 of it room for a byte (16550 data sheet).
  private func send(_ byte: UInt8) {
    for _ in 0..<Self.patience where ports.in8(base &+ 5) & 0x20 != 0 {
      ports.out8(base, byte)
      return
    }
  }
}
