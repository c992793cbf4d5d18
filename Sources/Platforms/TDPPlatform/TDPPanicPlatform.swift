// TDPPanicPlatform: the last services of an L1.
public import Seams
import X86

/// Console, NMI to the others if the host likes, the verdict's port, and a fatal error that carries no text.
public final class TDPPanicPlatform<Hardware: TDXHardware>: PanicPlatform, Sendable {
  /// The port of isa-debug-exit, as the monitor offers it.
  public static var exitPort: UInt16 { 0xF4 }
  private let console: TDPConsole<Hardware>
  private let host: HostCalls<Hardware>
  private let controller: TDPController<Hardware>

  /// The services over `console`.
  public init(_ hardware: Hardware, console: TDPConsole<Hardware>) {
    self.console = console
    host = HostCalls(hardware)
    controller = TDPController(hardware)
  }

  /// Sends a byte.
  public func write(_ byte: UInt8) { console.write(byte) }
  /// Nothing: commands to others are the host's from the start.
  public func controllerIsOn() {}
  /// NMI to all but the caller (shorthand 3); the host may leave it undone.
  public func stopOtherProcessors() { controller.send(to: 0, command: 0xC_4400) }
  /// Ends the machine; a host that returns from it leaves this CPU to halt for ever, interrupts off.
  public func end(_ verdict: Verdict) {
    try? host.portWrite(Self.exitPort, byteCount: 1, UInt32(verdict.rawValue))
    host.reportFatalError(code: UInt32(verdict.rawValue))
  }
  /// The fatal error alone.
  public func abort() { host.reportFatalError(code: UInt32(Verdict.panic.rawValue)) }
}
