// BareMachine: what the kernel asks of the bare x86-64 machine below it, whatever platform it is on.
import X86

/// One part of the image: a run of pages with the same rights.
public struct ImageSegment: Equatable, Sendable {
  /// The first address.
  public let start: VirtualAddress
  /// Bytes, a multiple of 4096; may be 0.
  public let bytes: UInt64
  /// What the kernel may do there.
  public let permissions: PagePermissions
  /// A segment.
  public init(start: VirtualAddress, bytes: UInt64, permissions: PagePermissions) {
    self.start = start
    self.bytes = bytes
    self.permissions = permissions
  }
}

/// Where the kernel's image lies.
public struct ImageLayout: Sendable {
  /// Code, constants, sealed data, data, boot stack.
  ///
  /// Between the last two lies the stack's guard page.
  public let segments: InlineArray<5, ImageSegment>
  /// The index of the segment that is written during boot only.
  public let sealedIndex: Int
  /// The image in memory, the part that is of no use after boot included.
  public let physical: MemoryRegion
  /// The part that is of no use after boot, at the start of `physical`.
  public let discardable: MemoryRegion
  /// A layout.
  public init(
    segments: InlineArray<5, ImageSegment>, sealedIndex: Int, physical: MemoryRegion,
    discardable: MemoryRegion
  ) {
    self.segments = segments
    self.sealedIndex = sealedIndex
    self.physical = physical
    self.discardable = discardable
  }
}

/// The two pages by which other CPUs come in.
public struct StartPages: Equatable, Sendable {
  /// The code that they start in, which never changes once they may come.
  public let code: Frame
  /// Their records.
  public let mailbox: Frame
  /// The two pages.
  public init(code: Frame, mailbox: Frame) {
    self.code = code
    self.mailbox = mailbox
  }
}

/// What a started CPU runs, in this order.
public protocol ProcessorEntry: AnyObject {
  /// Makes the CPU reachable: its interrupt controller. It may still be turned away after this.
  func prepare(_ cpu: CPUIndex)
  /// The CPU is in; does not return.
  func run(_ cpu: CPUIndex)
  /// Makes `cpu` look at its inbox soon.
  func kick(_ cpu: CPUIndex)
}

/// The machine: image, address spaces, CPUs, the language runtime's needs.
public protocol BareMachine: SendableMetatype {
  /// Physical memory.
  associatedtype Memory: PhysicalMemory & Sendable
  /// The pause of waiting loops.
  associatedtype Hint: SpinHint
  /// The start records of the other CPUs.
  associatedtype Mailbox: StartMailbox

  /// Memory as the boot tables show it.
  var bootMemory: Memory { get }
  /// Memory below `limit`, once the kernel's own tables are active.
  func memory(limit: PhysicalAddress) -> Memory
  /// Where the image lies; nil if the linker script and the kernel disagree.
  var image: ImageLayout? { get }
  /// What the boot CPU can do.
  var features: CPUFeatures { get }
  /// The boot CPU's APIC id.
  var apicID: APICID { get }
  /// The boot CPU's block and stack: part of the image.
  var bootBlock: VirtualAddress { get }
  /// The time-stamp counter at the first instruction, and now.
  var entryCycles: UInt64 { get }
  /// The time-stamp counter.
  var cycles: UInt64 { get }

  /// Fills the interrupt table, once.
  func fillInterruptTable()
  /// Gives #VC and #HV stacks of their own: the boot CPU's are mapped, the other CPUs' will be.
  func useEventStacks()
  /// Fills the block of `cpu`, whose stacks are mapped as `ProcessorSlot` says (the boot CPU's main stack is the image's).
  func fillProcessor(_ cpu: CPUIndex, apicID: APICID, root: PhysicalAddress)
  /// Loads this CPU's tables and switches its protections on.
  func loadTables()
  /// Makes `root`, a value of CR3, this CPU's page tables.
  func activate(_ root: PhysicalAddress)
  /// Where the other CPUs wait to be started, if the image has a place for that; nil: two frames below 1 MiB are taken.
  var startPages: StartPages? { get }
  /// Readies `code`, where CPUs start, and `mailbox`, their records; they run on `root`, which is below 4 GiB.
  func installTrampoline(
    code: Frame, mailbox: Frame, root: PhysicalAddress, list: ProcessorList, memory: Memory
  ) -> Mailbox
  /// Writes the list of CPUs to `page`, for CPUs that begin with registers of their own.
  func installRecords(_ page: Frame, list: ProcessorList, memory: Memory) -> Mailbox
  /// What `cpu` begins with on the tables at `root`, once its record is installed; nil if it has no block.
  func startRegisters(of cpu: CPUIndex, root: PhysicalAddress) -> StartRegisters?
  /// From now on the language runtime's allocations come from `heap`.
  func install(heap: any HeapSource)
  /// From now on the task runtime's blocks come from `blocks`.
  func install(blocks: any BlockSource)
  /// How many of the counter's ticks make a microsecond; before the first task.
  func setTickRate(perMicrosecond: UInt64)
  /// The interrupt controller is on: interrupts are ended through its page, or through an MSR.
  func controllerIsOn(throughMSR: Bool)
  /// What started CPUs run.
  func install(entry: any ProcessorEntry)
  /// Empties this CPU's TLB.
  func flush()
  /// Prepares with interrupts off, lets them in and halts until the next one has been handled; for checks at boot.
  func halt(_ prepare: () -> Void)
  /// Lets interrupts in.
  func enableInterrupts()
  /// Whether `arm` succeeds and every register comes back from each of the next `interrupts` interrupts; they must be on.
  func keepsRegisters(over interrupts: UInt64, _ arm: () -> Bool) -> Bool
  /// The word at an address that the kernel mapped; a fault if it did not.
  func load(_ address: VirtualAddress) -> UInt64
  /// Executed once when everything asked for has been done; a marker for instruction counters.
  func markIdle()
  /// Gives up: report, epitaph, end.
  func panic(_ message: String) -> Never
  /// Dies on purpose in the way `name` says; returns if it knows no such way.
  func dieOnPurpose(_ way: DeathWay)
  /// Ends the machine.
  func end(_ verdict: Verdict) -> Never
}

/// The ways to die that tests ask for.
public enum DeathWay: CaseIterable, Sendable {
  /// The `ud2` instruction.
  case undefined
  /// A division by zero.
  case divide
  /// A store to a page that isn't mapped.
  case pageFault
  /// Recursion without an end.
  case stackOverflow
  /// A failed Swift precondition.
  case precondition
  /// A store to the kernel's own code.
  case writeText
  /// A store to what boot sealed.
  case writeSealed
  /// A jump to data.
  case executeData
  /// The kernel's own panic.
  case panic
  /// A report that faults.
  case report
  /// A console that faults too.
  case console
  /// An end that faults as well.
  case end

  /// The word on the command line after `die=`.
  public var name: String {
    switch self {
    case .undefined: "ud2"
    case .divide: "divide"
    case .pageFault: "pagefault"
    case .stackOverflow: "stackoverflow"
    case .precondition: "precondition"
    case .writeText: "writetext"
    case .writeSealed: "writesealed"
    case .executeData: "executedata"
    case .panic: "panic"
    case .report: "report"
    case .console: "console"
    case .end: "end"
    }
  }
}
