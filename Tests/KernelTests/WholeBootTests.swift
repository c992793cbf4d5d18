// WholeBootTests: the kernel's whole boot, from the first line to idle, on a machine of threads.
import Idle
import Kernel
import Seams
import Tasks
import Testing
import X86

@Suite(.serialized) struct WholeBootTests {
  private struct Run {
    let machine: FakeMachine
    let platform: FakePlatform
    let kernel: Kernel<FakeMachine, FakePlatform>
    var lines: [Substring] { platform.console.lines }
  }

  /// Boots to idle; the CPUs of `silent` never answer.
  private func boot(
    ids: [UInt32], silent: Set<Int> = [], bytes: Int = 8 << 20, command: String = "until=idle"
  ) -> Run {
    let machine = FakeMachine(cpus: ids.count, bytes: bytes, silent: silent)
    let platform = FakePlatform(machine: machine)
    platform.information.memory = map((0, UInt64(bytes), .usable))
    for byte in command.utf8 { platform.information.commandLine.append(byte) }
    var list = ProcessorList(boot: machine.apicID)
    for id in ids.dropFirst() { list.add(APICID(rawValue: id)) }
    platform.information.processors = list
    let kernel = Kernel(machine: machine, platform: platform)
    onLeavableHostedThreads(ids.count) { number in
      machine.live(
        number,
        boot: {
          kernel.boot { _, _ throws(SpawnError) in
            let idle = IdleService(FakeHalter(machine: machine))
            try spawn("idle", level: 7) { await idle.run() }
          }
        })
    }
    return Run(machine: machine, platform: platform, kernel: kernel)
  }

  // Ids with gaps and beyond 255, which QEMU 7.2 can't have (issue 2, "CPU bring-up in parallel").
  @Test func fourCPUsWithGapsInTheirIdsBootToIdle() {
    let run = boot(ids: [7, 9, 300, 0xFFFF_0001])
    #expect(run.machine.verdict == .pass)
    #expect(run.kernel.online.count == 4)
    #expect(run.platform.called.inits == [1, 2, 3])
    #expect(run.machine.filled == [7, 9, 300, 0xFFFF_0001])
    #expect(run.platform.claimed == 1)
    #expect(run.machine.activated != nil)
    #expect(run.lines.first == "Apus, board fake")
    #expect(run.lines.contains { $0.hasPrefix("4 of 4 CPUs") })
    #expect(run.lines.last?.hasPrefix("apus-idle board=fake cpus=4 tasks=4 cycles=1234 image=61440") == true)
  }

  @Test func oneCPUBootsToIdle() {
    let run = boot(ids: [7])
    #expect(run.machine.verdict == .pass)
    #expect(run.lines.last?.hasPrefix("apus-idle board=fake cpus=1 tasks=1") == true)
  }

  @Test func aSilentCPUIsNamedAndLeftOutAndTheOthersGoOn() {
    let run = boot(ids: [7, 9, 300], silent: [2], command: "until=idle cpu-limit-ms=5")
    #expect(run.machine.verdict == .pass)
    #expect(run.kernel.online.count == 2)
    #expect(run.platform.called.withdrawn == [2])
    #expect(run.machine.mailbox.state(of: CPUIndex(2)) == .revoked)
    #expect(run.lines.contains("cpu 2 (APIC 300) did not answer: left out"))
    #expect(run.lines.contains { $0.hasPrefix("2 of 3 CPUs") })
  }

  @Test func tooLittleMemoryIsALegibleEnd() {
    let run = boot(ids: [7], bytes: 1 << 20)
    #expect(run.machine.verdict == .panic)
    #expect(run.machine.message == "too little memory to boot")
  }
}
