// LeanKernel: on request a kernel without memory of its own left, that lives on what its guest deposits.
import Seams
import TaskRuntime
import Tasks

extension Kernel {
  /// With `lean` on the command line: once all other CPUs rest, every frame and every block of the heap's pool is taken,
  /// and the heap's reserve is drawn on.
  func startLean(_ cpu: CPUIndex) throws(SpawnError) {
    guard cpu == .boot, options.has("lean") else { return }
    let end = Watch(until: { self.allOthersIdle }, then: { self.takeMemory() })
    try spawn("memory end", level: 7) { await end.run() }
  }

  private func takeMemory() {
    guard let frames, let heap else { return }
    while (try? frames.allocate(.reserve)) != nil {}
    var bytes: UInt64 = 64
    while bytes <= 2048 {
      while heap.allocateChain(blockBytes: bytes, count: 8, on: .boot) != nil {}
      bytes &*= 2
    }
    let isDrawn = heap.allocate(bytes: 1024, alignment: 16, on: .boot) != nil && heap.isLow
    platform.console.write(isDrawn ? "lean: no memory left, " : "lean: memory is not used up, ")
    platform.console.write(decimal: heap.shortfall)
    platform.console.line(" pages needed")
  }
}
