// OwnerLine: a CPU's owner word and inbox on one cache line, and the handshake of the two.

/// What became of a posted message.
public enum Delivery: Equatable, Sendable {
  /// The owner runs and will find it.
  case seen
  /// The owner rests, or is about to: kick it (IPI, doorbell). A kick too many does no harm.
  case kick
  /// The owner takes no part; nobody reads the message.
  case out
}

/// The line that other CPUs touch to reach a CPU: its owner word and its inbox's head.
///
/// No wake is lost: a sender pushes, then reads the word; a resting owner writes the word, then reads the inbox; a full fence
/// stands between the two on both sides, so at least one sees the other.
public struct OwnerLine<Memory: InboxMemory> {
  /// The `OwnerWord`; only its owner writes it.
  public let word: Memory.Cell
  /// The inbox.
  public let inbox: Inbox<Memory>

  /// The line of these two words, which should share a cache line that holds nothing else.
  public init(word: Memory.Cell, inbox: Inbox<Memory>) {
    self.word = word
    self.inbox = inbox
  }

  /// Sends `message` to the owner and says whether a kick is due.
  ///
  /// *May be called from*: any CPU, interrupt handlers included. Exactly one locked instruction when nobody else pushes at
  /// the same moment; the push is the fence between the message and the owner's word.
  public func post(_ message: InboxMessage, in memory: Memory) throws(Memory.Failure) -> Delivery {
    try inbox.push(message, in: memory)
    let state = OwnerWord(raw: try memory.loadRelaxed(word)).state
    if state == .running { return .seen }
    return state == .out ? .out : .kick
  }

  /// Publishes that the owner is about to halt or enter its guest; false if a message is there: handle it instead.
  ///
  /// *May be called from*: the owner, with interrupts held off (CLI, #HV window) from before this call until the resting
  /// instruction itself. *Requires*: when it answers true, `leave` comes after the rest, before any dynamic mapping is
  /// touched; when false, that has been done. *Guarantees*: a message posted before or after is seen here or kicks.
  public func rest(
    as state: OwnerState, observing flushes: FlushGeneration<Memory>, in memory: Memory,
    flush: () throws(Memory.Failure) -> Void
  ) throws(Memory.Failure) -> Bool {
    let own = OwnerWord(raw: try memory.loadRelaxed(word))
    try memory.storeRelease(OwnerWord(state, generation: own.generation).raw, to: word)
    try memory.fence()
    if try inbox.isEmpty(in: memory) { return true }
    // An unmapper may have read the word meanwhile and counted this CPU as quiescent.
    try leave(observing: flushes, in: memory, flush: flush)
    return false
  }

  /// Publishes that the owner runs again, and flushes its TLB if the generation moved while it rested.
  ///
  /// *May be called from*: the owner, after a rest or on starting. *Requires*: no dynamic mapping is touched before it returns.
  public func leave(
    observing flushes: FlushGeneration<Memory>, in memory: Memory, flush: () throws(Memory.Failure) -> Void
  ) throws(Memory.Failure) {
    let own = OwnerWord(raw: try memory.loadRelaxed(word))
    try memory.storeRelaxed(OwnerWord(.running, generation: own.generation).raw, to: word)
    // Without this fence the generation could be read before an unmapper can see that the CPU runs.
    try memory.fence()
    try quiescentPoint(observing: flushes, in: memory, flush: flush)
  }

  /// Whether a message lies in the inbox, or the generation moved: a pass would deal with it.
  ///
  /// *May be called from*: the owner while it runs.
  @inline(__always) public func hasNews(
    _ flushes: FlushGeneration<Memory>, in memory: Memory
  ) throws(Memory.Failure) -> Bool {
    if try !inbox.isEmpty(in: memory) { return true }
    let newest = try memory.loadAcquire(flushes.cell)
    return try OwnerWord(raw: memory.loadRelaxed(word)).generation != newest
  }

  /// Flushes and says so if the generation moved; two plain loads if not.
  ///
  /// *May be called from*: the owner while it runs, at each pass of the executor. *Requires*: no address of a dynamic mapping
  /// that another CPU may remove is held across it.
  public func quiescentPoint(
    observing flushes: FlushGeneration<Memory>, in memory: Memory, flush: () throws(Memory.Failure) -> Void
  ) throws(Memory.Failure) {
    let newest = try memory.loadAcquire(flushes.cell)
    guard try OwnerWord(raw: memory.loadRelaxed(word)).generation != newest else { return }
    try flush()
    try memory.storeRelease(OwnerWord(.running, generation: newest).raw, to: word)
  }
}
