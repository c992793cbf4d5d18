// ProcessorStart: calls all CPUs at once and closes the door behind those that came in time.
import Seams
import TaskRuntime

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
  private let memory: MailboxMemory<Mailbox, Hint>
  private let caller: Caller
  private let clock: Time
  /// The least number of looks before a CPU is given up, however far the clock went: the boot CPU itself may
  /// have been stopped meanwhile.
  public static var leastPolls: Int { 1000 }

  /// A starter that talks through `mailbox` and `caller`.
  public init(mailbox: Mailbox, caller: Caller, clock: Time, hint: Hint.Type) {
    self.mailbox = mailbox
    memory = MailboxMemory(mailbox: mailbox)
    self.caller = caller
    self.clock = clock
  }

  /// Lets `cpu` start when it is called: all it needs is set aside.
  public func offer(_ cpu: CPUIndex) { record(cpu).offer(in: memory) }

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
    var limit = StartLimit(
      now: clock.now().ticks, ticks: clock.ticks(microseconds: limitMicroseconds), looks: Self.leastPolls)
    repeat {
      var waiting = false
      for number in 1..<count where record(CPUIndex(number)).isOpen(in: memory) { waiting = true }
      if !waiting { return }
      Hint.relax()
    } while !limit.isOver(now: clock.now().ticks)
  }

  private func close(_ cpu: CPUIndex) {
    switch record(cpu).close(in: memory) {
    case .revoked, .expelled: caller.withdraw(cpu)
    default: break
    }
  }

  private func record(_ cpu: CPUIndex) -> StartRecord<MailboxMemory<Mailbox, Hint>> { StartRecord(cell: cpu) }

  private func calls(_ cpu: CPUIndex, _ mute: CPUIndex?) -> Bool {
    cpu != mute && mailbox.state(of: cpu) == .go
  }

  private func pause(microseconds: UInt64) {
    let end = clock.now().advanced(by: clock.ticks(microseconds: microseconds))
    while clock.now() < end { Hint.relax() }
  }
}

/// A machine's mailbox as the memory of start records: the cell is the CPU.
struct MailboxMemory<Mailbox: StartMailbox, Hint: SpinHint>: DecisionMemory {
  typealias Cell = CPUIndex
  typealias Failure = Never
  let mailbox: Mailbox
  func loadAcquire(_ cell: CPUIndex) -> UInt64 { UInt64(mailbox.state(of: cell).rawValue) }
  func compareExchange(_ cell: CPUIndex, expected: UInt64, desired: UInt64) -> UInt64 {
    let before = mailbox.exchange(
      cell, expected: StartState(rawValue: UInt32(truncatingIfNeeded: expected)),
      with: StartState(rawValue: UInt32(truncatingIfNeeded: desired)))
    return UInt64(before.rawValue)
  }
  func pause() { Hint.relax() }
}
