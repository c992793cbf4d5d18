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
    do throws(Refusal) {
      try start(machine, record)
    } catch {
      for byte in error.line.bytes { machine.write(byte) }
      machine.endLine()
      machine.end(.refused)
    }
  }

  private static func start(_ machine: PhysicalMachine, _ record: BootRecord) throws(Refusal) -> Never {
    let options = try RunOptions(record.words.span)
    guard let split = MonitorStart.split(record, guestBytes: options.memory.map { $0 << 20 }) else {
      throw Refusal("memory", "is too little in this machine")
    }
    guard !record.module.isEmpty else { throw Refusal("image", "was not given: no IGVM file") }
    guard MonitorStart.startProcessors(machine, record) else {
      throw Refusal("machine", "has a processor that does not start")
    }
    switch options.personality {
    case .snp: try startSNP(machine, record, options, split)
    case .tdx: try startTDX(machine, record, options, split)
    }
  }

  private static func startTDX(
    _ machine: PhysicalMachine, _ record: BootRecord, _ words: RunOptions, _ split: MonitorStart.Split
  ) throws(Refusal) -> Never {
    guard machine.nestedLevels == 4 else {
      throw Refusal("machine", "has LA57, which a TD's shared bit 47 has no use for")
    }
    guard words.markBit == 47 else {
      throw Refusal("cbit", "must be 47 for a TD, not", hex: UInt64(words.markBit))
    }
    guard words.apicIDs.isEmpty || words.apicIDs.count == record.processorCount else {
      throw Refusal("apic-ids", "must be as many as there are CPUs, not", hex: UInt64(words.apicIDs.count))
    }
    var options = TDXOptions()
    options.vcpuCount = record.processorCount
    options.l2Count = words.l2Count
    options.apicIDs = words.apicIDs
    options.endsOnBreach = !words.countsBreaches
    options.freezesTime = record.processorCount == 1
    options.ticksPerSecond = machine.ticksPerSecond
    options.hostile = words.hostile
    options.seed = words.seed
    options.hostileSeconds = words.hostileSeconds
    options.schedule = words.schedule
    options.measuresFloor = words.measuresFloor
    // Five contiguous pages: the pool grows downwards.
    var pages: [SystemPage] = []
    for _ in 0..<5 {
      if let page = machine.allocatePage() { pages.append(page) }
    }
    let layout = GuestMemory(base: split.guestBase, pageCount: split.guestPageCount)
    guard pages.count == 5 else { throw Refusal("memory", "is too little in this machine") }
    var hardware = machine
    PermissionMaps.fill(ioMap: pages[2], msrMap: pages[4], &hardware)
    // The msr map takes pages 4 and 3, the port map 2 to 0: later pages have lower addresses.
    guard
      let guest = TDXMachine(
        machine, options, layout,
        systemPageCount: split.guestPageCount + Int(split.guestBase.rawValue), ioMap: pages[2],
        msrMap: pages[4])
    else { throw Refusal("memory", "is too little in this machine") }
    do throws(LoadError) {
      try MonitorStart.withFile(record) { file throws(LoadError) in
        try guest.load(file) { measure in MonitorStart.withFile(record) { measure($0) } }
      }
    } catch {
      refuse(machine, error)
    }
    if words.isVerbose { announce(machine, split) }
    MonitorStart.install(Processors(guest, machine))
    RunLoop.run(0, guest, machine)
  }

  private static func announce(_ machine: PhysicalMachine, _ split: MonitorStart.Split) {
    machine.sayFiguresAtEnd()
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
