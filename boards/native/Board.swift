// Board: the native board: plain x86-64 under QEMU.
import Idle
import Kernel
import Machine
import NativeComposition
import NativePlatform
import Seams
import Tasks
import Timer

#if APUS_BENCH
  import KernelLatency
#endif

@main struct NativeBoard {
  static func main() {
    let machine = ApusMachine()
    let platform = NativeDrivers(features: machine.features)
    #if APUS_BENCH
      let bench = KernelLatency(
        machine.ownerTable, put: { platform.console.write($0) }, end: { machine.end($0 ? .pass : .fail) })
      Kernel(machine: machine, platform: platform).boot { kernel, cpu throws(SpawnError) in
        try bench.start(kernel, cpu)
      }
    #else
      Kernel(machine: machine, platform: platform).boot { kernel, _ throws(SpawnError) in
        guard let clock = kernel.clock else { return }
        let idle = IdleService(MachineHalter(clock))
        try spawn("idle", level: 7) { await idle.run() }
        // The check of interrupts wants the timer's for itself.
        if kernel.options.has("test", "interrupt") { return }
        let timer = TimerService(clock)
        let count = TimerCount()
        try spawn("timer", level: 1) { await timer.run(count) }
      }
    #endif
  }
}
