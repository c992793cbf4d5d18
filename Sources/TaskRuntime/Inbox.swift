// Inbox: the messages of other CPUs and of interrupt handlers to one CPU, without a lock.

/// One CPU's inbox: a stack that anybody pushes to with one locked instruction and only its owner empties.
///
/// The stack is emptied whole by one exchange, so its head never returns to an earlier value while a pusher holds it
/// (no ABA), and reversed, so messages of one sender arrive in the order they were sent.
public struct Inbox<Memory: InboxMemory> {
  /// The word of the newest message; zero when empty.
  public let head: Memory.Cell

  /// The inbox whose head is `head`, a word that starts as zero.
  public init(head: Memory.Cell) { self.head = head }

  /// Adds `message`: one locked instruction, more only while others push at the same moment.
  ///
  /// *May be called from*: any CPU, interrupt handlers included. *Requires*: the caller has the message's right (see
  /// `InboxMessage`), which the push uses up. *Guarantees*: a full fence; the owner sees all that was written before.
  public func push(_ message: InboxMessage, in memory: Memory) throws(Memory.Failure) {
    let link = memory.link(of: message)
    var newest = try memory.loadRelaxed(head)
    while true {
      try memory.storeRelaxed(newest, to: link)
      let found = try memory.compareExchange(head, expected: newest, desired: message.word)
      if found == newest { return }
      newest = found
    }
  }

  /// Whether nothing was there at the moment of the load (a plain load).
  public func isEmpty(in memory: Memory) throws(Memory.Failure) -> Bool {
    try memory.loadRelaxed(head) == 0
  }

  /// Takes every message there is, oldest first; no locked instruction if there is none.
  ///
  /// *May be called from*: the owner, outside interrupt handlers. The reversal is as long as the batch, which is at most one
  /// message of each kind for each task.
  public func drain(in memory: Memory) throws(Memory.Failure) -> InboxBatch<Memory> {
    guard try memory.loadRelaxed(head) != 0 else { return InboxBatch(first: 0) }
    var newest = try memory.exchange(0, in: head)
    var oldest: UInt64 = 0
    while let message = InboxMessage(word: newest) {
      let link = memory.link(of: message)
      newest = try memory.loadRelaxed(link)
      // A message that came alone keeps its line shared with its sender.
      if newest != oldest { try memory.storeRelaxed(oldest, to: link) }
      oldest = message.word
    }
    return InboxBatch(first: oldest)
  }
}

/// Messages taken from an inbox, which belong to the owner and are handled in as many passes as it likes.
public struct InboxBatch<Memory: InboxMemory> {
  private var first: UInt64

  init(first: UInt64) { self.first = first }

  /// A batch without messages.
  public init() { first = 0 }

  /// Whether no message is left.
  public var isEmpty: Bool { first == 0 }

  /// Takes the oldest message; its link word is free for the next push of its kind from then on.
  public mutating func popFirst(in memory: Memory) throws(Memory.Failure) -> InboxMessage? {
    guard let message = InboxMessage(word: first) else { return nil }
    first = try memory.loadRelaxed(memory.link(of: message))
    return message
  }
}
