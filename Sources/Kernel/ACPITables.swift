// ACPITables: finds the CPUs in the firmware's tables, trusting nothing they say.
import Seams
import X86

/// Why the firmware's tables are of no use.
public enum ACPIError: Error, Equatable, Sendable {
  /// A signature is not the expected one.
  case badSignature
  /// A table's bytes don't sum to zero.
  case badChecksum
  /// A length is too small for the table, or beyond what is read.
  case badLength
  /// There is no MADT.
  case noProcessorTable
}

/// Reads tables byte by byte, each byte once: what is checked is what is used.
///
/// ACPI specification 6.5, sections 5.2.5 to 5.2.8 (root tables) and 5.2.12 (MADT).
public struct ACPITables<Memory: PhysicalMemory> {
  /// The longest table that is read, in bytes; a MADT of 255 CPUs in both kinds of entry is a tenth of it.
  public static var longestTable: UInt32 { 65_536 }
  private static var headerBytes: UInt32 { 36 }
  private let memory: Memory

  /// Tables in `memory`.
  public init(memory: Memory) { self.memory = memory }

  /// The CPUs that are enabled in the MADT under the root pointer at `address`, after the one that booted.
  public func processors(rootPointer address: PhysicalAddress, boot: APICID) throws(ACPIError)
    -> ProcessorList
  {
    let root = try rootTable(pointer: address)
    let madt = try processorTable(root: root.address, entryBytes: root.entryBytes)
    return try processors(madt: madt, boot: boot)
  }

  // RSDP: 20 bytes and a checksum in revision 0, 36 and a second checksum from revision 2.
  private func rootTable(
    pointer address: PhysicalAddress
  ) throws(ACPIError) -> (address: PhysicalAddress, entryBytes: UInt32) {
    var cursor = TableCursor(memory, at: address, limit: 20)
    guard try cursor.u64() == 0x2052_5450_2044_5352 else { throw .badSignature }  // "RSD PTR "
    try cursor.skip(7)
    let revision = try cursor.u8()
    let rsdt = try cursor.u32()
    guard cursor.sum == 0 else { throw .badChecksum }
    if revision < 2 { return (PhysicalAddress(UInt64(rsdt)), 4) }
    cursor.extend(to: 36)
    let length = try cursor.u32()
    guard length >= 36, length <= 4096 else { throw .badLength }
    let xsdt = try cursor.u64()
    cursor.extend(to: length)
    try cursor.skip(length &- 32)
    guard cursor.sum == 0 else { throw .badChecksum }
    return xsdt == 0 ? (PhysicalAddress(UInt64(rsdt)), 4) : (PhysicalAddress(xsdt), 8)
  }

  private func processorTable(root: PhysicalAddress, entryBytes: UInt32) throws(ACPIError) -> PhysicalAddress
  {
    var cursor = TableCursor(memory, at: root, limit: 8)
    let signature = try cursor.u32()
    // "XSDT" or "RSDT"
    guard signature == (entryBytes == 8 ? 0x5444_5358 : 0x5444_5352) else { throw .badSignature }
    let length = try cursor.u32()
    guard length >= Self.headerBytes, length <= Self.longestTable else { throw .badLength }
    cursor.extend(to: length)
    try cursor.skip(Self.headerBytes &- 8)
    var found: PhysicalAddress?
    while cursor.left >= entryBytes {
      let entry = PhysicalAddress(entryBytes == 8 ? try cursor.u64() : UInt64(try cursor.u32()))
      if found == nil, memory.load(UInt32.self, at: entry) == 0x4349_5041 { found = entry }  // "APIC"
    }
    try cursor.skip(cursor.left)
    guard cursor.sum == 0 else { throw .badChecksum }
    guard let found else { throw .noProcessorTable }
    return found
  }

  /// The CPUs that are enabled in the MADT at `madt`, after the one that booted.
  public func processors(madt: PhysicalAddress, boot: APICID) throws(ACPIError) -> ProcessorList {
    var cursor = TableCursor(memory, at: madt, limit: 8)
    guard try cursor.u32() == 0x4349_5041 else { throw .badSignature }
    let length = try cursor.u32()
    guard length >= Self.headerBytes &+ 8, length <= Self.longestTable else { throw .badLength }
    cursor.extend(to: length)
    try cursor.skip(Self.headerBytes)  // the rest of the header, the APIC's address and the flags
    var list = ProcessorList(boot: boot)
    while cursor.left >= 2 {
      let kind = try cursor.u8()
      let entryLength = UInt32(try cursor.u8())
      guard entryLength >= 2, entryLength &- 2 <= cursor.left else { throw .badLength }
      try entry(kind, left: entryLength &- 2, &cursor, &list)
    }
    try cursor.skip(cursor.left)
    guard cursor.sum == 0 else { throw .badChecksum }
    return list
  }

  // Table 5.21: kind 0 is a local APIC (8 bytes), kind 9 a local x2APIC (16 bytes); flag bit 0 is "enabled".
  private func entry(
    _ kind: UInt8, left: UInt32, _ cursor: inout TableCursor<Memory>, _ list: inout ProcessorList
  ) throws(ACPIError) {
    let start = cursor.left
    if kind == 0, left >= 6 {
      _ = try cursor.u8()
      let id = try cursor.u8()
      if try cursor.u32() & 1 == 1, id != 0xFF { list.add(APICID(rawValue: UInt32(id))) }
    } else if kind == 9, left >= 14 {
      try cursor.skip(2)
      let id = try cursor.u32()
      if try cursor.u32() & 1 == 1, id != .max { list.add(APICID(rawValue: id)) }
    }
    try cursor.skip(left &- (start &- cursor.left))
  }
}

/// A cursor over a table in memory that sums what it passes.
struct TableCursor<Memory: PhysicalMemory> {
  private let memory: Memory
  private let base: PhysicalAddress
  private var offset: UInt32 = 0
  private var limit: UInt32
  /// The sum of all bytes passed.
  private(set) var sum: UInt8 = 0

  init(_ memory: Memory, at base: PhysicalAddress, limit: UInt32) {
    self.memory = memory
    self.base = base
    self.limit = limit
  }

  var left: UInt32 { limit &- offset }

  mutating func extend(to limit: UInt32) { self.limit = max(self.limit, limit) }

  mutating func u8() throws(ACPIError) -> UInt8 {
    guard left > 0 else { throw .badLength }
    let byte = memory.load(UInt8.self, at: base.advanced(by: UInt64(offset)))
    sum &+= byte
    offset &+= 1
    return byte
  }

  mutating func u32() throws(ACPIError) -> UInt32 {
    var value: UInt32 = 0
    for shift in 0..<UInt32(4) { value |= UInt32(try u8()) << (8 &* shift) }
    return value
  }

  mutating func u64() throws(ACPIError) -> UInt64 {
    let low = UInt64(try u32())
    return low | UInt64(try u32()) << 32
  }

  mutating func skip(_ count: UInt32) throws(ACPIError) {
    for _ in 0..<count { _ = try u8() }
  }
}
