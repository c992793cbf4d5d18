// Board: the tpm board: the native board's kernel on one CPU, with a task that measures the TPM as its only one.
import Kernel
import Machine
import NativeComposition
import NativePlatform
import Seams
import TPMSlices
import Tasks

@main struct TPMBoard {
  static func main() {
    let machine = ApusMachine()
    let platform = NativeDrivers(features: machine.features)
    Kernel(machine: machine, platform: platform).boot { kernel, cpu throws(SpawnError) in
      guard cpu == .boot else { return }
      let host = SliceHost(
        now: { machine.cycles }, put: { platform.console.write($0) },
        heapBytes: { (kernel.heap?.usage.frames ?? 0) &* 4096 }, end: { machine.end($0 ? .pass : .fail) })
      let isFull = kernel.options.has("full")
      try spawn("tpm") { SliceBench(host).run(isFull: isFull) }
    }
  }
}
