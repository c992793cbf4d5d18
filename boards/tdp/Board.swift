// Board: the TDP board: the L1 of a TD under TD partitioning.
import Idle
import Kernel
import Machine
import Seams
import TDPPlatform
import TaskRuntime
import Tasks

@main struct TDPBoard {
  static func main() {
    let hardware = TDXMachine()
    let platform = TDPPlatform(hardware, launchPage: KernelImage.startInfo)
    let machine = ApusMachine(start: ResetPageStart(mailbox: platform.mailbox(DirectMemory.boot)))
    Death.install(TDPPanicPlatform(hardware, console: platform.console))
    let handler = platform.virtualizationHandler()
    Traps.install(handler, vector: type(of: handler).vector)
    Kernel(machine: machine, platform: platform).boot { _, cpu throws(SpawnError) in
      let idle = IdleService(
        TDPHalter(
          hardware, platform.census, cpu: cpu, isAlone: { Executor.livesAlone }, flush: { machine.flush() }))
      try spawn("idle", level: 7) { await idle.run() }
    }
  }
}
