// WakeSoak: cross-CPU wakes at random phases on the real machine; none may be lost.
import Seams
import Synchronization
import TaskRuntime
import Tasks

/// Tokens that go from CPU to CPU, each hop a wake of a task that is parked, about to park, or running.
///
/// Every CPU has a receiver; a received token is sent on, after a random delay, to a random CPU. A lost
/// wake leaves its token in a mailbox for ever, and the count stops short of the limit.
final class WakeSoak: Sendable {
  /// Tokens under way at once: fewer than CPUs, so that CPUs halt in between.
  static var tokens: Int { 2 }
  private let boxes: [Mailbox<8>]
  private let limit: UInt64
  private let hops = Atomic<UInt64>(0)

  /// A soak of `cpus` CPUs that ends after `limit` wakes.
  init(cpus: Int, limit: UInt64) {
    boxes = (0..<cpus).map { _ in Mailbox<8>() }
    self.limit = limit
  }

  /// Wakes so far.
  var count: UInt64 { hops.load(ordering: .relaxed) }

  /// Whether every wake arrived.
  var isDone: Bool { count >= limit }

  /// The receiver of CPU `cpu`; `relax` passes a moment.
  nonisolated(nonsending) func run(_ cpu: Int, seed: UInt64, relax: () -> Void) async {
    var random = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    if cpu == 0 { for token in 0..<Self.tokens { try? boxes[token % boxes.count].send(1) } }
    while !isDone {
      guard let word = try? await boxes[cpu].receive() else { return }
      if word == 0 { return }
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      // Phases from "still in its last pass" to "halted long ago".
      let delay = random & 0xF == 0 ? random >> 50 : random >> 58
      for _ in 0..<delay { relax() }
      if hops.add(1, ordering: .relaxed).newValue >= limit { break }
      // The boxes hold every token there is: sending can't fail.
      try? boxes[Int(truncatingIfNeeded: (random >> 20) % UInt64(boxes.count))].send(1)
    }
    for box in boxes { try? box.send(0) }
  }
}
