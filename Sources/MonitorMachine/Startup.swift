// Startup: what the loader left behind, and how the CPUs come to the board's code.

public import Model
import MonitorBoot
import Seams

nonisolated(unsafe) private var others: (any OtherProcessors)?

/// What the CPUs besides the first do once guests exist.
public protocol OtherProcessors: AnyObject {
  /// Runs `cpu` for ever.
  func run(_ cpu: Int) -> Never
}

/// The PVH record (Xen's `hvm_start_info`, version 1) and what QEMU says besides.
public struct BootRecord: Sendable {
  /// The end of the memory that starts at 1 MiB, bytes.
  public var memoryEnd: UInt64 = 0
  /// Where the file given by -initrd or fw_cfg lies, bytes; empty without one.
  public var module: Range<UInt64> = 0..<0
  /// The command line, at most 2048 bytes.
  public var words: [UInt8] = []
  /// How many CPUs the machine has.
  public var processorCount = 1

  /// Reads the record.
  public init() {
    let start = mon_start_info_address()
    let modules = mon_load32(start + 12)
    let list = mon_load64(start + 16)
    if modules > 0, list != 0 {
      let address = mon_load64(list)
      module = address..<(address &+ min(mon_load64(list + 8), 1 << 30))
    }
    let line = mon_load64(start + 24)
    if line != 0 {
      for index in 0..<UInt64(2048) {
        let byte = mon_load8(line + index)
        if byte == 0 { break }
        words.append(byte)
      }
    }
    let map = mon_load64(start + 40)
    for index in 0..<UInt64(min(mon_load32(start + 48), 128)) {
      let entry = map + 24 * index
      let (from, count) = (mon_load64(entry), mon_load64(entry + 8))
      if mon_load32(entry + 16) == 1, from <= 1 << 20, from + count > 1 << 20 {
        memoryEnd = min(from + count, 1 << 32)
      }
    }
    // fw_cfg: the number of CPUs is item 5 (QEMU docs/specs/fw_cfg).
    mon_out16(0x510, 5)
    let low = UInt16(mon_in8(0x511))
    processorCount = max(1, Int(low | UInt16(mon_in8(0x511)) << 8))
    appendConfiguredWords()
    readConfiguredImage()
  }

  /// The selector and size of the fw_cfg file `name`; nil if there is none.
  ///
  /// The directory is item 0x19: a count, then 64 bytes each with size, selector (big-endian) and name.
  private func configured(_ name: StaticString) -> (selector: UInt16, count: UInt32)? {
    func big(_ count: Int) -> UInt32 {
      var value: UInt32 = 0
      for _ in 0..<count { value = value << 8 | UInt32(mon_in8(0x511)) }
      return value
    }
    mon_out16(0x510, 0x19)
    var found: (selector: UInt16, count: UInt32)?
    for _ in 0..<min(big(4), 256) {
      let count = big(4)
      let selector = UInt16(truncatingIfNeeded: big(4) >> 16)
      var isSame = true
      for index in 0..<56 {
        let byte = mon_in8(0x511)
        // UNSAFETY: the index is below the literal's length; its zero byte follows.
        let wanted = index < name.utf8CodeUnitCount ? unsafe name.utf8Start[index] : 0
        if index <= name.utf8CodeUnitCount, byte != wanted { isSame = false }
      }
      if isSame { found = (selector, count) }
    }
    return found
  }

  /// Appends the words of the fw_cfg file `opt/apus/words`, at most 1024 bytes, if there is one.
  private mutating func appendConfiguredWords() {
    guard let found = configured("opt/apus/words") else { return }
    mon_out16(0x510, found.selector)
    words.append(0x20)
    for _ in 0..<min(found.count, 1024) {
      let byte = mon_in8(0x511)
      words.append(byte < 0x20 ? 0x20 : byte)
    }
  }

  /// Without a module: puts the fw_cfg file `opt/apus/image`, if there is one, at the end of memory, as a loader does.
  private mutating func readConfiguredImage() {
    guard module.isEmpty, let found = configured("opt/apus/image") else { return }
    let count = UInt64(found.count)
    let start = (memoryEnd &- min(count, memoryEnd)) & ~0x1F_FFFF
    // The early heap lies behind the monitor's own image.
    guard count > 0, start >= mon_image_end_address() &+ (4 << 20) else { return }
    mon_read_configured(found.selector, start, found.count)
    module = start..<(start &+ count)
  }
}

/// Taking the machine.
public enum MonitorStart {
  /// How the monitor's and the guest's memory divide what there is.
  public struct Split: Sendable {
    /// The guest's first page.
    public var guestBase: SystemPage
    /// How many pages the guest has.
    public var guestPageCount: Int
    /// Bytes from 0 to the guest's first page.
    public var monitorBytes: UInt64
  }

  /// Where memory divides: the monitor's own grows by 1/64 of the guest's.
  ///
  /// Nil if too little is left.
  public static func split(_ record: BootRecord, guestBytes: UInt64?) -> Split? {
    let image = mon_image_end_address()
    var end = record.memoryEnd & ~0x1F_FFFF
    if !record.module.isEmpty, record.module.lowerBound > image {
      end = min(end, record.module.lowerBound & ~0x1F_FFFF)
    }
    guard end > image else { return nil }
    let base = (image + (4 << 20) + end / 64 + 0x1F_FFFF) & ~0x1F_FFFF
    guard end > base, end - base >= 16 << 20 else { return nil }
    var bytes = end - base
    if let guestBytes {
      guard guestBytes <= bytes, guestBytes >= 16 << 20 else { return nil }
      bytes = guestBytes & ~0x1F_FFFF
    }
    mon_heap_extend(base)
    return Split(
      guestBase: SystemPage(containing: base), guestPageCount: Int(bytes >> 12), monitorBytes: base)
  }

  /// A heap for the boot record and the command line, before memory is split.
  public static func useEarlyHeap() {
    mon_heap_use(mon_image_end_address(), mon_image_end_address() + (2 << 20))
  }

  /// Starts all CPUs; false if one does not come.
  public static func startProcessors(_ machine: PhysicalMachine, _ record: BootRecord) -> Bool {
    machine.start(count: record.processorCount)
  }

  /// Lets the other CPUs go on.
  public static func install(_ processors: any OtherProcessors) {
    mon_lock()
    unsafe others = processors
    mon_unlock()
  }

  /// Calls `body` with the bytes of the file that was given.
  public static func withFile<Result, Failure: Error>(
    _ record: BootRecord, _ body: (borrowing Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let count = Int(record.module.upperBound - record.module.lowerBound)
    // UNSAFETY: the loader or fw_cfg put `count` bytes there, and the split of memory left them out.
    let start = unsafe UnsafePointer<UInt8>(bitPattern: UInt(record.module.lowerBound))
    let buffer = unsafe UnsafeBufferPointer(start: start, count: start == nil ? 0 : count)
    return try body(unsafe buffer.span)
  }

  /// The time-stamp counter at the monitor's first instruction.
  public static var firstCycles: UInt64 { mon_first_cycles() }
}

/// From the trampoline, on the CPU's own stack, interrupts off.
@c(mon_other_main) public func otherMain(_ cpu: Int) {
  PhysicalMachine().prepare(cpu)
  mon_online_increment()
  while true {
    mon_lock()
    let entry = unsafe others
    mon_unlock()
    if let entry { entry.run(cpu) }
    mon_pause()
  }
}

/// An exception of the monitor itself: a defect, reported and final.
@c(mon_exception) public func exception(
  _ vector: UInt64, _ error: UInt64, _ rip: UInt64, _ cr2: UInt64, _ rsp: UInt64
) {
  let machine = PhysicalMachine()
  machine.write("\nmonitor: exception ")
  machine.write(decimal: vector)
  machine.write(" error ")
  machine.write(hex: error)
  machine.write(" cr2 ")
  machine.write(hex: cr2)
  machine.write(" rsp ")
  machine.write(hex: rsp)
  machine.write("\n  at ")
  machine.write(hex: rip)
  machine.endLine()
  machine.end(.panic)
}
