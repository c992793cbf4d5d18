// Tests of the ACPI reader: sparse and wide APIC ids, and tables that lie.
import Kernel
import Seams
import TestSupport
import Testing
import X86

/// Builds tables as ACPI 6.5, 5.2.5 to 5.2.12, describes them.
private struct Tables {
  var entries: [UInt8] = []
  var useXSDT = true

  mutating func local(_ id: UInt8, flags: UInt32 = 1) { entries += [0, 8, id, id] + bytes(flags) }
  mutating func x2(_ id: UInt32, flags: UInt32 = 1) {
    entries += [9, 16, 0, 0] + bytes(id) + bytes(flags) + bytes(id)
  }

  func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    (0..<(Value.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> Value(8 * $0)) }
  }

  static func fix(_ table: inout [UInt8], at place: Int) {
    table[place] = 0
    table[place] = 0 &- table.reduce(0, &+)
  }

  func table(_ signature: String, _ body: [UInt8]) -> [UInt8] {
    var table =
      Array(signature.utf8) + bytes(UInt32(36 + body.count)) + [1, 0] + [UInt8](repeating: 0x20, count: 26)
    table += body
    Self.fix(&table, at: 9)
    return table
  }

  /// Root pointer at 0xF0000, root table at 0xF1000, another table at 0xF2000, MADT at 0xF3000.
  func install(_ memory: FakeMemory) {
    let addresses: [UInt64] = [0xF2000, 0xF3000]
    let root =
      useXSDT
      ? table("XSDT", addresses.flatMap(bytes)) : table("RSDT", addresses.flatMap { bytes(UInt32($0)) })
    var pointer = Array("RSD PTR ".utf8) + [0] + Array("APUS  ".utf8) + [useXSDT ? 2 : 0]
    pointer += bytes(UInt32(useXSDT ? 0 : 0xF1000))
    Self.fix(&pointer, at: 8)
    if useXSDT {
      pointer += bytes(UInt32(36)) + bytes(UInt64(0xF1000)) + [0, 0, 0, 0]
      Self.fix(&pointer, at: 32)
    }
    memory.put(pointer, at: 0xF0000)
    memory.put(root, at: 0xF1000)
    memory.put(table("FACP", [1, 2, 3, 4]), at: 0xF2000)
    memory.put(table("APIC", bytes(UInt32(0xFEE0_0000)) + bytes(UInt32(1)) + entries), at: 0xF3000)
  }
}

@Suite struct ACPITablesTests {
  private let root = PhysicalAddress(0xF0000)

  private func read(_ memory: FakeMemory, boot: UInt32 = 0) throws(ACPIError) -> [UInt32] {
    let list = try ACPITables(memory: memory).processors(rootPointer: root, boot: APICID(rawValue: boot))
    return (0..<UInt32(list.count)).compactMap { list[CPUIndex($0)]?.rawValue }
  }

  @Test(arguments: [true, false]) func idsMayHaveGapsAndExceed255(useXSDT: Bool) throws {
    let memory = FakeMemory(base: 0xE0000, count: 0x20000)
    var tables = Tables(useXSDT: useXSDT)
    tables.local(0)
    tables.local(2)
    tables.entries += [1, 12] + [UInt8](repeating: 9, count: 10)  // an I/O APIC is passed over
    tables.local(64)
    tables.local(0xFF)  // not an id
    tables.x2(300)
    tables.x2(70_000)
    tables.x2(.max)  // not an id
    tables.x2(2)  // listed twice
    tables.local(5, flags: 0)  // disabled
    tables.local(6, flags: 2)  // only capable of being online
    tables.install(memory)
    #expect(try read(memory) == [0, 2, 64, 300, 70_000])
    #expect(try read(memory, boot: 64) == [64, 0, 2, 300, 70_000])
    #expect(memory.strayAccesses == 0)
  }

  @Test func moreCPUsThanFitAreCounted() throws {
    let memory = FakeMemory(base: 0xE0000, count: 0x20000)
    var tables = Tables()
    for id in 0..<UInt32(500) { tables.x2(id * 7) }
    tables.install(memory)
    let list = try ACPITables(memory: memory).processors(rootPointer: root, boot: APICID(rawValue: 0))
    #expect(list.count == 120 && list.omitted == 380)
  }

  @Test func entriesThatRunOutOfTheTableAreRefused() {
    for bad in [[0, 0], [0, 1], [0, 8, 1, 1, 1], [9, 255, 0]] as [[UInt8]] {
      let memory = FakeMemory(base: 0xE0000, count: 0x20000)
      var tables = Tables()
      tables.entries = bad
      tables.install(memory)
      #expect(throws: ACPIError.badLength) { try read(memory) }
    }
  }

  @Test func shortEntriesOfAKnownKindAreSkipped() throws {
    let memory = FakeMemory(base: 0xE0000, count: 0x20000)
    var tables = Tables()
    tables.entries = [0, 2, 9, 4, 1, 1, 0, 7, 9, 9, 9, 9, 9]
    tables.local(3)
    tables.install(memory)
    #expect(try read(memory) == [0, 3])
  }

  @Test func everyByteIsCoveredByASignatureLengthOrChecksum() throws {
    let memory = FakeMemory(base: 0xE0000, count: 0x20000)
    var tables = Tables()
    tables.local(0)
    tables.local(1)
    tables.x2(300)
    tables.install(memory)
    let good = try read(memory)
    let root = 36
    let madt = 44 + 8 + 8 + 16
    for (start, count) in [(0xF0000, root), (0xF1000, 52), (0xF3000, madt)] {
      for offset in 0..<count {
        let place = start - 0xE0000 + offset
        memory.bytes[place] ^= 0x10
        // An error, or an answer that no damaged byte could change.
        if let answer = try? read(memory) { #expect(answer == good, "byte \(offset) at \(start)") }
        #expect((try? read(memory)) == nil, "byte \(offset) at \(start)")
        memory.bytes[place] ^= 0x10
      }
    }
    #expect(try read(memory) == good)
  }

  @Test func tablesBeyondMemoryOrWithoutEndAreRefused() {
    let memory = FakeMemory(base: 0xE0000, count: 0x20000)
    #expect(throws: ACPIError.self) {
      try ACPITables(memory: memory).processors(
        rootPointer: PhysicalAddress(.max - 10), boot: APICID(rawValue: 0))
    }
    var tables = Tables()
    tables.local(1)
    tables.install(memory)
    for length in [0, 35, 65_537, UInt32.max] as [UInt32] {
      memory.put(tables.bytes(length), at: 0xF3004)
      #expect(throws: ACPIError.badLength) { try read(memory) }
    }
  }

  @Test(arguments: seeds) func noDamageBringsTheReaderDown(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let memory = FakeMemory(base: 0xE0000, count: 0x20000)
    var tables = Tables()
    for id in 0..<UInt32(20) { tables.x2(id) }
    for _ in 0..<200 {
      tables.install(memory)
      for _ in 0..<(1 + random.next() % 8) {
        let place = [0x10000, 0x11000, 0x13000][Int(random.next() % 3)] + Int(random.next() % 200)
        memory.bytes[place] = UInt8(truncatingIfNeeded: random.next())
      }
      if let ids = try? read(memory) { #expect(ids.count <= 120) }
    }
  }
}
