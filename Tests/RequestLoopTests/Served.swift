// Served: runs a test's body as a hosted task that makes calls the way a guest does.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import TaskRuntime
import Tasks
import Testing
import X86

/// The registers after a call, and what the calling area says.
struct Answer: Equatable {
  var rax: UInt64
  var rcx: UInt64
  var rdx: UInt64
  var r8: UInt64

  var result: ResultCode { ResultCode(rawValue: UInt32(truncatingIfNeeded: rax)) }
}

/// A world and the request loops of its CPUs, without their tasks: a call is made and served at once.
final class Service<Table: ProtocolTable>: @unchecked Sendable {
  typealias Loop = RequestLoop<ModelPlatform, StockOfPages, Table>
  let world: World
  let loops: [Loop]
  private var seats: [Loop.Seat]

  init(_ world: World, _ table: Table) {
    self.world = world
    seats = World.apicIDs.map { _ in Loop.Seat() }
    loops = World.apicIDs.indices.map {
      RequestLoop(
        cpu: $0, platform: ModelPlatform(world), exchange: world.exchange, guest: world.guest, table: table)
    }
  }

  /// The VMSA that the host runs at VMPL2 on a CPU.
  func vmsa(_ cpu: Int) -> UInt64? { world.machine.vcpus[cpu].vmsa(.vmpl2)?.rawValue }

  /// The calling area of the vCPU on a CPU.
  func area(_ cpu: Int) -> UInt64? {
    world.guest.vcpus.newest(of: cpu).map { world.guest.vcpus.callingArea($0).rawValue >> 12 }
  }

  /// The vCPU that a CPU has now.
  func vcpu(of cpu: Int) -> VCPUHandle? {
    loops[cpu].renew(&seats[cpu])
    return seats[cpu].own
  }

  /// One exit of the guest and its service; `before` is what the guest did last.
  @discardableResult
  func exit(_ cpu: Int = 0, _ code: SVMExitCode = .vmgexit, _ before: () -> Void = {}) async -> Bool {
    var seat = seats[cpu]
    loops[cpu].renew(&seat)
    let isEntered = world.locked { world.machine.vmrun(cpu, .vmpl2, &world.bytes) == .entered(.vmpl2) }
    world.check(isEntered, "the guest on CPU \(cpu) can't be entered")
    before()
    world.locked { world.machine.vmexit(cpu, code, &world.bytes) }
    loops[cpu].renew(&seat)
    await loops[cpu].serve(&seat)
    seats[cpu] = seat
    return seat.own != nil
  }

  /// One call of the guest on a CPU, as Linux makes it, and what must hold after every one.
  @discardableResult
  func call(
    _ id: CallID, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0, cpu: Int = 0,
    pending: UInt64 = 1, area: UInt64? = nil, line: UInt = #line
  ) async -> Answer {
    guard let vmsa = vmsa(cpu), let area = area ?? self.area(cpu) else {
      world.check(false, "CPU \(cpu) has no vCPU", line)
      return Answer(rax: .max, rcx: 0, rdx: 0, r8: 0)
    }
    await exit(cpu) {
      world.setWord(vmsa, VMSAField.rax, id.rax)
      world.setWord(vmsa, VMSAField.rcx, rcx)
      world.setWord(vmsa, VMSAField.rdx, rdx)
      world.setWord(vmsa, VMSAField.r8, r8)
      world.setWord(vmsa, VMSAField.r9, r9)
      world.setWord(area, 0, world.word(area, 0) & ~0xFF | pending)
    }
    let answer = Answer(
      rax: world.word(vmsa, VMSAField.rax), rcx: world.word(vmsa, VMSAField.rcx),
      rdx: world.word(vmsa, VMSAField.rdx), r8: world.word(vmsa, VMSAField.r8))
    world.check(answer.rax >> 32 == 0, "RAX has an upper half (D.8)", line)
    world.check(world.word(vmsa, VMSAField.r9) == r9, "R9 was changed (D.15)", line)
    world.check(world.word(area, 0) & 0xFF == 0, "the call is still pending", line)
    world.check(world.word(vmsa, VMSAField.efer) & VMSAField.eferSVME != 0, "SVME is not set again", line)
    return answer
  }

  /// Calls until the answer is neither INCOMPLETE nor BUSY, at most `limit` times.
  func callUntilDone(
    _ id: CallID, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, cpu: Int = 0, limit: Int = 1000,
    line: UInt = #line
  ) async -> (answer: Answer, rounds: Int) {
    for round in 1...limit {
      let answer = await call(id, rcx: rcx, rdx: rdx, r8: r8, cpu: cpu, line: line)
      if !answer.result.isRetry { return (answer, round) }
      world.check(answer.rcx == rcx, "RCX is not preserved (D.42)", line)
    }
    world.check(false, "the call never ends", line)
    return (Answer(rax: .max, rcx: 0, rdx: 0, r8: 0), limit)
  }

  /// PVALIDATE with a list at `address`.
  func pvalidate(
    _ entries: [UInt64], at address: UInt64 = World.startUpArea << 12 + 8, cpu: Int = 0, line: UInt = #line
  ) async -> (result: ResultCode, next: UInt64) {
    world.putList(address, entries)
    let done = await callUntilDone(.pvalidate, rcx: address, cpu: cpu, line: line)
    return (done.answer.result, world.next(address))
  }

  /// Makes a second vCPU on a CPU as a guest does: fill, CREATE_VCPU, AP creation.
  @discardableResult
  func create(_ cpu: Int, vmsa: UInt64, area: UInt64, by caller: Int = 0, line: UInt = #line) async
    -> ResultCode
  {
    world.fillVMSA(vmsa)
    let answer = await call(
      .createVCPU, rcx: vmsa << 12, rdx: area << 12, r8: UInt64(World.apicIDs[cpu]), cpu: caller, line: line)
    if answer.result == .success {
      world.machine.offerVMSA(GuestPage(rawValue: vmsa), vcpu: cpu, vmpl: .vmpl2)
    }
    return answer.result
  }
}

/// A page list entry.
func entry(_ page: UInt64, is2M: Bool = false, validate: Bool = true, ignore: Bool = false) -> UInt64 {
  PValidateEntry.encode(address: page << 12, is2M: is2M, isValidate: validate, ignoresCarry: ignore)
}

/// Runs `body` as a task of one hosted CPU; the failures that it noted, or why it did not end.
func failures(_ body: @escaping @Sendable (Service<CoreOnly>) async -> Void) -> [String] {
  failures({ _ in CoreOnly() }, { await body($0) })
}

/// The same with protocols besides Core, made for the world.
func failures<Table: ProtocolTable>(
  _ table: @escaping (World) -> Table, _ body: @escaping @Sendable (Service<Table>) async -> Void
) -> [String] {
  var found = ["the body did not end"]
  onHostedThreads(1) { _ in
    let cpu = HostedCPU()
    let owners = OwnerTable.hosted(count: 1)
    Executor.prepare(owners)
    cpu.enter()
    guard Executor.install(index: 0, table: owners, seat: cpu.seat, flush: {}) else { return }
    let world = World()
    let service = Service(world, table(world))
    let isDone = SharedWords(count: 1)
    do throws(SpawnError) {
      try spawn("guest") {
        await body(service)
        world.checkAll()
        isDone[0].storeRelaxed(1)
      }
    } catch { return }
    while isDone[0].loadRelaxed() == 0, Executor.step(flush: {}) == .more {}
    if isDone[0].loadRelaxed() == 1 { found = world.failures }
  }
  return found
}
