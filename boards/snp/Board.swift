// Board: the SNP board: the kernel at VMPL0 of an SEV-SNP guest.

import Kernel
import Machine
import SNPPlatform
import Seams
import Tasks
import X86

#if APUS_BENCH
  import KernelLatency
#endif

@main struct SNPBoard {
  static func main() {
    let hardware = SNPCPU()
    let platform: SNPPlatform<SNPCPU, DirectMemory, MachineCycles>
    do throws(TerminationReason) {
      platform = try SNPPlatform(
        hardware: hardware, memory: DirectMemory.boot, cycles: MachineCycles(),
        launchPage: KernelImage.startInfo)
    } catch {
      hardware.terminate(error)
    }
    SNPCPU.setOwnRange(platform.plan.range)
    MachineCPUID.install(platform.cpuid)
    Death.install(SNPPanicPlatform(platform.ghcb, platform.console))
    let traps = SNPTraps(
      platform.ghcb, cpuid: platform.cpuid, doorbell: platform.doorbell, isDying: { Death.isElsewhere })
    Traps.install(traps, vector: 14)
    Traps.install(traps, vector: 28)
    Traps.install(traps, vector: 29)
    // The first RDTSC a host may intercept: now there is somebody to answer.
    let machine = ApusMachine()
    machine.fillInterruptTable()
    machine.fillProcessor(.boot, apicID: machine.apicID, root: PhysicalAddress(0))
    machine.loadTables()
    KernelImage.noteEntry()
    #if APUS_BENCH
      let doorbell = platform.doorbell
      let bench = KernelLatency(
        machine.ownerTable, put: { platform.console.write($0) }, end: { machine.end($0 ? .pass : .fail) })
      Kernel(machine: machine, platform: platform).boot { kernel, cpu throws(SpawnError) in
        // VMPL0 arms no timer.
        try bench.start(
          kernel, cpu, SNPHalter(doorbell, flush: { ApusMachine().flush() }), canSleep: false)
      }
    #else
      let tasks = BoardTasks(platform)
      Kernel(machine: machine, platform: platform).boot(
        prepare: { tasks.prepare($0) },
        { _, cpu throws(SpawnError) in try tasks.start(cpu) })
    #endif
  }
}
