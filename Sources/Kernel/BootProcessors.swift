// BootProcessors: brings the other CPUs up, all at once, and leaves out whoever does not answer.
import Seams
import X86

extension Kernel {
  /// How long a CPU may take, unless the command line says otherwise: 10 s.
  static var startLimitMicroseconds: UInt64 { 10_000_000 }

  /// Starts CPUs 1 and up; failures are reported and boot goes on without them.
  func startProcessors() {
    guard processors.count > 1, let frames, let space, let clock else { return }
    let ready = prepareProcessors(space)
    machine.install(entry: self)
    let start: (place: StartPlace, mailbox: Machine.Mailbox)?
    switch Platform.startMode {
    case .page: start = pageStart(frames, space)
    case .registers: start = registerStart(frames, space)
    }
    guard let start else { return }
    mailbox = start.mailbox
    let caller = platform.caller(start.place, list: processors, memory: memory)
    self.caller = caller
    call(ready, start.mailbox, caller, clock)
  }

  private func pageStart(
    _ frames: Frames, _ space: AddressSpace<Machine.Memory>
  ) -> (StartPlace, Machine.Mailbox)? {
    guard let pages = machine.startPages ?? lowPages(frames),
      let root = trampolineSpace(pages.code, pages.mailbox)
    else {
      platform.console.line("no memory to start other CPUs in: one CPU")
      return nil
    }
    let code = pages.code
    let mailbox = machine.installTrampoline(
      code: code, mailbox: pages.mailbox, root: root, list: processors, memory: memory)
    // From here on the code page never changes: a CPU that comes too late halts in it.
    _ = try? space.protect(KernelLayout.direct(code.start), bytes: Frame.bytes, [])
    return (StartPlace(page: code), mailbox)
  }

  private func registerStart(
    _ frames: Frames, _ space: AddressSpace<Machine.Memory>
  ) -> (StartPlace, Machine.Mailbox)? {
    let count = UInt64(processors.count) &+ 1
    guard let records = try? frames.allocate(.trampoline),
      let states = try? frames.allocate(count: count, .trampoline, rest: .trampoline)
    else {
      platform.console.line("no memory to start other CPUs: one CPU")
      return nil
    }
    let mailbox = machine.installRecords(records, list: processors, memory: memory)
    let machine = machine
    let root = space.control
    return (StartPlace(page: states) { machine.startRegisters(of: $0, root: root) }, mailbox)
  }

  // Sets everything aside that a CPU needs before it is called.
  @inline(never) private func prepareProcessors(_ space: AddressSpace<Machine.Memory>) -> ProcessorSet {
    var ready = ProcessorSet()
    for number in 1..<UInt32(truncatingIfNeeded: processors.count) {
      let cpu = CPUIndex(number)
      guard let id = processors[cpu], (try? mapInterruptStacks(cpu)) != nil else {
        leaveOut(cpu, "has no memory for its stacks")
        continue
      }
      machine.fillProcessor(cpu, apicID: id, root: space.control)
      ready.insert(cpu)
    }
    return ready
  }

  // Calls those that are ready and says who is left out.
  @inline(never) private func call(
    _ ready: ProcessorSet, _ mailbox: Machine.Mailbox, _ caller: Platform.Caller, _ clock: Platform.Time
  ) {
    let count = UInt32(truncatingIfNeeded: processors.count)
    let mute = options.number("mute").map { CPUIndex(UInt32(truncatingIfNeeded: $0)) }
    let start = ProcessorStart(mailbox: mailbox, caller: caller, clock: clock, hint: Machine.Hint.self)
    for number in 1..<count where ready.contains(CPUIndex(number)) { start.offer(CPUIndex(number)) }
    let limit = options.number("cpu-limit-ms").map { min($0, 60_000) &* 1000 } ?? Self.startLimitMicroseconds
    start.start(count: count, limitMicroseconds: limit, mute: mute)
    for number in 1..<count {
      let cpu = CPUIndex(number)
      switch start.outcome(of: cpu) {
      case .online: online.insert(cpu)
      case .silent: leaveOut(cpu, "did not answer")
      case .hung: leaveOut(cpu, "answered and hung")
      case .noMemory: break
      }
    }
  }

  private func leaveOut(_ cpu: CPUIndex, _ why: String) {
    let console = platform.console
    console.write("cpu ")
    console.write(decimal: UInt64(cpu.rawValue))
    console.write(" (APIC ")
    console.write(decimal: UInt64(processors[cpu]?.rawValue ?? 0))
    console.write(") ")
    console.write(why)
    console.line(": left out")
  }

  private func lowPages(_ frames: Frames) -> StartPages? {
    frames.withTable { table in
      guard let code = try? table.allocateLow(.trampoline), let mailbox = try? table.allocateLow(.trampoline)
      else { return nil }
      return StartPages(code: code, mailbox: mailbox)
    }
  }

  // The trampoline's tables: its two pages where they are, and the kernel's half.
  private func trampolineSpace(_ code: Frame, _ mailbox: Frame) -> PhysicalAddress? {
    guard let frames, let space else { return nil }
    do throws(MappingError) {
      let bridge = try AddressSpace(memory: memory, frames: frames)
      try bridge.map(
        VirtualAddress(code.start.rawValue), to: code.start, bytes: Frame.bytes, .execute, frames: frames)
      try bridge.map(
        VirtualAddress(mailbox.start.rawValue), to: mailbox.start, bytes: Frame.bytes, .write, frames: frames)
      space.share(topEntry: VirtualAddress(KernelLayout.processors).tableIndex(level: 4), with: bridge)
      space.share(topEntry: VirtualAddress(KernelLayout.image).tableIndex(level: 4), with: bridge)
      return bridge.root.rawValue < 1 << 32 ? bridge.root : nil
    } catch {
      return nil
    }
  }

  /// A started CPU switches its controller on.
  public func prepare(_ cpu: CPUIndex) { platform.enableController(cpu) }

  /// Kicks a CPU that is online.
  public func kick(_ cpu: CPUIndex) {
    if online.contains(cpu) { caller?.kick(cpu) }
  }
}
