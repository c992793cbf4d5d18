// GuestClock: the time-stamp counter of one vCPU, which may stand still while the monitor works.

/// What the monitor adds to a vCPU's time, in ticks of the physical counter.
struct GuestClock: Sendable {
  /// Whether the guest's time stands still between an exit and the next entry; with several vCPUs their counters drift
  /// apart then.
  let isFrozen: Bool
  /// How far the guest's counter is behind the physical one.
  private(set) var offset: UInt64 = 0
  /// Ticks spent in the monitor.
  private(set) var ownTicks: UInt64 = 0
  private var exitTime: UInt64 = 0

  /// A clock that has not started.
  init(isFrozen: Bool) { self.isFrozen = isFrozen }

  /// The guest has exited at `now`.
  mutating func exited(_ now: UInt64) { exitTime = now }

  /// The guest is entered, or its CPU rests: what passed since the exit was the monitor's.
  mutating func account(_ now: UInt64) {
    let own = now &- exitTime
    ownTicks &+= own
    if isFrozen { offset &+= own }
    exitTime = now
  }

  /// What the guest sees when the physical counter is `now`.
  func guestTime(_ now: UInt64) -> UInt64 { (isFrozen ? exitTime : now) &- offset }
}
