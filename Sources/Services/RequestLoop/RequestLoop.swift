// RequestLoop: the task that runs a CPU's guest vCPU and serves its calls.
import SVSMProtocol
public import Seams
import TaskRuntime
import Tasks
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
  private let newest: AtomicCell

  /// The loop of CPU `cpu` for `guest`, with the protocols of `table` besides Core.
  public init(cpu: Int, platform: Platform, exchange: Exchange, guest: Guest, table: Table) {
    self.cpu = cpu
    self.platform = platform
    self.guest = guest
    self.table = table
    newest = guest.vcpus.newest(cell: cpu)
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

  /// What ended a stay with the guest.
  private enum Stay {
    /// Something else is ready, or may be.
    case turn
    /// There is no vCPU to enter; wakes are held.
    case rest
    /// A call that may have to wait, its vCPU claimed and its gate closed.
    case call(GuestCall)
    /// Another CPU decides about a vCPU that came back.
    case undecided
  }

  /// What a vCPU came back with.
  private enum Return {
    case answered
    case nothing
    case gone
    case undecided
    case call(GuestCall)
  }

  /// The task's life.
  public nonisolated(nonsending) func run() async {
    Executor.becomeIdleTask()
    var seat = Seat()
    var hasReturned = false
    await Executor.idleTurn()
    while true {
      switch stay(&seat, hasReturned) {
      case .turn:
        hasReturned = false
        await Executor.idleTurn()
      case .rest:
        switch prepareToHalt() {
        case .rest(let deadline): platform.halt(until: deadline)
        case .stay: platform.releaseWakes()
        }
        // A host runs a vCPU as soon as the guest has started it: its call may be what ended the rest.
        hasReturned = true
        await Executor.idleTurn()
      case .call(let call):
        hasReturned = false
        _ = await finish(call)
      case .undecided:
        hasReturned = true
        await Executor.idleTurn()
      }
    }
  }

  /// Enters the guest and answers what can be answered at once, until there is something else to do.
  ///
  /// Not async: a call that does not wait needs no frame of the task's memory. Nor inlined into what is: see `prepareToEnter`.
  @inline(never) private func stay(_ seat: inout Seat, _ hasReturned: Bool) -> Stay {
    var hasReturned = hasReturned
    while true {
      // A vCPU made meanwhile may be the one that came back.
      renew(&seat)
      if hasReturned, let end = serveAtOnce(&seat) { return end }
      platform.holdWakes()
      guard let vcpu = seat.own ?? seat.older else { return .rest }
      guard case .rest(let deadline) = prepareToEnter() else {
        platform.releaseWakes()
        return .turn
      }
      let exit = platform.enter(guest.vcpus.context(vcpu), until: deadline)
      endRest()
      switch exit {
      case .returned: hasReturned = true
      case .handled: hasReturned = false
      case .refused, .dead:
        platform.holdWakes()
        return .rest
      }
    }
  }

  @inline(__always) private func serveAtOnce(_ seat: inout Seat) -> Stay? {
    if let vcpu = seat.own {
      switch take(vcpu) {
      case .answered: return nil
      case .nothing: break
      case .gone: seat.own = nil
      case .undecided: return .undecided
      case .call(let call): return .call(call)
      }
    }
    guard let vcpu = seat.older else { return nil }
    return serveOlder(vcpu, &seat)
  }

  @inline(never) private func serveOlder(_ vcpu: VCPUHandle, _ seat: inout Seat) -> Stay? {
    switch take(vcpu) {
    case .answered, .nothing: return nil
    case .gone:
      seat.older = nil
      return nil
    case .undecided: return .undecided
    case .call(let call): return .call(call)
    }
  }

  // Closures of functions that are not async: `flush: platform.flush` in one makes an object that is never freed (6.3.1).
  // And they capture the loop itself: a reference taken out of it would be retained and released for each call.
  @inline(__always) private func prepareToEnter() -> RestDecision {
    Executor.prepareToRest(as: .inGuest) { platform.flush() }
  }

  @inline(never) private func prepareToHalt() -> RestDecision {
    Executor.prepareToRest(as: .halting) { platform.flush() }
  }

  private func endRest() { Executor.endRest { platform.flush() } }

  /// Takes the newest vCPU of this CPU, if another CPU has made one.
  @inline(__always) public func renew(_ seat: inout Seat) {
    let word = newest.loadAcquire()
    if word != seat.own?.rawValue ?? 0 { change(&seat, to: word == 0 ? nil : VCPUHandle(rawValue: word)) }
  }

  @inline(never) private func change(_ seat: inout Seat, to newest: VCPUHandle?) {
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
    if case .call(let call) = serveAtOnce(&seat), await finish(call) == .gone {
      if seat.own == call.vcpu { seat.own = nil } else { seat.older = nil }
    }
  }

  /// What follows when a vCPU has come back: the steps of a call in the protocol's order.
  ///
  /// Rule: reference snp-svsm.md A.4, D.1 to D.5.
  public nonisolated(nonsending) func serveExit(of vcpu: VCPUHandle) async -> ExitService {
    switch take(vcpu) {
    case .answered: return .served
    case .nothing, .undecided: return .nothing
    case .gone: return .gone
    case .call(let call): return await finish(call)
    }
  }

  /// Takes a vCPU back, with its call if it made one, and answers that if it can be done at once.
  @inline(__always) private func take(_ vcpu: VCPUHandle) -> Return {
    let memory = HardwareMemory()
    let record = guest.vcpus.record(vcpu)
    switch record.slot.reclaim(in: memory) {
    case .claimed: break
    case .undecided: return .undecided
    case .gone: return .gone
    }
    guard record.generation == vcpu.generation else {
      record.slot.resume(in: memory)
      return .gone
    }
    var registers = CallRegisters(rax: 0, rcx: 0, rdx: 0, r8: 0, r9: 0)
    guard let word = platform.takeCall(record.context, at: record.callingArea, into: &registers) else {
      record.slot.resume(in: memory)
      return .nothing
    }
    guard CallingArea(rawValue: word).pending == .requested else {
      reply(CallReply(.invalidFormat), record)
      return .answered
    }
    if registers.rax == CallID.queryProtocol.rax {
      reply(core.queryProtocol(rcx: registers.rcx, table), record)
      return .answered
    }
    let call = GuestCall(registers, vcpu: vcpu)
    guard call.id.protocolID == .core, let outcome = core.serveAtOnce(call, table) else { return .call(call) }
    return conclude(record, outcome) ? .answered : .gone
  }

  private nonisolated(nonsending) func finish(_ call: GuestCall) async -> ExitService {
    let reply: CallReply
    if call.id.protocolID == .core {
      reply = await core.serve(call)
    } else if let request = memoryRequest(call) {
      reply = request
    } else {
      reply = await table.serve(call)
    }
    return conclude(guest.vcpus.record(call.vcpu), .reply(reply)) ? .served : .gone
  }

  /// The answer that asks for pages first; nil if the kernel has enough for a call, or does not know its protocol.
  ///
  /// Rule: reference snp-svsm.md A.4.1, D.77: nothing of the call is begun. Core needs no more memory than it has.
  @inline(never) private func memoryRequest(_ call: GuestCall) -> CallReply? {
    let pages = core.exchange.shortfall
    guard pages > 0, table.versions(of: call.id.protocolID) != nil else { return nil }
    return CallReply(.needMemory(pageCount: pages))
  }

  /// Answers a call and leaves the vCPU to the guest; false if it has ended.
  @inline(__always) private func conclude(_ record: VCPURecord, _ outcome: CallOutcome) -> Bool {
    let context = record.context
    switch outcome {
    case .ended: return false
    case .reply(let answer):
      reply(answer, record)
      return true
    case .remapped(let old):
      if record.isStartUp {
        // The new area's header is zero.
        guest.wasMemoryAvailable = false
        tellMemoryAvailable(record.callingArea)
      }
      platform.answer(CallReply(.success), to: context, at: PhysicalAddress(old))
      guest.pages.releaseCallingArea(PhysicalAddress(old))
    }
    record.slot.resume(in: HardwareMemory())
    return true
  }

  @inline(__always) private func reply(_ reply: CallReply, _ record: VCPURecord) {
    if record.isStartUp { tellMemoryAvailable(record.callingArea) }
    platform.answer(reply, to: record.context, at: record.callingArea)
    record.slot.resume(in: HardwareMemory())
  }

  @inline(__always) private func tellMemoryAvailable(_ area: PhysicalAddress) {
    let isAvailable = guest.isMemoryAvailable
    if isAvailable != guest.wasMemoryAvailable { tell(isAvailable, area) }
  }

  @inline(never) private func tell(_ isAvailable: Bool, _ area: PhysicalAddress) {
    do throws(GuestMemoryFault) {
      try platform.storeByte(
        isAvailable ? 1 : 0, area.advanced(by: UInt64(CallingArea.memoryAvailableOffset)))
      guest.wasMemoryAvailable = isAvailable
    } catch {}
  }
}
