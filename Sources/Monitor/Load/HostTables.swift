// HostTables: the tables that a host writes into parameter areas.

/// The memory map, MADT and device tree of a machine (reference igvm.md §7; ACPI 6.5, 5.2.12).
public enum HostTables {
  /// The type of a memory-map entry.
  public enum MemoryType: UInt16, Sendable {
    /// Ordinary memory.
    case memory = 0
    /// Reserved for the platform.
    case reserved = 1
  }

  /// One entry: first page, page count, type.
  public struct MemoryEntry: Equatable, Sendable {
    /// The first page.
    public var page: UInt64
    /// How many pages.
    public var count: UInt64
    /// What they are.
    public var type: MemoryType
  }

  /// The honest memory map: RAM around the legacy hole at 640 KiB.
  public static func memoryEntries(byteCount: UInt64) -> [MemoryEntry] {
    [
      MemoryEntry(page: 0, count: 0xA0, type: .memory),
      MemoryEntry(page: 0xA0, count: 0x60, type: .reserved),
      MemoryEntry(page: 0x100, count: byteCount / 4096 &- 0x100, type: .memory),
    ]
  }

  /// The MEMORY_MAP parameter: 24-byte entries and one of count 0.
  public static func memoryMap(_ machine: GuestMachine) -> [UInt8] {
    var out = ByteList()
    var entries = memoryEntries(byteCount: machine.byteCount)
    if machine.lies.contains(.memoryMap) {
      entries.append(MemoryEntry(page: 0x200, count: .max, type: .memory))
      entries.append(MemoryEntry(page: 0x8000, count: 0x1000, type: .reserved))
    }
    for entry in entries {
      out.little(entry.page, 8)
      out.little(entry.count, 8)
      out.little(UInt64(entry.type.rawValue), 2)
      out.little(0, 6)
    }
    out.little(0, 24)
    return out.bytes
  }

  /// The MADT: a local APIC or x2APIC for each vCPU, and q35's I/O APIC with its timer override.
  public static func madt(_ machine: GuestMachine) -> [UInt8] {
    var out = ByteList()
    out.text("APIC")
    out.little(0, 4)
    out.little(5, 1)
    out.little(0, 1)
    out.text("APUS  MONITOR ")
    out.little(1, 4)
    out.text("APUS")
    out.little(1, 4)
    out.little(0xFEE0_0000, 4)
    // PC-AT compatible: there are two 8259s.
    out.little(1, 4)
    for (index, id) in machine.apicIDs.enumerated() {
      if id < 255 {
        out.little(0x0800, 2)
        out.little(UInt64(index & 0xFF), 1)
        out.little(UInt64(id), 1)
        out.little(1, 4)
      } else {
        out.little(0x1009, 2)
        out.little(0, 2)
        out.little(UInt64(id), 4)
        out.little(1, 4)
        out.little(UInt64(index), 4)
      }
    }
    out.little(0x0C01, 2)
    out.little(0, 2)
    out.little(0xFEC0_0000, 4)
    out.little(0, 4)
    // IRQ 0 is wired to input 2, edge and high by the bus's rule.
    out.little(0x0A02, 2)
    out.little(0, 2)
    out.little(2, 4)
    out.little(0, 2)
    if machine.lies.contains(.madt) { out.little(0xFF00, 2) }
    out.set(4, UInt64(out.bytes.count), 4)
    var sum: UInt8 = 0
    for byte in out.bytes { sum &+= byte }
    out.set(9, UInt64(0 &- sum), 1)
    return out.bytes
  }

  /// A flattened device tree with memory nodes and the command line (igvm.md §7; DTSpec 0.4, chapter 5).
  public static func deviceTree(_ machine: GuestMachine) -> [UInt8] {
    var structure = ByteList()
    var strings = ByteList()
    func name(_ text: String) -> UInt64 {
      let place = UInt64(strings.bytes.count)
      strings.text(text)
      strings.little(0, 1)
      return place
    }
    let addressCells = name("#address-cells")
    let sizeCells = name("#size-cells")
    let deviceType = name("device_type")
    let region = name("reg")
    let type = name("microsoft,igvm-type")
    let arguments = name("bootargs")
    func property(_ name: UInt64, _ value: [UInt8]) {
      structure.big(3, 4)
      structure.big(UInt64(value.count), 4)
      structure.big(name, 4)
      for byte in value { structure.little(UInt64(byte), 1) }
      structure.align(4)
    }
    func cells(_ values: [UInt64], width: Int) -> [UInt8] {
      var list = ByteList()
      for value in values { list.big(value, width) }
      return list.bytes
    }
    func node(_ text: String) {
      structure.big(1, 4)
      structure.text(text)
      structure.little(0, 1)
      structure.align(4)
    }
    node("")
    property(addressCells, cells([2], width: 4))
    property(sizeCells, cells([2], width: 4))
    var memory = ByteList()
    memory.text("memory")
    memory.little(0, 1)
    for entry in memoryEntries(byteCount: machine.byteCount) {
      var title = LineText("memory@")
      title.add(decimal: entry.page)
      structure.big(1, 4)
      for byte in title.bytes { structure.little(UInt64(byte), 1) }
      structure.little(0, 1)
      structure.align(4)
      property(deviceType, memory.bytes)
      property(region, cells([entry.page &* 4096, entry.count &* 4096], width: 8))
      property(type, cells([UInt64(entry.type.rawValue)], width: 4))
      structure.big(2, 4)
    }
    node("chosen")
    property(arguments, machine.commandLine + [0])
    structure.big(2, 4)
    structure.big(2, 4)
    structure.big(9, 4)

    var out = ByteList()
    let headerCount: UInt64 = 40 + 16
    let structureEnd = headerCount &+ UInt64(structure.bytes.count)
    out.big(0xD00D_FEED, 4)
    out.big(structureEnd &+ UInt64(strings.bytes.count), 4)
    out.big(headerCount, 4)
    out.big(structureEnd, 4)
    out.big(40, 4)
    out.big(17, 4)
    out.big(16, 4)
    out.big(0, 4)
    out.big(UInt64(strings.bytes.count), 4)
    out.big(UInt64(structure.bytes.count), 4)
    // One empty reservation.
    out.little(0, 16)
    return out.bytes + structure.bytes + strings.bytes
  }
}

/// Bytes of a table under construction.
struct ByteList {
  private(set) var bytes: [UInt8] = []

  mutating func little(_ value: UInt64, _ count: Int) {
    for index in 0..<count {
      bytes.append(index < 8 ? UInt8(truncatingIfNeeded: value >> UInt64(8 &* index)) : 0)
    }
  }

  mutating func big(_ value: UInt64, _ count: Int) {
    for index in 0..<count {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 &* (count &- 1 &- index))))
    }
  }

  mutating func text(_ text: String) {
    let span = text.utf8Span.span
    for index in span.indices { bytes.append(span[index]) }
  }

  mutating func align(_ count: Int) {
    while bytes.count % count != 0 { bytes.append(0) }
  }

  mutating func set(_ place: Int, _ value: UInt64, _ count: Int) {
    for index in 0..<count where place &+ index < bytes.count {
      bytes[place &+ index] = UInt8(truncatingIfNeeded: value >> UInt64(8 &* index))
    }
  }
}
