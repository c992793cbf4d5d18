// ProcessorStart: calls all CPUs at once and closes the door behind those that came in time.
import Seams

/// What became of a CPU.
public enum StartOutcome: Equatable, Sendable {
  /// It runs the kernel.
  case online
  /// It never answered.
  case silent
  /// It answered and then hung.
  case hung
  /// There was no memory for its stacks.
  case noMemory
}

/// Starts all CPUs at once and waits for them no longer than the limit.
public struct ProcessorStart<Mailbox: StartMailbox, Caller: StartCaller, Time: Clock, Hint: SpinHint> {
  private let mailbox: Mailbox
  private let caller: Caller
  private let clock: Time
  /// The least number of looks before a CPU is given up, however far the clock went: the boot CPU itself may
  /// have been stopped meanwhile.
  public static var leastPolls: Int { 1000 }

  /// A starter that talks through `mailbox` and `caller`.
  public init(mailbox: Mailbox, caller: Caller, clock: Time, hint: Hint.Type) {
    self.mailbox = mailbox
    self.caller = caller
    self.clock = clock
  }

  /// Lets `cpu` start when it is called: all it needs is set aside.
  public func offer(_ cpu: CPUIndex) {
    _ = mailbox.exchange(cpu, expected: .empty, with: .go)
  }

  /// Calls those of CPUs 1 ..< `count` that were offered, INIT, start-up, start-up (SDM 3A, 8.4.4.1), and waits
  /// until each is online or `limitMicroseconds` and 1000 looks have passed.
  ///
  /// `mute` is not called, for the test of a CPU that does not answer.
  public func start(count: UInt32, limitMicroseconds: UInt64, mute: CPUIndex? = nil) {
    guard count > 1 else { return }
    if Caller.calls { call(count, mute) }
    wait(count: count, limitMicroseconds)
    for number in 1..<count { close(CPUIndex(number)) }
  }

  private func call(_ count: UInt32, _ mute: CPUIndex?) {
    for number in 1..<count where calls(CPUIndex(number), mute) { caller.sendInit(CPUIndex(number)) }
    pause(microseconds: 10_000)
    for number in 1..<count where calls(CPUIndex(number), mute) { caller.sendStartUp(CPUIndex(number)) }
    pause(microseconds: 200)
    for number in 1..<count where calls(CPUIndex(number), mute) { caller.sendStartUp(CPUIndex(number)) }
  }

  /// What became of `cpu`, once `start` has returned.
  public func outcome(of cpu: CPUIndex) -> StartOutcome {
    switch mailbox.state(of: cpu) {
    case .online: .online
    case .expelled: .hung
    case .empty: .noMemory
    default: .silent
    }
  }

  private func wait(count: UInt32, _ limitMicroseconds: UInt64) {
    let deadline = clock.now().advanced(by: clock.ticks(microseconds: limitMicroseconds))
    var polls = 0
    while polls < Self.leastPolls || clock.now() < deadline {
      var waiting = false
      for number in 1..<count {
        let state = mailbox.state(of: CPUIndex(number))
        if state == .go || state == .started { waiting = true }
      }
      if !waiting { return }
      Hint.relax()
      polls &+= 1
    }
  }

  // The CPU may win either exchange at the last moment; then it is in.
  private func close(_ cpu: CPUIndex) {
    let before = mailbox.exchange(cpu, expected: .go, with: .revoked)
    if before == .go { caller.withdraw(cpu) }
    if before == .started, mailbox.exchange(cpu, expected: .started, with: .expelled) == .started {
      caller.withdraw(cpu)
    }
  }

  private func calls(_ cpu: CPUIndex, _ mute: CPUIndex?) -> Bool {
    cpu != mute && mailbox.state(of: cpu) == .go
  }

  private func pause(microseconds: UInt64) {
    let end = clock.now().advanced(by: clock.ticks(microseconds: microseconds))
    while clock.now() < end { Hint.relax() }
  }
}
