// MachineState: a whole modelled machine between two steps, comparable with others.

/// A store that has left its CPU's program but not yet reached memory.
struct BufferedStore: Hashable {
  var cell: Int
  var value: UInt64
}

/// One CPU: where its program is, what it hides from the others.
struct CPUState: Hashable {
  /// The results that the main program has had; they determine where it is.
  var results: [UInt64] = []
  /// The same for the interrupt handler, while it runs.
  var handlerResults: [UInt64]?
  var buffer: [BufferedStore] = []
  var handlersLeft: Int
  var interruptsOn = true
  var kickPending = false
  /// The program is inside HLT or its guest.
  var isResting = false
  /// An interrupt came while it was.
  var isRoused = false
  /// The program is where an event handler redirects it past the rest.
  var isInWindow = false
  /// A handler has done so.
  var isRedirected = false
  /// Somebody wrote since this CPU last read.
  var isStale = true
  var finished = false
  /// Cached translations by cell; zero is none.
  var tlb: [UInt64]
}

/// Memory and all CPUs.
struct MachineState: Hashable {
  var memory: [UInt64]
  var cpus: [CPUState]

  /// What `cpu` reads from `cell`: its own newest waiting store, else memory.
  func visible(_ cell: Int, to cpu: Int) -> UInt64 {
    cpus[cpu].buffer.last { $0.cell == cell }?.value ?? memory[cell]
  }

  /// Makes a write visible to all.
  mutating func write(_ value: UInt64, to cell: Int, by cpu: Int) {
    memory[cell] = value
    for other in cpus.indices where other != cpu { cpus[other].isStale = true }
  }
}

/// One step of the machine.
enum Transition: Hashable {
  /// The CPU's program performs its next operation, with this choice.
  case step(Int, choice: UInt64)
  /// The oldest waiting store reaches memory.
  case drain(Int)
  /// A pending kick is taken.
  case takeKick(Int)
  /// A device interrupt is taken: the handler starts.
  case interrupt(Int)
  /// The CPU caches the translation in a cell, as it may at any time.
  case prefetch(Int, cell: Int)
}
