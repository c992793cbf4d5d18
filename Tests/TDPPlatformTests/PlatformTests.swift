// Tests of the platform: the TD it finds, the launch page, the host's parameters, interrupts and idling.
import Launch
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct PlatformTests {
  // Launch page in guest page 1, parameters 2, memory map 3, mailbox 5; the range is pages 1 to 1055.
  private func machine(
    vcpus: Int = 4, told: UInt32 = 4, options: String = "",
    _ change: (inout LaunchInformation) -> Void = { _ in },
    _ configure: (inout TDConfiguration) -> Void = { _ in }
  ) -> ModelTD {
    let machine = ModelTD(vcpus: vcpus, configure)
    let memory = PrivateMemory(machine: machine)
    var launch = LaunchInformation(platform: 3, hypervisor: 1)
    launch.processorCount = 8
    launch.rangeStart = 0x1000
    launch.rangeByteCount = 1055 << 12
    launch.consolePort = 0x3F8
    launch.areas = [
      LaunchArea(.launchInformation, gpa: 0x1000, byteCount: 4096),
      LaunchArea(.parameters, gpa: 0x2000, byteCount: 4096),
      LaunchArea(.memoryMap, gpa: 0x3000, byteCount: 4096), LaunchArea(.madt, gpa: 0x4000, byteCount: 4096),
      LaunchArea(.mailbox, gpa: 0x5000, byteCount: 4096), LaunchArea(.image, gpa: 0x8000, byteCount: 0x17001),
      LaunchArea(.stack, gpa: 0x6000, byteCount: 0x2000),
      LaunchArea(.resetPage, gpa: 0xFFFF_F000, byteCount: 4096),
    ]
    launch.commandLine = Array(options.utf8)
    change(&launch)
    for (index, byte) in (launch.encoded() ?? []).enumerated() {
      memory.store(byte, at: PhysicalAddress(0x1000 + UInt64(index)))
    }
    memory.store(told, at: PhysicalAddress(0x2000))
    return machine
  }

  private func platform(_ machine: ModelTD) -> TDPPlatform<ModelTD> {
    TDPPlatform(machine, launchPage: PhysicalAddress(0x1000))
  }

  @Test func theKernelsMemoryIsTheMeasuredRangeWithoutWhatLiesThere() throws {
    let machine = machine(options: "until=idle map")
    let information = try platform(machine).bootInformation(PrivateMemory(machine: machine))
    #expect(
      information.memory[0] == MemoryRegion(start: PhysicalAddress(0x1000), bytes: 1055 << 12, kind: .usable))
    #expect(information.memory.count == 7)
    for index in 1..<7 { #expect(information.memory[index]?.kind == .reserved) }
    #expect(information.processors?.count == 4)
    #expect(information.commandLine.count == 14)
    #expect(platform(machine).mailbox(PrivateMemory(machine: machine)) == Frame(number: 5))
  }

  // G.31, E.3 step 12: all that the loader left alone is accepted, and nothing else is touched.
  @Test func everyPageThatWasNotLoadedIsAcceptedOnce() throws {
    let machine = machine { $0.areas.append(LaunchArea(.image, gpa: 0x1F000, byteCount: 0x1000)) }
    for page in UInt64(32)..<512 { machine.augment(page) }
    machine.augment(512, level: 1)
    for page in UInt64(1024)..<1056 { machine.augment(page) }
    let platform = platform(machine)
    let memory = PrivateMemory(machine: machine)
    var accepted: [UInt64] = []
    machine.beforeCall = { _, registers in
      if registers.rax == 6 { accepted.append(registers.rcx) }
    }
    try platform.claimMemory(MemoryMap(), memory)
    for page in UInt64(1)..<1056 { #expect(machine.isMapped(page)) }
    #expect(accepted.count == Set(accepted).count)
    #expect(accepted.contains(512 << 12 | 1))
    #expect(!accepted.contains { $0 >> 12 < 6 && $0 >> 12 > 0 })
    #expect(memory.load(UInt64.self, at: PhysicalAddress(0x1000)) == LaunchInformation.magic)
  }

  @Test func memoryThatIsRefusedEndsTheBoot() {
    let machine = machine()
    machine.forced = [(.pageAccept, .operandInvalid.with(.rcx))]
    #expect(throws: BootInformationError.memoryRefused) {
      try platform(machine).claimMemory(MemoryMap(), PrivateMemory(machine: machine))
    }
  }

  // G.72
  @Test func moreCPUsThanTheTDHasAreRejected() throws {
    for told in [UInt32(5), 64, .max] {
      let machine = machine(told: told)
      #expect(throws: BootInformationError.tooManyProcessors) {
        _ = try platform(machine).bootInformation(PrivateMemory(machine: machine))
      }
    }
    let fewer = machine(told: 2)
    #expect(try platform(fewer).bootInformation(PrivateMemory(machine: fewer)).processors?.count == 2)
    let silent = machine(told: 0)
    #expect(try platform(silent).bootInformation(PrivateMemory(machine: silent)).processors?.count == 4)
    let small = machine { $0.processorCount = 2 }
    let list = try platform(small).bootInformation(PrivateMemory(machine: small)).processors
    #expect(list?.count == 2 && list?.omitted == 2)
  }

  @Test func aLaunchPageOfAnotherKindIsNotRecognised() {
    for change in [
      { $0.platform = 2 }, { $0.rangeStart = 0x1001 }, { $0.rangeByteCount = 1 << 48 },
      { $0.rangeByteCount = 0 },
      { $0.rangeStart = .max & ~0xFFF },
    ] as [(inout LaunchInformation) -> Void] {
      let machine = machine(change)
      #expect(throws: BootInformationError.notRecognised) {
        _ = try platform(machine).bootInformation(PrivateMemory(machine: machine))
      }
    }
  }

  // E.3 steps 6 and 7.
  @Test func aTDWhosePagesCanBecomeExceptionsIsRefused() throws {
    let plain = machine(vcpus: 4, { _ in }) { $0.attributes = [] }
    #expect(platform(plain).environment == nil)
    #expect(throws: BootInformationError.notRecognised) {
      _ = try platform(plain).bootInformation(PrivateMemory(machine: plain))
    }
    let flexible = machine(vcpus: 4, { _ in }) {
      $0.attributes = []
      $0.flags = [.flexiblePendingVE, .noRBPModification]
    }
    #expect(platform(flexible).environment != nil)
    #expect(flexible.exitsOnPending)
  }

  @Test func theSharedBitIsTheModulesWordAtBothWidths() {
    #expect(platform(machine()).environment?.information.sharedMask == 1 << 47)
    let wide = machine(vcpus: 2, told: 2, { _ in }) { $0.flags = [.gpaw52, .noRBPModification] }
    #expect(platform(wide).environment?.information.sharedMask == 1 << 51)
    #expect(platform(wide).environment?.l2Count == 1)
  }

  @Test func whoIsNotVCPUZeroDoesNotBoot() {
    let machine = machine()
    machine.vcpu = 1
    #expect(platform(machine).environment == nil)
  }

  @Test func theClockIsTheModulesAndHasNoAlarm() {
    let clock = platform(machine()).calibrate()
    #expect(clock.frequency == 2_500_000_000)
    #expect(TDPClock<ModelTD>.kind == .none)
    #expect(!((clock as Any) is any SleepClock))
    #expect(!platform(machine()).alarm(clock, at: Instant(ticks: 0)))
  }
}

@Suite struct HostMemoryMapTests {
  private func decode(_ entries: [(page: UInt64, count: UInt64, type: UInt64)]) throws(HostMemory.Failure)
    -> MemoryMap
  {
    let machine = ModelTD()
    let memory = PrivateMemory(machine: machine)
    for (index, entry) in entries.enumerated() where index < 170 {
      let address = 0x3000 + UInt64(index) * 24
      memory.store(entry.page, at: PhysicalAddress(address))
      memory.store(entry.count, at: PhysicalAddress(address + 8))
      memory.store(entry.type, at: PhysicalAddress(address + 16))
    }
    return try HostMemory.decode(at: PhysicalAddress(0x3000), byteCount: 4096, limit: 1 << 47, memory)
  }

  @Test func regionsEndAtTheFirstEmptyOne() throws {
    let map = try decode([(0, 16, 0), (16, 4, 1), (32, 1024, 0), (0, 0, 0), (5, 5, 0)])
    #expect(map.count == 3)
    #expect(map[1]?.kind == .reserved)
    #expect(map[2] == MemoryRegion(start: PhysicalAddress(0x20000), bytes: 0x400000, kind: .usable))
  }

  // G.72, E.3 step 11
  @Test func hostileMapsAreRefusedWhole() {
    #expect(throws: HostMemory.Failure.range) { _ = try decode([(1 << 35, 1, 0)]) }
    #expect(throws: HostMemory.Failure.range) { _ = try decode([(1, 1 << 35, 0)]) }
    #expect(throws: HostMemory.Failure.range) { _ = try decode([(.max, 2, 0)]) }
    #expect(throws: HostMemory.Failure.range) { _ = try decode([(2, .max, 0)]) }
    #expect(throws: HostMemory.Failure.overlap) { _ = try decode([(0, 16, 0), (15, 1, 1)]) }
    #expect(throws: HostMemory.Failure.tooLong) {
      _ = try decode((0..<170).map { (UInt64($0) * 2, 1, 0) })
    }
  }
}

@Suite struct InterruptTests {
  private let kick: UInt32 = 0x822
  private func platform(_ machine: ModelTD) -> TDPPlatform<ModelTD> {
    TDPPlatform(machine, launchPage: PhysicalAddress(0x1000))
  }

  // A host that has an APIC; `delivers` whether the test interrupt arrives.
  private func apic(_ machine: ModelTD, delivers: Bool) {
    machine.host = { [unowned machine] registers in
      registers.r10 = 0
      switch (registers.r11, registers.r12) {
      case (31, 0x1B): registers.r11 = 0xFEE0_0D00
      case (31, 0x802): registers.r11 = 7
      case (32, 0x830): if delivers { machine.msrs[0x822] = 1 << 1 }
      default: break
      }
    }
  }

  @Test func theTestInterruptIsFoundWhereTheHostDeliversIt() {
    for delivers in [true, false] {
      let machine = ModelTD()
      apic(machine, delivers: delivers)
      let platform = platform(machine)
      platform.enableController(.boot)
      #expect(platform.census.delivers(to: .boot) == delivers)
      #expect(machine.steps.contains(.writeMSR(0x808, 0)))
      let command = machine.exits.first { $0.registers.r11 == 32 && $0.registers.r12 == 0x830 }
      #expect(command?.registers.r13 == 7 << 32 | 0x4041)
      #expect(platform.census.counts == (1, delivers ? 1 : 0))
      // Bounded: it looks at least a thousand times, and no more than its time allows.
      #expect(machine.steps.filter { $0 == .readMSR(kick) }.count <= 30_000)
    }
  }

  // G.72
  @Test func aHostThatAnswersNothingSensibleLeavesACPUThatPolls() {
    for host in [
      { $0.r10 = 1 << 63 }, { registers in for number in 10...15 { registers[number] = .max } },
      { registers in
        for number in 11...15 { registers[number] = .max }; registers.r10 = 0
      },
    ] as [(inout GeneralRegisters) -> Void] {
      let machine = ModelTD()
      machine.host = host
      let platform = platform(machine)
      platform.enableController(.boot)
      #expect(!platform.census.delivers(to: .boot))
      platform.caller(trampoline: Frame(number: 0), list: ProcessorList(boot: APICID(rawValue: 0))).kick(
        .boot)
    }
  }

  @Test func kicksGoToTheIdThatTheCPUFound() {
    let machine = ModelTD()
    apic(machine, delivers: true)
    let platform = platform(machine)
    platform.enableController(.boot)
    let caller = platform.caller(trampoline: Frame(number: 0), list: ProcessorList(boot: APICID(rawValue: 0)))
    machine.exits = []
    caller.kick(.boot)
    #expect(machine.exits.map(\.registers.r13) == [7 << 32 | 0x4041])
    // A CPU that never came in is not kicked.
    caller.kick(CPUIndex(3))
    caller.kick(CPUIndex(500))
    #expect(machine.exits.count == 1)
  }

  private func halter(_ machine: ModelTD, _ platform: TDPPlatform<ModelTD>, alone: Bool) -> TDPHalter<ModelTD>
  {
    TDPHalter(machine, platform.census, cpu: .boot, isAlone: { alone }, flush: {})
  }

  // G.74: the window between the last look and the halt is closed by one instruction pair; R12 = 0.
  @Test func theHaltLetsInterruptsInWithTheCallItself() {
    let machine = ModelTD()
    apic(machine, delivers: true)
    let platform = platform(machine)
    platform.enableController(.boot)
    let halter = halter(machine, platform, alone: false)
    machine.steps = []
    halter.holdWakes()
    halter.halt(until: nil)
    #expect(machine.steps == [.cli, .openHost(12)])
    #expect(machine.exits.last?.registers.r12 == 0)
  }

  // G.74: without delivery, a CPU with tasks stays awake; one without may halt, since nobody waits for it.
  @Test func aCPUThatNobodyCanWakeStaysAwakeWhileItHasTasks() {
    let machine = ModelTD()
    apic(machine, delivers: false)
    let platform = platform(machine)
    platform.enableController(.boot)
    machine.steps = []
    halter(machine, platform, alone: false).halt(until: nil)
    #expect(machine.steps == [.sti, .pause])
    machine.steps = []
    halter(machine, platform, alone: true).halt(until: nil)
    #expect(machine.steps == [.openHost(12)])
    machine.steps = []
    halter(machine, platform, alone: true).halt(until: 5)
    #expect(machine.steps == [.sti, .pause])
  }

  // G.74: a host that refuses to halt, or comes back at once, costs time and nothing else.
  @Test func aRefusedHaltIsAShortRestWithInterruptsOpen() {
    let machine = ModelTD()
    let platform = platform(machine)
    machine.host = { $0.r10 = 1 << 63 }
    machine.steps = []
    halter(machine, platform, alone: true).halt(until: nil)
    #expect(machine.steps == [.openHost(12), .sti, .pause])
  }
}
