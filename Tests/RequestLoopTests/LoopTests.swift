// LoopTests: the request loop as its CPU's idle task: the guest is what a CPU does when nothing else is ready.
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import TaskRuntime
import Tasks
import Testing
import X86

/// A hosted CPU with an executor, its request loop, and a guest that answers from a script.
private func run(
  _ program: @escaping @Sendable (World, StepLog) -> SVMExitCode?, steps: Int = 40,
  _ body: @escaping @Sendable (World, StepLog) throws(SpawnError) -> Void
) -> (log: [String], failures: [String]) {
  var result: (log: [String], failures: [String]) = ([], ["nothing ran"])
  onHostedThreads(1) { _ in
    let cpu = HostedCPU()
    let owners = OwnerTable.hosted(count: 1)
    Executor.prepare(owners)
    cpu.enter()
    guard Executor.install(index: 0, table: owners, seat: cpu.seat, flush: {}) else { return }
    let world = World()
    let log = StepLog()
    var platform = ModelPlatform(world)
    platform.program = { world in
      log.steps.append("guest while \(Executor.state(of: 0, in: owners) == .inGuest)")
      return program(world, log)
    }
    let loop = RequestLoop(
      cpu: 0, platform: platform, exchange: NoMemoryExchange(), guest: world.guest, table: CoreOnly())
    do throws(SpawnError) {
      try spawn("guest", level: 7) { await loop.run() }
      try body(world, log)
    } catch { return }
    for _ in 0..<steps { _ = Executor.step(flush: {}) }
    result = (log.steps, world.failures)
  }
  return result
}

private func putCall(_ world: World, _ id: CallID, rcx: UInt64) {
  world.setWord(World.startUpVMSA, VMSAField.rax, id.rax)
  world.setWord(World.startUpVMSA, VMSAField.rcx, rcx)
  world.setWord(World.startUpArea, 0, 1)
}

@Suite struct LoopTests {
  @Test func otherTasksRunBeforeTheGuestAndBetweenItsCalls() {
    let seen = run { (world, log) in
      if log.steps.filter({ $0.hasPrefix("guest") }).count > 2 { return nil }
      putCall(world, .queryProtocol, rcx: 1)
      // An interrupt of this CPU's makes its task ready while the guest runs.
      ThisCPU.postPending(1)
      return .vmgexit
    } _: { (_, log) throws(SpawnError) in
      try spawn("worker") {
        while true {
          log.steps.append("worker")
          do throws(WaitError) { try await Executor.waitForInterrupt(0) } catch { return }
        }
      }
    }
    #expect(seen.failures == [])
    #expect(
      Array(seen.log.prefix(6)) == [
        "worker", "guest while true", "worker", "guest while true", "worker", "guest while true",
      ])
  }

  @Test func aCallIsAnsweredWithoutAPassInBetween() {
    let seen = run { (world, log) in
      let number = log.steps.count
      if number > 1 {
        world.equal(world.word(World.startUpVMSA, VMSAField.rcx), 0x1_0000_0001, "entry \(number)")
        world.equal(world.word(World.startUpArea, 0), 0)
      }
      if number > 10 { return nil }
      putCall(world, .queryProtocol, rcx: 1)
      return .vmgexit
    } _: { (_, _) throws(SpawnError) in
    }
    #expect(seen.failures == [])
    #expect(seen.log.count > 10)
  }

  @Test func aCPUThatTheHostDoesNotLetInHaltsAndTriesAgain() {
    let seen = run(
      { (_, _) in nil }, steps: 5
    ) { (world, _) throws(SpawnError) in
    }
    #expect(seen.failures == [])
    #expect(seen.log.count >= 2 && seen.log.count <= 5)
  }

  @Test func longWorkOfACallLetsOtherTasksRunInTheMiddle() {
    let seen = run { (world, log) in
      guard !log.steps.contains("call") else { return nil }
      log.steps.append("call")
      world.putList(World.startUpArea << 12 + 8, [entry(512, is2M: true)])
      world.onClear = { _ in
        log.steps.append("clear")
        ThisCPU.postPending(1)
      }
      putCall(world, .pvalidate, rcx: World.startUpArea << 12 + 8)
      return .vmgexit
    } _: { (_, log) throws(SpawnError) in
      try spawn("worker") {
        while true {
          do throws(WaitError) { try await Executor.waitForInterrupt(0) } catch { return }
          log.steps.append("worker")
        }
      }
    }
    #expect(seen.failures == [])
    let clears = seen.log.firstIndex(of: "clear")
    let last = seen.log.lastIndex(of: "clear")
    let workers = seen.log.indices.filter { seen.log[$0] == "worker" }
    #expect(workers.contains { index in (clears ?? .max) < index && index < (last ?? 0) })
  }
}
