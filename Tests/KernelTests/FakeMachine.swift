// FakeMachine: a machine and a platform of threads and arrays, on which the whole kernel boots in a unit test.
import Idle
import Kernel
import Seams
import Synchronization
import Tasks
import X86

/// A word that two CPUs of a fake machine share.
final class SharedWord: Sendable {
  let value = Atomic<UInt32>(0)
}

/// Start records in memory of the test.
struct FakeMailbox: StartMailbox, Sendable {
  let words: [SharedWord]

  func state(of cpu: CPUIndex) -> StartState {
    StartState(rawValue: words[Int(cpu.rawValue)].value.load(ordering: .acquiring))
  }

  func exchange(_ cpu: CPUIndex, expected: StartState, with desired: StartState) -> StartState {
    let result = words[Int(cpu.rawValue)].value.compareExchange(
      expected: expected.rawValue, desired: desired.rawValue, ordering: .sequentiallyConsistent)
    return StartState(rawValue: result.original)
  }

  func hasParked(_ cpu: CPUIndex) -> Bool { false }
}

/// What the kernel does to the machine below it, and the end it comes to.
final class FakeMachine: BareMachine, TaskHost, @unchecked Sendable {
  typealias Hint = ThreadHint
  let physical: FakeMemory
  let ownerTable: OwnerTable
  let mailbox: FakeMailbox
  /// The CPUs that take their calls.
  let answering: Set<Int>
  /// A bit for each CPU that was called.
  let calls = Atomic<UInt64>(0)
  let seats: [HostedSeat]
  /// Set by the machine's end; every CPU leaves then.
  let hasEnded = Atomic<Bool>(false)
  private(set) var verdict: Verdict?
  private(set) var message: String?
  /// Written by the boot CPU before any other may start.
  private(set) var entry: (any ProcessorEntry)?
  private(set) var activated: PhysicalAddress?
  private(set) var filled: [UInt32] = []

  init(cpus: Int, bytes: Int, silent: Set<Int>) {
    answering = Set(1..<max(1, cpus)).subtracting(silent)
    physical = FakeMemory(count: bytes)
    ownerTable = OwnerTable.hosted(count: cpus)
    mailbox = FakeMailbox(words: (0..<cpus).map { _ in SharedWord() })
    seats = (0..<cpus).map { HostedSeat(UInt16($0)) }
  }

  var bootMemory: FakeMemory { physical }
  func memory(limit: PhysicalAddress) -> FakeMemory { physical }
  // 64 KiB at 1 MiB, of which boot gives the first page back.
  var image: ImageLayout? {
    func segment(_ page: UInt64, _ pages: UInt64, _ permissions: PagePermissions) -> ImageSegment {
      ImageSegment(
        start: VirtualAddress(KernelLayout.image &+ mebibyte &+ page &* Frame.bytes),
        bytes: pages &* Frame.bytes,
        permissions: permissions)
    }
    guard
      let physical = MemoryRegion(
        start: PhysicalAddress(mebibyte), bytes: 16 &* Frame.bytes, kind: .reserved),
      let first = MemoryRegion(start: PhysicalAddress(mebibyte), bytes: Frame.bytes, kind: .reserved)
    else { return nil }
    return ImageLayout(
      segments: [
        segment(1, 4, .execute), segment(5, 2, []), segment(7, 1, .write), segment(8, 4, .write),
        segment(13, 3, .write),
      ],
      sealedIndex: 2, physical: physical, discardable: first)
  }
  var features: CPUFeatures { [.x2apic, .noExecute, .smep, .smap, .umip] }
  var apicID: APICID { APICID(rawValue: 7) }
  var bootBlock: VirtualAddress { VirtualAddress(KernelLayout.image &+ mebibyte &+ 8 &* Frame.bytes) }
  var entryCycles: UInt64 { 0 }
  var cycles: UInt64 { 1234 }
  var startPages: StartPages? { nil }

  func fillInterruptTable() {}
  func useEventStacks() {}
  func fillProcessor(_ cpu: CPUIndex, apicID: APICID, root: PhysicalAddress) {
    filled.append(apicID.rawValue)
  }
  func loadTables() {}
  func activate(_ root: PhysicalAddress) { activated = root }
  func installTrampoline(
    code: Frame, mailbox: Frame, root: PhysicalAddress, list: ProcessorList, memory: FakeMemory
  ) -> FakeMailbox { self.mailbox }
  func installRecords(_ page: Frame, list: ProcessorList, memory: FakeMemory) -> FakeMailbox { mailbox }
  func startRegisters(of cpu: CPUIndex, root: PhysicalAddress) -> StartRegisters? { nil }
  func install(heap: any HeapSource) {}
  func install(blocks: any BlockSource) {}
  func setTickRate(perMicrosecond: UInt64) {}
  func controllerIsOn(throughMSR: Bool) {}
  func install(entry: any ProcessorEntry) { self.entry = entry }
  func flush() {}
  func halt(_ prepare: () -> Void) { prepare() }
  func enableInterrupts() {}
  func keepsRegisters(over interrupts: UInt64, _ arm: () -> Bool) -> Bool { arm() }
  func load(_ address: VirtualAddress) -> UInt64 { 0 }
  func markIdle() {}
  func dieOnPurpose(_ way: DeathWay) {}

  func makeSeat() -> CPUSeat? { seats[Int(ThisCPU.index)].cpu.seat }

  func panic(_ message: String) -> Never {
    self.message = message
    end(.panic)
  }

  func end(_ verdict: Verdict) -> Never {
    self.verdict = verdict
    hasEnded.store(true, ordering: .releasing)
    leaveHostedThread()
  }

  /// The life of CPU `number`, in its own thread: boot, or waiting for the call as the trampoline does.
  func live(_ number: Int, boot: () -> Void) {
    seats[number].cpu.enter()
    guard number > 0 else { return boot() }
    let cpu = CPUIndex(UInt32(number))
    while !isCalled(number) || !answering.contains(number) {
      if hasEnded.load(ordering: .acquiring) { return }
      ThreadHint.relax()
    }
    guard mailbox.exchange(cpu, expected: .go, with: .started) == .go else { return }
    entry?.prepare(cpu)
    guard mailbox.exchange(cpu, expected: .started, with: .online) == .started else { return }
    entry?.run(cpu)
  }

  private func isCalled(_ number: Int) -> Bool { calls.load(ordering: .acquiring) >> UInt64(number) & 1 == 1 }

  /// Whether a CPU that answers has been called and is not in yet: time stands still then.
  var isComing: Bool {
    answering.contains { isCalled($0) && mailbox.state(of: CPUIndex(UInt32($0))) != .online }
  }
}

/// A CPU's block and seat, numbered.
final class HostedSeat: @unchecked Sendable {
  let cpu: HostedCPU
  init(_ index: UInt16) { cpu = HostedCPU(index: index) }
}

/// A waiting loop gives its host's CPU away.
enum ThreadHint: SpinHint {
  static func relax() { yieldHostedThread() }
}

/// The halt of a fake machine: a look at whether it has ended.
struct FakeHalter: Halter, Sendable {
  let machine: FakeMachine
  func holdWakes() {}
  func releaseWakes() {}
  func halt(until deadline: UInt64?) {
    if machine.hasEnded.load(ordering: .acquiring) { leaveHostedThread() }
    ThreadHint.relax()
  }
  func flush() {}
}

/// A platform that lists its CPUs itself.
final class FakePlatform: KernelPlatform, @unchecked Sendable {
  static var name: String { "fake" }
  let console = FakeConsole()
  let called: FakeCaller
  private let machine: FakeMachine
  var information = BootInformation()
  /// Frames of memory that the platform makes usable.
  private(set) var claimed = 0

  init(machine: FakeMachine) {
    self.machine = machine
    called = FakeCaller(machine: machine)
  }

  func bootInformation(_ memory: some PhysicalMemory) throws(BootInformationError) -> BootInformation {
    information
  }
  func claimMemory(_ map: MemoryMap, _ memory: some PhysicalMemory) throws(BootInformationError) {
    claimed += 1
  }
  var controllerPage: PhysicalAddress? { nil }
  func enableController(_ cpu: CPUIndex) {}
  func calibrate() -> FakeTime { FakeTime(machine: machine) }
  func caller(trampoline: Frame, list: ProcessorList) -> FakeCaller { called }
  func canCall(_ id: APICID) -> Bool { true }
  func alarm(_ clock: FakeTime, at deadline: Instant) -> Bool { false }
}

/// A clock of a megahertz that goes on by one whenever it is read, but not while a CPU is on its way.
final class FakeTime: Clock, Sendable {
  private let machine: FakeMachine
  static var kind: ClockKind { .polled }
  private let ticks = Atomic<UInt64>(0)
  var frequency: UInt64 { 1_000_000 }
  init(machine: FakeMachine) { self.machine = machine }
  func now() -> Instant {
    Instant(ticks: ticks.add(machine.isComing ? 0 : 1, ordering: .relaxed).newValue)
  }
}

/// Who was called.
final class FakeCaller: StartCaller, Waker, @unchecked Sendable {
  private(set) var inits: [UInt32] = []
  private(set) var withdrawn: [UInt32] = []
  private let machine: FakeMachine
  init(machine: FakeMachine) { self.machine = machine }
  func sendInit(_ cpu: CPUIndex) { inits.append(cpu.rawValue) }
  func sendStartUp(_ cpu: CPUIndex) {
    machine.calls.bitwiseOr(1 << UInt64(cpu.rawValue), ordering: .releasing)
  }
  func withdraw(_ cpu: CPUIndex) { withdrawn.append(cpu.rawValue) }
  func kick(_ cpu: CPUIndex) {}
}

/// What the kernel said; only the boot CPU speaks.
final class FakeConsole: Console, @unchecked Sendable {
  private var bytes: [UInt8] = []
  func write(_ byte: UInt8) { bytes.append(byte) }
  var lines: [Substring] { String(decoding: bytes, as: UTF8.self).split(separator: "\n") }
}
