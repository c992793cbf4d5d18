// RequestLoop: the task that runs a CPU's guest vCPU and serves its calls.
import SVSMProtocol
public import Seams
import TaskRuntime
import X86

/// Enters the guest whenever nothing is ready on its CPU, and serves each call within itself; one per CPU, selected by the board.
///
/// It takes the idle task's place: entering the guest is the lowest-priority leaf. A CPU without a vCPU halts instead.
///
/// ```
///            1 nothing ready, a vCPU        2 the guest returns
///   turn ─────────────────────────▶ in guest ─────────────────▶ exit
///    │ ▲                                                          │ 3 no call: gate open
///    │ └──────────5 gate open, slot inGuest──── serving ◀─────────┤ 4 a call
///    └── no vCPU, refused: halting                                ▼ turn
/// ```
public struct RequestLoop<
  Platform: GuestPlatform, Exchange: MemoryExchange & Sendable, Table: ProtocolTable
>: Sendable {
  private let cpu: Int
  private let platform: Platform
  private let guest: Guest
  private let core: CoreService<Platform, Exchange>
  private let table: Table

  /// The loop of CPU `cpu` for `guest`, with the protocols of `table` besides Core.
  public init(cpu: Int, platform: Platform, exchange: Exchange, guest: Guest, table: Table) {
    self.cpu = cpu
    self.platform = platform
    self.guest = guest
    self.table = table
    core = CoreService(platform: platform, exchange: exchange, guest: guest)
  }

  /// The vCPUs of this CPU, whose slots the loop keeps as `inGuest` while it does not look at them.
  public struct Seat: Sendable {
    /// The newest.
    public var own: VCPUHandle?
    /// The one before, which the host may still run until it has been told of the newest.
    public var older: VCPUHandle?

    /// No vCPU.
    public init() {}
  }

  /// What an exit turned out to be.
  public enum ExitService: Equatable, Sendable {
    /// A call, now answered.
    case served
    /// No call, or none that may be looked at now.
    case nothing
    /// The vCPU is deleted.
    case gone
  }

  /// The task's life.
  public nonisolated(nonsending) func run() async {
    Executor.becomeIdleTask()
    var seat = Seat()
    var mayEnter = true
    await Executor.idleTurn()
    while true {
      renew(&seat)
      platform.holdWakes()
      guard let vcpu = seat.own ?? seat.older, mayEnter else {
        mayEnter = true
        switch prepare(.halting) {
        case .rest(let deadline): platform.halt(until: deadline)
        case .stay: platform.releaseWakes()
        }
        await Executor.idleTurn()
        continue
      }
      guard case .rest(let deadline) = prepare(.inGuest) else {
        platform.releaseWakes()
        await Executor.idleTurn()
        continue
      }
      let exit = platform.enter(guest.vcpus.context(vcpu), until: deadline)
      endRest()
      switch exit {
      case .returned:
        // A vCPU made meanwhile may be the one that came back.
        renew(&seat)
        await serve(&seat)
      case .handled: break
      case .refused, .dead: mayEnter = false
      }
    }
  }

  // Closures of functions that are not async: `flush: platform.flush` in one makes an object that is never freed (6.3.1).
  private func prepare(_ state: OwnerState) -> RestDecision {
    Executor.prepareToRest(as: state) { platform.flush() }
  }

  private func endRest() { Executor.endRest { platform.flush() } }

  /// Takes the newest vCPU of this CPU, if another CPU has made one.
  public func renew(_ seat: inout Seat) {
    let newest = guest.vcpus.newest(of: cpu)
    guard newest != seat.own else { return }
    guard let newest else {
      seat.own = nil
      return
    }
    guard guest.vcpus.adopt(newest, cpu: cpu) else { return }
    if seat.own != nil { seat.older = seat.own }
    seat.own = newest
  }

  /// Serves the call with which the guest came back, of whichever vCPU it is.
  public nonisolated(nonsending) func serve(_ seat: inout Seat) async {
    if let vcpu = seat.own {
      switch await serveExit(of: vcpu) {
      case .served: return
      case .nothing: break
      case .gone: seat.own = nil
      }
    }
    if let vcpu = seat.older, await serveExit(of: vcpu) == .gone { seat.older = nil }
  }

  /// What follows when a vCPU has come back: the steps of a call in the protocol's order.
  ///
  /// Rule: reference snp-svsm.md A.4, D.1 to D.5.
  public nonisolated(nonsending) func serveExit(of vcpu: VCPUHandle) async -> ExitService {
    let memory = HardwareMemory()
    let slot = guest.vcpus.slot(vcpu)
    switch slot.reclaim(in: memory) {
    case .claimed: break
    case .undecided: return .nothing
    case .gone: return .gone
    }
    let context = guest.vcpus.context(vcpu)
    guard platform.closeGate(context) else {
      slot.enter(in: memory)
      return .nothing
    }
    let pending = pendingCall(guest.vcpus.callingArea(vcpu))
    guard pending != .none, platform.exitedByCall(context) else {
      platform.openGate(context)
      slot.enter(in: memory)
      return .nothing
    }
    let call = GuestCall(platform.callRegisters(context), vcpu: vcpu)
    switch pending == .reserved ? .reply(CallReply(.invalidFormat)) : await dispatch(call) {
    case .ended: return .gone
    case .reply(let reply):
      platform.write(reply, to: context)
      clearCall(guest.vcpus.callingArea(vcpu))
    case .remapped(let old):
      platform.write(CallReply(.success), to: context)
      clearCall(PhysicalAddress(old))
      guest.pages.releaseCallingArea(PhysicalAddress(old))
    }
    if guest.vcpus.isStartUp(vcpu) { tellMemoryAvailable(guest.vcpus.callingArea(vcpu)) }
    platform.openGate(context)
    slot.enter(in: memory)
    return .served
  }

  private nonisolated(nonsending) func dispatch(_ call: GuestCall) async -> CallOutcome {
    if call.id.protocolID == .core { return await core.serve(call, table) }
    return .reply(await table.serve(call))
  }

  /// What the calling area says; none if the host took it away (D.13).
  private func pendingCall(_ area: PhysicalAddress) -> CallingArea.Pending {
    do throws(GuestMemoryFault) {
      return try CallingArea(rawValue: platform.loadWord(area)).pending
    } catch {
      return .none
    }
  }

  /// Clears SVSM_CALL_PENDING; a calling area that the host took away is the guest's loss.
  private func clearCall(_ area: PhysicalAddress) {
    do throws(GuestMemoryFault) { try platform.storeByte(0, area) } catch {}
  }

  private func tellMemoryAvailable(_ area: PhysicalAddress) {
    let isAvailable = guest.isMemoryAvailable
    guard isAvailable != guest.wasMemoryAvailable else { return }
    do throws(GuestMemoryFault) {
      try platform.storeByte(
        isAvailable ? 1 : 0, area.advanced(by: UInt64(CallingArea.memoryAvailableOffset)))
      guest.wasMemoryAvailable = isAvailable
    } catch {}
  }
}
