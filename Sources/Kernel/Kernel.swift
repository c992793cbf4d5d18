// Kernel: what boot has built, for as long as the machine runs.
import Seams
import Synchronization
public import Tasks
import X86

/// Why boot can't go on.
public enum BootFailure: Error, Equatable, Sendable {
  /// The platform's record is of no use.
  case information(BootInformationError)
  /// The linker script and the kernel disagree about the image.
  case image
  /// Memory is too small or too scattered.
  case memory(MemoryError)
  /// The kernel's page tables can't be built.
  case mapping(MappingError)
}

/// The kernel of one machine on one platform.
///
/// Built by the boot CPU in `boot()`; the other CPUs only read it, but for what locks itself.
public final class Kernel<Machine: BareMachine & TaskHost, Platform: KernelPlatform>: ProcessorEntry,
  @unchecked Sendable
{
  /// All frames.
  public typealias Frames = FrameAllocator<Machine.Memory, Machine.Hint>
  /// The heap of Swift objects.
  public typealias Heap = KernelHeap<Machine.Memory, Machine.Hint>

  /// The machine.
  public let machine: Machine
  /// The platform.
  public let platform: Platform
  /// What the command line asks for.
  public internal(set) var options = BootOptions(CommandLine())
  /// The CPUs, the boot CPU first.
  public internal(set) var processors: ProcessorList
  /// CPUs that run, a bit each.
  public internal(set) var online = ProcessorSet()
  /// All frames; nil until boot has found them.
  public internal(set) var frames: Frames?
  /// The heap; nil until it stands.
  public internal(set) var heap: Heap?
  /// The memory of tasks; nil until it stands.
  public internal(set) var tasks: TaskMemory<Machine.Memory, Machine.Hint>?
  /// The kernel's address space; nil until it is active.
  public internal(set) var space: AddressSpace<Machine.Memory>?
  /// The clock; nil until it is calibrated.
  public internal(set) var clock: Platform.Time?
  /// How CPUs are called and kicked; nil on one CPU.
  public internal(set) var caller: Platform.Caller?
  /// What the other CPUs' start came to; nil on one CPU.
  public internal(set) var mailbox: Machine.Mailbox?
  /// The platform's memory map.
  var memoryMap = MemoryMap()
  /// An object that comes and goes, for the heap check.
  var probe: HeapProbe?
  /// What tests on the machine share between CPUs.
  let staleEntry = StaleEntryTest()

  /// The board's list of tasks, started on every CPU.
  var taskList: ((Kernel, CPUIndex) throws(SpawnError) -> Void)?
  /// Tasks that the lists have started, on all CPUs.
  let started = Atomic<UInt64>(0)

  /// What `test=sleep` shares between CPUs.
  var sleepers: SleepCheck?
  /// What `soak=N` on the command line asks for.
  var soak: WakeSoak?

  /// The most frames that Swift objects take: 2 MiB, what the CPUs may hold in stock, and a byte for each guest page.
  public var heapLimit: UInt64 {
    let guest = platform.guestMemory
    var bytes: UInt64 = 0
    for index in 0..<guest.count { bytes &+= guest[index]?.bytes ?? 0 }
    return 512 &+ 24 &* UInt64(processors.count) &+ bytes >> 24
  }
  /// Frames set aside for objects when those are used up: 128 KiB.
  static var heapReserve: UInt64 { 32 }
  /// Frames set aside for growing async frames (I6): 256 KiB.
  static var taskReserve: UInt64 { 64 }

  /// A kernel that has not booted.
  public init(machine: Machine, platform: Platform) {
    self.machine = machine
    self.platform = platform
    processors = ProcessorList(boot: machine.apicID)
  }
}

/// A set of at most 128 CPUs.
public struct ProcessorSet: Equatable, Sendable {
  private var low: UInt64 = 0
  private var high: UInt64 = 0
  /// The empty set.
  public init() {}
  /// Adds `cpu`; one beyond 127 is ignored.
  public mutating func insert(_ cpu: CPUIndex) {
    if cpu.rawValue < 64 { low |= 1 << UInt64(cpu.rawValue) }
    if cpu.rawValue >= 64, cpu.rawValue < 128 { high |= 1 << UInt64(cpu.rawValue &- 64) }
  }
  /// Whether `cpu` is in.
  public func contains(_ cpu: CPUIndex) -> Bool {
    if cpu.rawValue < 64 { return (low >> UInt64(cpu.rawValue)) & 1 == 1 }
    return cpu.rawValue < 128 && (high >> UInt64(cpu.rawValue &- 64)) & 1 == 1
  }
  /// How many are in.
  public var count: Int { low.nonzeroBitCount + high.nonzeroBitCount }
}
