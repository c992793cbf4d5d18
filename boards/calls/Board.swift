// Board: the calls board: the native board's kernel on one CPU, whose request loop serves a guest that is a script.
import CallBench
import Kernel
import Machine
import NativeComposition
import NativePlatform
import Seams
import Tasks

@main struct CallsBoard {
  static func main() {
    let machine = ApusMachine()
    let platform = NativeDrivers(features: machine.features)
    Kernel(machine: machine, platform: platform).boot { _, cpu throws(SpawnError) in
      guard cpu == .boot else { return }
      let bench = CallBench(
        now: { machine.cycles }, put: { platform.console.write($0) }, end: { machine.end(.pass) })
      try spawn("guest", level: 7) { await bench.run() }
    }
  }
}
