// Boot: the order in which a machine becomes a kernel; read it from top to bottom.
import Seams
import TaskRuntime
import Tasks
import X86

extension Kernel {
  /// Boots, and then runs the boot CPU for ever; every CPU starts `tasks`, the board's list, on itself.
  public func boot(_ tasks: @escaping (Kernel, CPUIndex) throws(SpawnError) -> Void) -> Never {
    boot(prepare: { _ in }, tasks)
  }

  /// The same; `prepare` runs on the boot CPU before any other one, and makes what the tasks of several CPUs share.
  public func boot(
    prepare: (Kernel) -> Void, _ tasks: @escaping (Kernel, CPUIndex) throws(SpawnError) -> Void
  ) -> Never {
    taskList = tasks
    Executor.prepare(machine.ownerTable)
    do throws(BootFailure) {
      takeBootProcessor()
      greet()
      try readInformation()
      try findMemory()
      try buildAddressSpace()
      buildHeap()
      try mapInterruptStacks(.boot)
      if Platform.hasHostEvents { machine.useEventStacks() }
      startTime()
      prepareSoak()
      prepare(self)
      startProcessors()
      sealImage()
      report()
    } catch {
      machine.panic(Self.message(error))
    }
    checkOnRequest()
    run(.boot)
    machine.panic("the boot CPU ran out of work")
  }

  private func greet() {
    platform.console.write("Apus, board ")
    platform.console.line(Platform.name)
  }

  // From here on an exception is reported.
  private func takeBootProcessor() {
    machine.fillInterruptTable()
    machine.fillProcessor(.boot, apicID: machine.apicID, root: PhysicalAddress(0))
    machine.loadTables()
    online.insert(.boot)
  }

  // Everything a loader or firmware says is decoded here, before any of it is acted on.
  private func readInformation() throws(BootFailure) {
    do throws(BootInformationError) {
      let information = try platform.bootInformation(machine.bootMemory)
      options = BootOptions(information.commandLine)
      memoryMap = information.memory
      try platform.claimMemory(memoryMap, machine.bootMemory)
      if let listed = information.processors {
        processors = listed
      } else {
        readProcessors(information)
      }
    } catch {
      throw .information(error)
    }
  }

  private func readProcessors(_ information: BootInformation) {
    do throws(ACPIError) {
      let tables = ACPITables(memory: machine.bootMemory)
      let listed: ProcessorList
      if let table = information.processorTable {
        listed = try tables.processors(madt: table, boot: machine.apicID)
      } else if let pointer = information.rootPointer {
        listed = try tables.processors(rootPointer: pointer, boot: machine.apicID)
      } else {
        platform.console.line("no ACPI tables: one CPU")
        return
      }
      for number in 1..<max(1, UInt32(truncatingIfNeeded: listed.count)) {
        guard let id = listed[CPUIndex(number)] else { continue }
        let fits = processors.count < information.processorLimit
        if fits, platform.canCall(id) { processors.add(id) } else { processors.omit() }
      }
      for _ in 0..<listed.omitted { processors.omit() }
    } catch {
      platform.console.line("ACPI tables are damaged: one CPU")
    }
  }

  private func findMemory() throws(BootFailure) {
    guard let image = machine.image else { throw .image }
    do throws(MemoryError) {
      let plan = try MemoryPlan(map: memoryMap, image: image.physical, limit: machine.bootMemory.limit)
      let memory = self.memory(frameCount: plan.frameCount)
      var table = FrameTable(
        map: memoryMap, memory: memory, metadata: plan.metadata, frameCount: plan.frameCount)
      table.reserve(start: image.physical.start, bytes: image.physical.bytes, .image)
      if let pages = machine.startPages {
        table.reserve(start: pages.mailbox.start, bytes: Frame.bytes, .trampoline)
      }
      // What a guest deposits is booked in a frame of our own.
      let records = guestEnd.rawValue > 0 ? try table.allocate(.frameTable) : nil
      frames = FrameAllocator(table, deposited: records.map { DepositedFrames(memory: memory, records: $0) })
    } catch {
      throw .memory(error)
    }
  }

  private func buildHeap() {
    guard let frames else { return }
    let stocks = makeStocks(frames)
    let heap = KernelHeap(
      memory: memory, frames: frames, stocks: stocks, frameLimit: heapLimit, reserve: Self.heapReserve,
      lowness: { ThisCPU.setMemoryLow($0) })
    self.heap = heap
    machine.install(heap: heap)
    let tasks = TaskMemory(
      memory: memory, frames: frames, stocks: stocks, frameLimit: frames.tags.frameCount / 2,
      reserve: Self.taskReserve)
    self.tasks = tasks
    machine.install(blocks: tasks)
    // The boot tables and the 32-bit entry are of no use on our own tables.
    guard let part = machine.image?.discardable else { return }
    frames.withTable { table in table.reserve(start: part.start, bytes: part.bytes, .free) }
  }

  // Every CPU's stock of frames; without memory for them the CPUs share the pools.
  private func makeStocks(_ frames: Frames) -> FrameStocks<Machine.Memory>? {
    let count = UInt32(truncatingIfNeeded: processors.count)
    let needed = FrameStocks<Machine.Memory>.frames(for: count)
    guard let first = try? frames.allocate(count: needed, .processor, rest: .processor) else { return nil }
    return FrameStocks(memory: memory, base: first.start, count: count)
  }

  private func startTime() {
    platform.enableController(.boot)
    machine.controllerIsOn(throughMSR: platform.controllerPage == nil)
    let clock = platform.calibrate()
    self.clock = clock
    machine.setTickRate(perMicrosecond: max(1, clock.frequency / 1_000_000))
    machine.enableInterrupts()
  }

  // Before the other CPUs start: all of them use it.
  private func prepareSoak() {
    sleepers = SleepCheck(ticksPerMillisecond: max(1, (clock?.frequency ?? 0) / 1000))
    guard let wakes = options.number("soak") else { return }
    soak = WakeSoak(cpus: processors.count, limit: wakes)
  }

  private func report() {
    let console = platform.console
    console.write(decimal: UInt64(online.count))
    console.write(" of ")
    console.write(decimal: UInt64(processors.count + processors.omitted))
    console.write(" CPUs, ")
    if let frames { console.write(decimal: frames.withTable { $0.freeCount } / 256) }
    console.write(" MiB free, clock ")
    if let clock { console.write(decimal: clock.frequency / 1_000_000) }
    console.line(" MHz")
    platform.describe()
    if options.has("map") { printMemory() }
  }

  private static func message(_ failure: BootFailure) -> String {
    switch failure {
    case .information(.notRecognised): "the boot record is not one of this platform"
    case .information(.noMemoryMap): "the boot record has no memory map"
    case .information(.tooManyProcessors): "the host names more CPUs than there are"
    case .information(.memoryRefused): "memory that was promised can't be had"
    case .image: "the image's layout makes no sense"
    case .memory(.exhausted): "too little memory to boot"
    case .memory: "memory can't be set up"
    case .mapping(.exhausted): "too little memory for page tables"
    case .mapping: "the kernel's address space can't be built"
    }
  }
}
