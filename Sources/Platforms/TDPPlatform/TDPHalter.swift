// TDPHalter: how a CPU of an L1 rests: by a call to the host, or awake if the host wakes nobody.
public import Seams

/// The rest of one CPU.
public struct TDPHalter<Hardware: TDXHardware>: Halter, Sendable {
  private let hardware: Hardware
  private let host: HostCalls<Hardware>
  private let census: InterruptCensus
  private let cpu: CPUIndex
  private let isAlone: @Sendable () -> Bool
  private let flushTLB: @Sendable () -> Void

  /// The rest of `cpu`.
  ///
  /// `isAlone` says whether no task but the idle one lives on this CPU, so that nobody elsewhere waits for it to wake.
  public init(
    _ hardware: Hardware, _ census: InterruptCensus, cpu: CPUIndex, isAlone: @escaping @Sendable () -> Bool,
    flush: @escaping @Sendable () -> Void
  ) {
    self.hardware = hardware
    self.census = census
    self.cpu = cpu
    self.isAlone = isAlone
    host = HostCalls(hardware)
    flushTLB = flush
  }

  /// CLI.
  public func holdWakes() { hardware.disableInterrupts() }
  /// STI.
  public func releaseWakes() { hardware.enableInterrupts() }

  /// Halts if a kick can end it or nobody would send one; else stays awake for a moment.
  ///
  /// There is no alarm, so a deadline keeps the CPU awake: it is noticed at the executor's next pass. The host may end a
  /// halt at any time or refuse it; both are a rest that was short.
  public func halt(until deadline: UInt64?) {
    if deadline == nil, census.delivers(to: cpu) || isAlone() {
      if (try? host.haltOpen()) != nil { return }
    }
    hardware.enableInterrupts()
    hardware.pause()
  }

  /// Empties the CPU's TLB.
  public func flush() { flushTLB() }
}
