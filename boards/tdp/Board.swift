// Board: the TDP board: the L1 of a TD under TD partitioning, and the guest that its image may carry.
import Idle
import Kernel
import Machine
import RequestLoop
import Seams
import TDPPlatform
import TaskRuntime
import Tasks

#if APUS_BENCH
  import KernelLatency
#endif

@main struct TDPBoard {
  static func main() {
    let hardware = TDXMachine()
    var platform = TDPPlatform(hardware, launchPage: KernelImage.startInfo)
    platform.findGuest(DirectMemory.boot)
    let machine = ApusMachine(start: ResetPageStart(mailbox: platform.mailbox(DirectMemory.boot)))
    Death.install(TDPPanicPlatform(hardware, console: platform.console))
    let handler = platform.virtualizationHandler()
    Traps.install(handler, vector: type(of: handler).vector)
    let census = platform.census
    #if APUS_BENCH
      let bench = KernelLatency(
        machine.ownerTable, put: { platform.console.write($0) }, end: { machine.end($0 ? .pass : .fail) })
    #else
      let seat = GuestSeat()
    #endif
    Kernel(machine: machine, platform: platform).boot { kernel, cpu throws(SpawnError) in
      let halter = TDPHalter(
        hardware, census, cpu: cpu, isAlone: { Executor.livesAlone }, flush: { machine.flush() })
      #if APUS_BENCH
        // An L1 has no timer.
        try bench.start(kernel, cpu, halter, canSleep: false)
      #else
        if let made = seat.take(kernel, cpu) {
          let loop = RequestLoop(
            cpu: Int(cpu.rawValue), platform: made.driver, exchange: made.exchange, guest: made.guest,
            table: made.table)
          try spawn("guest", level: 7) { await loop.run() }
        } else {
          let idle = IdleService(halter)
          try spawn("idle", level: 7) { await idle.run() }
        }
      #endif
    }
  }
}
