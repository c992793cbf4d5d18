// BootRun: what a CPU does once it is in: for now it idles.
import Seams
import X86

extension Kernel {
  /// The CPU's life; does not return.
  public func run(_ cpu: CPUIndex) {
    machine.enableInterrupts()
    if cpu == CPUIndex(1), options.has("test", "stale") { staleEntry.victim(machine) }
    while true {
      machine.flushPoint()
      if cpu == .boot, options.has("until", "idle"), allOthersIdle { finish() }
      machine.idle(unless: { cpu == .boot && options.has("until", "idle") && !allOthersIdle })
    }
  }

  private var allOthersIdle: Bool {
    for number in 1..<max(1, UInt32(truncatingIfNeeded: processors.count)) {
      let cpu = CPUIndex(number)
      if online.contains(cpu), !machine.isQuiescent(cpu) {
        Machine.Hint.relax()
        return false
      }
    }
    return true
  }

  // The line that `boards/run` makes its JSON object of.
  private func finish() -> Never {
    machine.markIdle()
    let cycles = machine.cycles &- machine.entryCycles
    let console = platform.console
    console.write("apus-idle board=")
    console.write(Platform.name)
    field(" cpus=", UInt64(online.count))
    field(" tasks=", 0)
    field(" cycles=", cycles)
    field(" image=", (machine.image?.physical.bytes ?? 0) &- (machine.image?.discardable.bytes ?? 0))
    field(" memory=", usedBytes)
    console.endLine()
    machine.end(.pass)
  }

  private func field(_ name: String, _ value: UInt64) {
    platform.console.write(name)
    platform.console.write(decimal: value)
  }
}
