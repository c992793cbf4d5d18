// Bench: what the latency suite gets of this board alone: the timer's interrupt (`boards/build native --bench`).
#if APUS_BENCH
  import Kernel
  import KernelLatency
  import Machine
  import Seams
  import TaskLatency
  import Tasks

  extension KernelLatency {
    /// Starts the tasks of CPU `cpu`, on it.
    func start<Bare: BareMachine & TaskHost, Platform: KernelPlatform>(
      _ kernel: Kernel<Bare, Platform>, _ cpu: CPUIndex
    ) throws(SpawnError) where Platform.Time: SleepClock & Sendable {
      guard let clock = kernel.clock else { return }
      try start(kernel, cpu, MachineHalter(clock), canSleep: true) { host in
        // The timer's interrupt posts the source that L4's task waits for.
        host.interrupt = {
          let before = Interrupts.lastStamp
          clock.arm(at: Instant(ticks: 0))
          while Interrupts.lastStamp == before {}
        }
        host.interruptStamp = { Interrupts.lastStamp }
      }
    }
  }
#endif
