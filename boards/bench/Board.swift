// Board: the bench board: the native board's kernel on one CPU, with the measuring task as its only one.
import Kernel
import Machine
import NativeComposition
import NativePlatform
import RuntimeBench
import Seams
import Tasks

@main struct BenchBoard {
  static func main() {
    let machine = ApusMachine()
    let platform = NativeDrivers(features: machine.features)
    Kernel(machine: machine, platform: platform).boot { kernel, cpu throws(SpawnError) in
      guard cpu == .boot else { return }
      let host = BenchHost(
        now: { machine.cycles }, put: { platform.console.write($0) }, mark: { machine.markIdle() },
        taskBytes: { (kernel.tasks?.usage.frames ?? 0) &* 4096 },
        heapMisses: { MachineHeap.misses }, end: { machine.end(.pass) })
      let suite = Suite(host)
      try spawn("bench") { await suite.run() }
    }
  }
}
