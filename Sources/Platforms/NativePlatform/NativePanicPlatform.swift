// NativePanicPlatform: the last services on the native platform.
import Seams

/// Console, NMI to the others, isa-debug-exit at port 0xF4.
public final class NativePanicPlatform<Ports, MSRs, Page>: PanicPlatform
where Ports: PortSpace, MSRs: MSRSpace & Sendable, Page: APICPage & Sendable {
  /// QEMU's isa-debug-exit as `boards/run` places it: the process ends with value * 2 + 1.
  public static var exitPort: UInt16 { 0xF4 }
  private let ports: Ports
  private let console: SerialConsole<Ports>
  private let controller: LocalAPIC<MSRs, Page>
  private var hasController = false

  /// The services over `console` and `controller`.
  public init(ports: Ports, console: SerialConsole<Ports>, controller: LocalAPIC<MSRs, Page>) {
    self.ports = ports
    self.console = console
    self.controller = controller
  }

  /// Sends a byte.
  public func write(_ byte: UInt8) { console.write(byte) }
  /// From now on the others can be stopped.
  public func controllerIsOn() { hasController = true }
  /// NMI to all others.
  public func stopOtherProcessors() {
    if hasController { controller.sendNonMaskableToOthers() }
  }
  /// Ends the machine; returns where there is no such port.
  public func end(_ verdict: Verdict) { ports.out8(Self.exitPort, verdict.rawValue) }
  /// The same: one instruction.
  public func abort() { end(.panic) }
}
