// SNPStart: from the boot record to a running SNP guest.
import IGVM
import Model
import Monitor
import MonitorMachine
import SNP
import Seams
import X86

extension MonitorBoard {
  /// Loads the file as an SNP host does, and runs it; what is wrong with the input is one line.
  static func startSNP(
    _ machine: PhysicalMachine, _ record: BootRecord, _ options: RunOptions, _ split: MonitorStart.Split
  ) throws(Refusal) -> Never {
    let guest = try loadSNP(machine, record, options, split)
    MonitorStart.install(Processors(guest, machine))
    RunLoop.run(0, guest, machine)
  }

  private static func loadSNP(
    _ machine: PhysicalMachine, _ record: BootRecord, _ options: RunOptions, _ split: MonitorStart.Split
  ) throws(Refusal) -> SNPGuest<PhysicalMachine> {
    var description = GuestMachine(
      apicIDs: options.apicIDs.isEmpty ? (0..<UInt32(record.processorCount)).map { $0 } : options.apicIDs,
      byteCount: UInt64(split.guestPageCount) << 12, isMemoryShared: options.isMemoryShared)
    guard description.apicIDs.count == record.processorCount else {
      throw Refusal(
        "apic-ids", "must be as many as there are CPUs, not", hex: UInt64(description.apicIDs.count))
    }
    description.lies = HostileScript.lies(options.hostile, seed: options.seed)
    guard options.markBit < 48 || machine.nestedLevels == 5 else {
      throw Refusal("cbit", "needs a CPU with LA57:", hex: UInt64(options.markBit))
    }
    guard let ports = contiguous(machine, 3), let registers = contiguous(machine, 2),
      let pool = contiguous(machine, GuestBacking.highCapacity)
    else { throw Refusal("memory", "is too little for the monitor") }
    var hardware = machine
    PermissionMaps.fill(ioMap: ports, msrMap: registers, &hardware)
    let backing = GuestBacking(ram: split.guestBase, pageCount: UInt64(split.guestPageCount), pool: pool)
    var policy = CPUIDPolicy(
      personality: .snp, markBit: options.markBit, apicIDs: description.apicIDs, hasX2APIC: !options.isXAPIC)
    policy.ticksPerSecond = machine.ticksPerSecond
    let shown = policy
    var configuration = SNPConfiguration(apicIDs: description.apicIDs)
    configuration.cBit = options.markBit
    var guestOptions = SNPOptions(cpuid: shown)
    guestOptions.cBit = options.markBit
    guestOptions.isStrict = options.isStrict
    guestOptions.endsOnBreach = !options.countsBreaches
    guestOptions.freezesTime = record.processorCount == 1
    guestOptions.hostile = options.hostile
    guestOptions.seed = options.seed
    guestOptions.hostileSeconds = options.hostileSeconds
    return try MonitorStart.withFile(record) { file throws(Refusal) in
      let plan = try ImagePlan(file, .snp, description, backing)
      guard let windows = plan.backing.windows else { throw Refusal("image", "has pages in too many places") }
      var model = SNPMachine(
        configuration, systemPageCount: split.guestPageCount + Int(split.guestBase.rawValue),
        windows: windows, firmware: SNPFirmware(seed: options.seed))
      try SNPLauncher.launch(file, plan, description, into: &model, &hardware) { leaf, subleaf in
        shown.answer(leaf, subleaf, vcpu: 0) { leaf, subleaf in
          let words = machine.cpuid(leaf, subleaf)
          return CPUIDResult(eax: words.eax, ebx: words.ebx, ecx: words.ecx, edx: words.edx)
        }
      }
      return SNPGuest(machine, model, guestOptions, plan.backing, ioMap: ports, msrMap: registers)
    }
  }

  /// Pages in one run; nil without memory.
  ///
  /// The pool grows downwards, so the last one comes first.
  private static func contiguous(_ machine: PhysicalMachine, _ count: Int) -> SystemPage? {
    var last: SystemPage?
    for _ in 0..<count {
      guard let page = machine.allocatePage() else { return nil }
      if let last, page.rawValue &+ 1 != last.rawValue { return nil }
      last = page
    }
    return last
  }
}
