// StartedProcessor: how the machine's other CPUs come in: the method, their records, and where they arrive.
import Boot
public import Seams
public import X86

nonisolated(unsafe) private var entry: (any ProcessorEntry)?
nonisolated(unsafe) private var installed: MachineMailbox?

/// How the CPUs of a platform are named and where the others wait.
public protocol StartMethod: Sendable {
  /// The calling CPU's id.
  var ownID: APICID { get }
  /// Where CPUs wait, if the image has a place for that; nil: two frames below 1 MiB are taken.
  var pages: StartPages? { get }
  /// Readies both pages for the CPUs in `list`, whose blocks are filled; nobody is let in yet.
  func install(_ pages: StartPages, root: PhysicalAddress, list: ProcessorList, memory: DirectMemory)
    -> MachineMailbox
}

/// The page of start records, wherever a platform's records have their words.
public struct MachineMailbox: StartMailbox, Sendable {
  private let address: UInt64
  private let layout: RecordLayout

  /// Where the words of a record are, in bytes.
  public struct RecordLayout: Sendable {
    /// Of record 0.
    let first: UInt64
    /// From one record to the next.
    let stride: UInt64
    /// Of the state in a record.
    let state: UInt64
    /// Of the word that a parked CPU sets.
    let parked: UInt64
    /// How many records fit.
    let capacity: UInt32
  }

  init(page: Frame, _ layout: RecordLayout) {
    address = KernelLayout.direct(page.start).rawValue
    self.layout = layout
  }

  // UNSAFETY: the page was set aside for this and is never given back; each record is bounds-checked.
  private func word(_ cpu: CPUIndex, _ offset: UInt64) -> UnsafeMutablePointer<UInt32>? {
    guard cpu.rawValue < layout.capacity else { return nil }
    let record = address &+ layout.first &+ layout.stride &* UInt64(cpu.rawValue)
    return unsafe UnsafeMutablePointer(bitPattern: UInt(record &+ offset))
  }

  /// The state of `cpu`.
  public func state(of cpu: CPUIndex) -> StartState {
    guard let word = unsafe word(cpu, layout.state) else { return .empty }
    return unsafe StartState(rawValue: apus_load32(word))
  }

  /// One compare-exchange.
  public func exchange(_ cpu: CPUIndex, expected: StartState, with desired: StartState) -> StartState {
    guard let word = unsafe word(cpu, layout.state) else { return .empty }
    return unsafe StartState(rawValue: apus_exchange32(word, expected.rawValue, desired.rawValue))
  }

  /// Whether `cpu` came too late and has parked.
  public func hasParked(_ cpu: CPUIndex) -> Bool {
    guard let word = unsafe word(cpu, layout.parked) else { return false }
    return unsafe apus_load32(word) != 0
  }
}

/// Where started CPUs arrive.
enum StartedProcessor {
  static func install(entry processorEntry: any ProcessorEntry) { unsafe entry = processorEntry }

  static func expect(at mailbox: MachineMailbox) { unsafe installed = mailbox }

  static func kick(_ cpu: CPUIndex) { unsafe entry?.kick(cpu) }

  static func receive() {
    Processor.loadTables()
    let cpu = Processor.current
    unsafe entry?.prepare(cpu)
    guard let mailbox = unsafe installed,
      mailbox.exchange(cpu, expected: .started, with: .online) == .started
    else { Death.park() }
    unsafe entry?.run(cpu)
    Death.park()
  }
}

/// From trampoline.S, on the CPU's own stack and the kernel's tables, interrupts off.
@c(apus_processor_main) public func processorMain(_ block: UInt64) { StartedProcessor.receive() }
