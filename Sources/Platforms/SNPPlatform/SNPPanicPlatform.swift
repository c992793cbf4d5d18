// SNPPanicPlatform: the last services: the serial port, NMI to the others, the end by port and by request.
import SNP
public import Seams

/// What a dying kernel needs; it breaks open exchanges off.
public final class SNPPanicPlatform<Hardware: SNPHardware>: PanicPlatform {
  /// isa-debug-exit as the test machine has it; other hosts ignore the port.
  public static var exitPort: UInt16 { 0xF4 }
  private let ghcb: GHCB<Hardware>
  private let console: SNPConsole<Hardware>
  private var hasOthers = false

  /// The services over `ghcb` and `console`.
  public init(_ ghcb: GHCB<Hardware>, _ console: SNPConsole<Hardware>) {
    self.ghcb = ghcb
    self.console = console
  }

  /// Sends a byte.
  public func write(_ byte: UInt8) {
    ghcb.abandon()
    console.write(byte)
  }
  /// From now on the others can be stopped.
  public func controllerIsOn() { hasOthers = true }
  /// NMI to all but this CPU (ICR shorthand 3): the doorbell shows it, and the handler parks.
  public func stopOtherProcessors() {
    // Always: a #VC of the report's own (RDTSC) is answered only while no exchange is open.
    ghcb.abandon()
    guard hasOthers else { return }
    _ = try? ghcb.perform(GHCBRequest(.hvIPI, info1: 0xC_4400))
  }
  /// The verdict to the test machine; where nobody listens the VM is ended by request.
  public func end(_ verdict: Verdict) {
    ghcb.abandon()
    GHCBPorts(ghcb).out8(Self.exitPort, verdict.rawValue)
    ghcb.hardware.terminate(.general)
  }
  /// The request alone, by the GHCB MSR.
  public func abort() { ghcb.hardware.terminate(.general) }
}
