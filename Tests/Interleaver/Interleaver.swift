// Interleaver: runs small concurrent programs in every order that x86 allows.

/// A machine of a few CPUs, explored exhaustively under x86-TSO: each CPU has a store buffer, which loads of others don't see.
///
/// The search is breadth-first over distinct states, so it is deterministic, a loop that changes nothing ends, and the
/// schedule of a failure is a shortest one.
package struct Interleaver {
  package typealias Program = (ModelMemory) throws(Stop) -> Void

  /// One CPU of the machine.
  package struct CPU {
    var main: Program
    var handler: Program?
    var handlerCount: Int
    var isMaskable: Bool

    /// A CPU that runs `main` and may be interrupted `interrupts` times, whenever it allows, by `handler`.
    ///
    /// Where interrupts are not maskable, as #HV on SNP, they come although the CPU doesn't allow them.
    package init(
      interrupts: Int = 0, isMaskable: Bool = true, handler: Program? = nil, _ main: @escaping Program
    ) {
      self.isMaskable = isMaskable
      self.main = main
      self.handler = handler
      handlerCount = handler == nil ? 0 : interrupts
    }
  }

  /// How an exploration ended.
  package struct Outcome {
    /// Distinct states reached.
    package var stateCount = 0
    /// Steps taken, those to known states included.
    package var stepCount = 0
    /// Distinct states in which nothing more can happen.
    package var finalCount = 0
    /// What went wrong first, if anything did.
    package var failure: String?
    /// The steps that lead to the failure.
    package var schedule: [String] = []
    /// The search was cut off: nothing is proved.
    package var isCutOff = false

    /// Whether every order was tried and none failed.
    package var isProved: Bool { failure == nil && !isCutOff && finalCount > 0 }
    /// The failure and its schedule, one step a line.
    package var report: String {
      ([failure ?? (isCutOff ? "cut off" : "no failure")] + schedule.map { "  " + $0 }).joined(
        separator: "\n")
    }
  }

  /// The names of the cells, for schedules; a cell's number is its index.
  package var cells: [String]
  /// The cells' first values; zero where none is given.
  package var initial: [Int: UInt64] = [:]
  /// Cells that hold page-table entries: any CPU may cache them at any time.
  package var translations: [Int] = []
  /// The CPUs.
  package var cpus: [CPU]
  /// How many distinct states are allowed.
  package var stateLimit = 2_000_000

  /// A machine with these cells and CPUs.
  package init(cells: [String], cpus: [CPU]) {
    self.cells = cells
    self.cpus = cpus
  }

  /// Tries every order.
  ///
  /// In each state where nothing more can happen, all programs must have ended and `check` of memory
  /// must be nil; otherwise its text is the failure.
  package func explore(check: ([UInt64]) -> String? = { _ in nil }) -> Outcome {
    var outcome = Outcome()
    var memory = [UInt64](repeating: 0, count: cells.count)
    for (cell, value) in initial { memory[cell] = value }
    let start = MachineState(
      memory: memory,
      cpus: cpus.map {
        CPUState(
          handlersLeft: $0.handlerCount,
          tlb: [UInt64](repeating: 0, count: translations.isEmpty ? 0 : cells.count))
      })
    var seen: Set<MachineState> = [start]
    var queue = [(state: start, parent: -1, by: Transition?.none, line: "")]
    var index = 0
    func fail(_ message: String, at place: Int) {
      outcome.failure = message
      var place = place
      while place > 0 {
        outcome.schedule.insert(queue[place].line, at: 0)
        place = queue[place].parent
      }
    }
    while index < queue.count, outcome.failure == nil {
      let state = queue[index].state
      var enabled = false
      for (transition, operation) in transitions(from: state) {
        if case .failure(let message) = operation {
          fail(message, at: index)
          break
        }
        enabled = true
        outcome.stepCount += 1
        let next = apply(transition, operation, to: state)
        guard seen.insert(next.state).inserted else { continue }
        queue.append((next.state, index, transition, next.line))
      }
      if !enabled, outcome.failure == nil {
        outcome.finalCount += 1
        if let waiting = state.cpus.firstIndex(where: { !$0.finished }) {
          fail("CPU \(waiting) waits for ever", at: index)
        } else if let message = check(state.memory) {
          fail(message, at: index)
        }
      }
      // The set keeps the state; the queue needs only how it was reached.
      queue[index].state = MachineState(memory: [], cpus: [])
      index += 1
      if seen.count > stateLimit {
        outcome.isCutOff = true
        break
      }
    }
    outcome.stateCount = seen.count
    return outcome
  }

  /// What a CPU would do next.
  enum Next {
    case operation(Operation)
    case environment
    case end
    case failure(String)
  }

  private func next(_ cpu: Int, in state: MachineState) -> Next {
    let own = state.cpus[cpu]
    let isHandler = own.handlerResults != nil
    let memory = ModelMemory(cpu: cpu, results: own.handlerResults ?? own.results)
    do throws(Stop) {
      if isHandler { try cpus[cpu].handler?(memory) } else { try cpus[cpu].main(memory) }
      return .end
    } catch {
      switch error {
      case .next(let operation): return .operation(operation)
      case .violation(let message): return .failure("CPU \(cpu): \(message)")
      }
    }
  }

  private func transitions(from state: MachineState) -> [(Transition, Next)] {
    var found: [(Transition, Next)] = []
    // A store into the CPU's own buffer commutes with every step of everybody, unless an interrupt's stores may come
    // first: taking it at once loses no order that anybody could tell.
    for cpu in state.cpus.indices {
      let own = state.cpus[cpu]
      guard !own.finished, own.handlersLeft == 0, own.handlerResults == nil else { continue }
      let next = next(cpu, in: state)
      if case .operation(.store) = next { return [(.step(cpu, choice: 0), next)] }
    }
    for cpu in state.cpus.indices {
      let own = state.cpus[cpu]
      if !own.buffer.isEmpty { found.append((.drain(cpu), .environment)) }
      if own.finished { continue }
      let next = next(cpu, in: state)
      switch next {
      case .operation(let operation):
        let choices: UInt64 = if case .choose(let count) = operation { UInt64(count) } else { 1 }
        if isEnabled(operation, own) {
          for choice in 0..<choices { found.append((.step(cpu, choice: choice), next)) }
        }
      default:
        found.append((.step(cpu, choice: 0), next))
      }
      if own.handlerResults == nil, own.interruptsOn || !cpus[cpu].isMaskable {
        if own.kickPending { found.append((.takeKick(cpu), .environment)) }
        if own.handlersLeft > 0 { found.append((.interrupt(cpu), .environment)) }
      }
      for cell in translations where own.tlb[cell] == 0 && state.memory[cell] != 0 {
        found.append((.prefetch(cpu, cell: cell), .environment))
      }
    }
    return found
  }

  private func isEnabled(_ operation: Operation, _ cpu: CPUState) -> Bool {
    switch operation {
    case .exchange, .compareExchange, .fence: return cpu.buffer.isEmpty
    case .pause: return cpu.isStale
    case .rest: return !cpu.isResting || cpu.isRoused
    default: return true
    }
  }

  private func apply(
    _ transition: Transition, _ next: Next, to state: MachineState
  ) -> (state: MachineState, line: String) {
    var state = state
    switch transition {
    case .drain(let cpu):
      let store = state.cpus[cpu].buffer.removeFirst()
      state.write(store.value, to: store.cell, by: cpu)
      return (state, "CPU \(cpu): \(cells[store.cell]) = \(store.value) reaches memory")
    case .takeKick(let cpu):
      state.cpus[cpu].kickPending = false
      state.cpus[cpu].isRedirected = state.cpus[cpu].isInWindow
      state.cpus[cpu].isRoused = state.cpus[cpu].isResting
      return (state, "CPU \(cpu): takes the kick")
    case .interrupt(let cpu):
      state.cpus[cpu].handlersLeft -= 1
      state.cpus[cpu].isRedirected = state.cpus[cpu].isInWindow
      state.cpus[cpu].handlerResults = []
      return (state, "CPU \(cpu): takes an interrupt")
    case .prefetch(let cpu, let cell):
      state.cpus[cpu].tlb[cell] = state.memory[cell]
      return (state, "CPU \(cpu): caches \(cells[cell]) = \(state.memory[cell])")
    case .step(let cpu, let choice):
      guard case .operation(let operation) = next else {
        if state.cpus[cpu].handlerResults != nil {
          state.cpus[cpu].handlerResults = nil
          state.cpus[cpu].isRoused = state.cpus[cpu].isResting
          return (state, "CPU \(cpu): the handler returns")
        }
        state.cpus[cpu].finished = true
        return (state, "CPU \(cpu): ends")
      }
      if operation == .rest, !state.cpus[cpu].isResting, !state.cpus[cpu].isRedirected {
        // STI takes effect after the next instruction: nothing comes between it and the rest.
        state.cpus[cpu].isResting = true
        state.cpus[cpu].interruptsOn = true
        return (state, "CPU \(cpu): rests")
      }
      let result = perform(operation, by: cpu, choice: choice, in: &state)
      if state.cpus[cpu].handlerResults != nil {
        state.cpus[cpu].handlerResults?.append(result)
      } else {
        state.cpus[cpu].results.append(result)
      }
      return (state, "CPU \(cpu): \(describe(operation)) → \(result)")
    }
  }

  private func perform(
    _ operation: Operation, by cpu: Int, choice: UInt64, in state: inout MachineState
  ) -> UInt64 {
    switch operation {
    case .load(let cell):
      state.cpus[cpu].isStale = false
      return state.visible(cell, to: cpu)
    case .store(let cell, let value):
      state.cpus[cpu].buffer.append(BufferedStore(cell: cell, value: value))
    case .exchange(let cell, let value):
      state.cpus[cpu].isStale = false
      let old = state.memory[cell]
      state.write(value, to: cell, by: cpu)
      return old
    case .compareExchange(let cell, let expected, let desired):
      state.cpus[cpu].isStale = false
      let old = state.memory[cell]
      if old == expected { state.write(desired, to: cell, by: cpu) }
      return old
    case .kick(let target):
      state.cpus[target].kickPending = true
    case .setInterrupts(let areOn):
      state.cpus[cpu].interruptsOn = areOn
    case .window(let isInWindow):
      state.cpus[cpu].isInWindow = isInWindow
      state.cpus[cpu].isRedirected = false
    case .rest:
      state.cpus[cpu].isResting = false
      state.cpus[cpu].isRoused = false
    case .choose:
      return choice
    case .translate(let cell):
      if state.cpus[cpu].tlb[cell] == 0 { state.cpus[cpu].tlb[cell] = state.memory[cell] }
      return state.cpus[cpu].tlb[cell]
    case .flush:
      for cell in state.cpus[cpu].tlb.indices { state.cpus[cpu].tlb[cell] = 0 }
    case .fence, .pause:
      break
    }
    return 0
  }

  private func describe(_ operation: Operation) -> String {
    switch operation {
    case .load(let cell): "load \(cells[cell])"
    case .store(let cell, let value): "store \(cells[cell]) = \(value) (waits in the buffer)"
    case .exchange(let cell, let value): "exchange \(cells[cell]) = \(value)"
    case .compareExchange(let cell, let expected, let desired):
      "compare-exchange \(cells[cell]) \(expected) by \(desired)"
    case .kick(let target): "kick CPU \(target)"
    case .setInterrupts(let areOn): areOn ? "STI" : "CLI"
    case .window(let isIn): isIn ? "enters the window" : "leaves the window"
    case .rest: "leaves its rest"
    case .choose(let count): "choice of \(count)"
    case .translate(let cell): "translate through \(cells[cell])"
    case .flush: "flush the TLB"
    case .fence: "fence"
    case .pause: "pause"
    }
  }
}
