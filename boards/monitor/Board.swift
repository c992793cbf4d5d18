// Board: the monitor: a machine that speaks TDX and SNP, on plain QEMU.
import Model
import Monitor
import MonitorMachine
import Seams

@main struct MonitorBoard {
  static func main() {
    MonitorStart.useEarlyHeap()
    let machine = PhysicalMachine()
    let record = BootRecord()
    let words = BootWords(record.words)
    guard let split = MonitorStart.split(record, guestBytes: words.number("memory").map { $0 << 20 })
    else { refuse(machine, "the machine has too little memory") }
    guard !record.module.isEmpty else { refuse(machine, "no IGVM file was given") }
    guard MonitorStart.startProcessors(machine, record) else {
      refuse(machine, "a processor did not start")
    }
    if words.has("snp") { startSNP(machine, record, split) }
    guard words.has("tdx") else { refuse(machine, "the command line names no known platform") }
    startTDX(machine, record, words, split)
  }

  private static func startTDX(
    _ machine: PhysicalMachine, _ record: BootRecord, _ words: BootWords, _ split: MonitorStart.Split
  ) -> Never {
    var options = TDXOptions()
    options.vcpuCount = record.processorCount
    options.l2Count = Int(min(words.number("l2") ?? 1, 3))
    options.endsOnBreach = !words.has("count-breaches")
    options.freezesTime = record.processorCount == 1
    options.ticksPerSecond = machine.ticksPerSecond
    options.schedule.absent = Int(min(words.number("absent") ?? 0, 1023))
    options.schedule.late = Int(min(words.number("late") ?? 0, 1023))
    options.schedule.seed = words.number("start-seed") ?? 0
    options.schedule.dropsInterrupts = words.has("drop-interrupts")
    // Five contiguous pages: the pool grows downwards.
    var pages: [SystemPage] = []
    for _ in 0..<5 {
      if let page = machine.allocatePage() { pages.append(page) }
    }
    let layout = GuestMemory(base: split.guestBase, pageCount: split.guestPageCount)
    guard pages.count == 5 else { refuse(machine, "the machine has too little memory") }
    var hardware = machine
    PermissionMaps.fill(ioMap: pages[2], msrMap: pages[4], &hardware)
    // The msr map takes pages 4 and 3, the port map 2 to 0: later pages have lower addresses.
    guard
      let guest = TDXMachine(
        machine, options, layout,
        systemPageCount: split.guestPageCount + Int(split.guestBase.rawValue), ioMap: pages[2],
        msrMap: pages[4])
    else { refuse(machine, "the machine has too little memory") }
    do throws(LoadError) {
      try MonitorStart.withFile(record) { file throws(LoadError) in try guest.load(file) }
    } catch {
      refuse(machine, error)
    }
    if words.has("verbose") { announce(machine, split) }
    MonitorStart.install(Processors(guest, machine))
    RunLoop.run(0, guest, machine)
  }

  private static func announce(_ machine: PhysicalMachine, _ split: MonitorStart.Split) {
    machine.write("monitor: guest pages ")
    machine.write(decimal: UInt64(split.guestPageCount))
    machine.write(", own bytes ")
    machine.write(decimal: machine.usedBytes)
    machine.write(" of ")
    machine.write(decimal: split.monitorBytes)
    machine.write(", microseconds to the guest ")
    machine.write(
      decimal: (machine.timeStamp() &- MonitorStart.firstCycles) / (machine.ticksPerSecond / 1_000_000))
    machine.endLine()
  }

  private static func refuse(_ machine: PhysicalMachine, _ reason: String) -> Never {
    machine.write("monitor: ")
    machine.line(reason)
    machine.end(.refused)
  }

  private static func refuse(_ machine: PhysicalMachine, _ error: LoadError) -> Never {
    error.write(machine)
    machine.end(.refused)
  }
}

/// The other CPUs, once there is a guest.
final class Processors<Guest: Personality>: OtherProcessors {
  private let guest: Guest
  private let machine: PhysicalMachine

  init(_ guest: Guest, _ machine: PhysicalMachine) {
    self.guest = guest
    self.machine = machine
  }

  func run(_ cpu: Int) -> Never { RunLoop.run(cpu, guest, machine) }
}
