// FrameOwner: who owns a frame of memory, one byte each, so that the kernel can say where its memory went.

/// The owner of a frame, kept in the frame table.
public enum FrameOwner: UInt8, Sendable, CaseIterable {
  /// Not memory, or the firmware's.
  case firmware
  /// Nobody's: it can be allocated.
  case free
  /// Held ready by a CPU's cache.
  case cached
  /// Unmapped, and waiting until no CPU can have it in its TLB.
  case retiring
  /// Below 1 MiB: only a trampoline may need it.
  case low
  /// The kernel's image.
  case image
  /// The frame table itself.
  case frameTable
  /// Page tables.
  case pageTables
  /// A CPU's stacks and block.
  case processor
  /// The code and mailbox that other CPUs start through.
  case trampoline
  /// Heap objects of one size class or the first frame of a bigger one.
  case heap
  /// A further frame of a big heap object.
  case heapRun
  /// Task memory.
  case tasks
  /// Mapped in the address window.
  case window
  /// Set aside for what must go on when all else is used up (I6).
  case reserve

  /// The name printed in the map of memory.
  public var name: String {
    switch self {
    case .firmware: "firmware"
    case .free: "free"
    case .cached: "cached"
    case .retiring: "retiring"
    case .low: "low"
    case .image: "image"
    case .frameTable: "frame table"
    case .pageTables: "page tables"
    case .processor: "CPU stacks and blocks"
    case .trampoline: "trampoline"
    case .heap, .heapRun: "heap"
    case .tasks: "tasks"
    case .window: "window"
    case .reserve: "reserve"
    }
  }

  /// Whether frames of this owner count as memory the kernel uses.
  public var isUsed: Bool {
    switch self {
    case .firmware, .free, .low: false
    default: true
    }
  }
}

/// What goes wrong when memory is asked for or given back.
public enum MemoryError: Error, Equatable, Sendable {
  /// There is no frame, or no run of frames, left.
  case exhausted
  /// The memory given back is not owned by who gives it back.
  case notOwned
  /// A size or alignment that is never served.
  case unservable
}
