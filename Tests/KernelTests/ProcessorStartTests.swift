// Tests of CPU bring-up: who answers is in, who does not is out, and nobody slips in late.
import Kernel
import Seams
import Testing
import X86

/// Other CPUs, each with a script: at which look of the boot CPU it takes the call and when it is through.
private final class FakeCPUs: StartMailbox, StartCaller, Clock, @unchecked Sendable {
  static var kind: ClockKind { .polled }
  var frequency: UInt64 { 1_000_000 }
  var states: [StartState]
  var takesAt: [Int?]
  var throughAt: [Int?]
  var looks = 0
  var ticks: UInt64 = 0
  var stepTicks: UInt64 = 10
  var calls: [String] = []
  /// What happens just before the boot CPU's exchange.
  var beforeExchange: ((FakeCPUs, CPUIndex, StartState) -> Void)?

  init(takesAt: [Int?], throughAt: [Int?]) {
    states = takesAt.map { _ in .empty }
    self.takesAt = takesAt
    self.throughAt = throughAt
  }

  func step() {
    looks += 1
    ticks += stepTicks
    for cpu in states.indices {
      if let at = takesAt[cpu], looks >= at, states[cpu] == .go { states[cpu] = .started }
      if let at = throughAt[cpu], looks >= at, states[cpu] == .started { states[cpu] = .online }
    }
  }

  func state(of cpu: CPUIndex) -> StartState {
    step()
    return states[Int(cpu.rawValue)]
  }

  func exchange(_ cpu: CPUIndex, expected: StartState, with desired: StartState) -> StartState {
    beforeExchange?(self, cpu, desired)
    let was = states[Int(cpu.rawValue)]
    if was == expected { states[Int(cpu.rawValue)] = desired }
    return was
  }

  func hasParked(_ cpu: CPUIndex) -> Bool { false }
  func sendInit(_ cpu: CPUIndex) { calls.append("init \(cpu.rawValue)") }
  func sendStartUp(_ cpu: CPUIndex) { calls.append("start \(cpu.rawValue)") }
  func now() -> Instant {
    ticks += 1
    return Instant(ticks: ticks)
  }
}

@Suite struct ProcessorStartTests {
  private func run(_ cpus: FakeCPUs, offer: [Int], limit: UInt64 = 100_000) -> [StartOutcome] {
    let start = ProcessorStart(mailbox: cpus, caller: cpus, clock: cpus, hint: NoHint.self)
    for cpu in offer { start.offer(CPUIndex(UInt32(cpu))) }
    start.start(count: UInt32(cpus.states.count), limitMicroseconds: limit)
    return (1..<cpus.states.count).map { start.outcome(of: CPUIndex(UInt32($0))) }
  }

  @Test func everyCPUIsCalledBeforeAnyIsWaitedFor() {
    let cpus = FakeCPUs(takesAt: [nil, 200, 200, 200], throughAt: [nil, 300, 250, 400])
    #expect(run(cpus, offer: [1, 2, 3]) == [.online, .online, .online])
    #expect(Array(cpus.calls.prefix(6)) == ["init 1", "init 2", "init 3", "start 1", "start 2", "start 3"])
  }

  @Test func aCPUThatStartsAtTheFirstCallIsNotCalledAgain() {
    let cpus = FakeCPUs(takesAt: [nil, 1, 100_000], throughAt: [nil, 1, 100_001])
    cpus.stepTicks = 0
    _ = run(cpus, offer: [1, 2], limit: 1000)
    #expect(cpus.calls.filter { $0 == "start 1" }.count <= 1)
    #expect(cpus.calls.filter { $0 == "start 2" }.count == 2)
  }

  @Test func silentHungAndMissingCPUsAreLeftOut() {
    let cpus = FakeCPUs(takesAt: [nil, nil, 50, 50, 50], throughAt: [nil, nil, nil, 60, 60])
    #expect(run(cpus, offer: [1, 2, 3]) == [.silent, .hung, .online, .noMemory])
    #expect(cpus.states[1] == .revoked && cpus.states[2] == .expelled && cpus.states[4] == .empty)
    #expect(!cpus.calls.contains("init 4"))
  }

  @Test func aLateCPUCanNotSlipIn() {
    let cpus = FakeCPUs(takesAt: [nil, nil], throughAt: [nil, nil])
    #expect(run(cpus, offer: [1]) == [.silent])
    // The CPU's own exchange, as trampoline.S makes it, now fails.
    #expect(cpus.exchange(CPUIndex(1), expected: .go, with: .started) == .revoked)
    #expect(cpus.states[1] == .revoked)
  }

  @Test func aCPUThatWinsTheLastMomentIsEitherInOrOutForBothSides() {
    // It takes the call between the boot CPU's last look and its exchange.
    let taking = FakeCPUs(takesAt: [nil, nil], throughAt: [nil, nil])
    taking.beforeExchange = { cpus, cpu, desired in
      if desired == .revoked { cpus.states[Int(cpu.rawValue)] = .started }
    }
    #expect(run(taking, offer: [1]) == [.hung])
    #expect(taking.exchange(CPUIndex(1), expected: .started, with: .online) == .expelled)
    // It is through between the boot CPU's two exchanges.
    let through = FakeCPUs(takesAt: [nil, nil], throughAt: [nil, nil])
    through.beforeExchange = { cpus, cpu, desired in
      if desired == .revoked { cpus.states[Int(cpu.rawValue)] = .started }
      if desired == .expelled { cpus.states[Int(cpu.rawValue)] = .online }
    }
    #expect(run(through, offer: [1]) == [.online])
  }

  @Test func aStoppedBootCPUStillLooksAThousandTimes() {
    // The clock jumps an hour at every look: the limit alone would give up at once.
    let cpus = FakeCPUs(takesAt: [nil, 800], throughAt: [nil, 900])
    cpus.stepTicks = 3_600_000_000
    #expect(run(cpus, offer: [1], limit: 10) == [.online])
  }

  @Test func aSlowCPUIsWaitedForUntilTheLimit() {
    let cpus = FakeCPUs(takesAt: [nil, 3000], throughAt: [nil, 3100])
    #expect(run(cpus, offer: [1], limit: 1_000_000) == [.online])
  }
}
