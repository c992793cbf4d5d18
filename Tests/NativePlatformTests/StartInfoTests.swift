// Tests of the PVH record's decoder: what a loader may leave, and what it should not.
import NativePlatform
import Seams
import Testing
import X86

private final class Bytes: PhysicalMemory {
  var bytes = [UInt8](repeating: 0, count: 0x4000)
  var limit: PhysicalAddress { PhysicalAddress(UInt64(bytes.count)) }
  func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  ) -> Value {
    let width = Value.bitWidth / 8
    guard address.rawValue < UInt64(bytes.count), UInt64(bytes.count) - address.rawValue >= UInt64(width)
    else { return .max }
    return (0..<width).reduce(0) {
      $0 | Value(truncatingIfNeeded: bytes[Int(address.rawValue) + $1]) << Value(8 * $1)
    }
  }
  func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at address: PhysicalAddress
  ) {
    for offset in 0..<(Value.bitWidth / 8) {
      bytes[Int(address.rawValue) + offset] = UInt8(truncatingIfNeeded: value >> Value(8 * offset))
    }
  }
  func zero(_ address: PhysicalAddress, count: UInt64) {}
  func put<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ value: Value, _ address: UInt64) {
    store(value, at: PhysicalAddress(address))
  }
}

@Suite struct StartInfoTests {
  private func record() -> Bytes {
    let memory = Bytes()
    memory.put(UInt32(0x336E_C578), 0x1000)
    memory.put(UInt32(1), 0x1004)
    memory.put(UInt64(0x2000), 0x1018)  // command line
    memory.put(UInt64(0x3000), 0x1020)  // RSDP
    memory.put(UInt64(0x1100), 0x1028)  // memory map
    memory.put(UInt32(3), 0x1030)
    for (index, (start, bytes, kind)) in [(0, 0x9FC00, 1), (0x100000, 0xFF00000, 1), (0xFEFFC000, 0x4000, 2)]
      .enumerated() as EnumeratedSequence<[(UInt64, UInt64, UInt32)]>
    {
      let entry = 0x1100 + 24 * UInt64(index)
      memory.put(start, entry)
      memory.put(bytes, entry + 8)
      memory.put(kind, entry + 16)
    }
    for (index, byte) in "until=idle".utf8.enumerated() { memory.bytes[0x2000 + index] = byte }
    return memory
  }

  private let place = PhysicalAddress(0x1000)

  @Test func theRecordsFieldsLieWhereXensHeaderPutsThem() throws {
    let information = try StartInfo.decode(at: place, record())
    #expect(information.memory.count == 3)
    #expect(
      information.memory[1]
        == MemoryRegion(start: PhysicalAddress(0x100000), bytes: 0xFF00000, kind: .usable))
    #expect(information.memory[2]?.kind == .reserved)
    #expect(information.rootPointer == PhysicalAddress(0x3000))
    #expect(information.commandLine.count == 10 && information.commandLine[0] == 0x75)
  }

  @Test func aRecordOfAnotherKindOrVersionIsRefused() {
    for (offset, value) in [(0x1000, 0x336E_C579), (0x1004, 0), (0x1004, .max)] as [(UInt64, UInt32)] {
      let memory = record()
      memory.put(value, offset)
      #expect(throws: BootInformationError.notRecognised) { try StartInfo.decode(at: place, memory) }
    }
    #expect(throws: BootInformationError.notRecognised) {
      try StartInfo.decode(at: PhysicalAddress(.max), record())
    }
  }

  @Test func aRecordWithoutAMapIsRefused() {
    for (offset, value) in [(0x1030, 0), (0x1028, 0), (0x1028, 1 << 40)] as [(UInt64, UInt64)] {
      let memory = record()
      memory.put(value, offset)
      #expect(throws: BootInformationError.noMemoryMap) { try StartInfo.decode(at: place, memory) }
    }
  }

  @Test func wrappingEmptyAndTooManyRegionsAreLeftOut() throws {
    let memory = record()
    memory.put(UInt64.max - 100, 0x1100)
    memory.put(UInt64(0), 0x1100 + 24 + 8)
    memory.put(UInt32.max, 0x1030)
    let information = try StartInfo.decode(at: place, memory)
    #expect(information.memory.count <= MemoryMap.capacity && information.memory.omitted > 2)
    #expect(information.memory[0]?.start == PhysicalAddress(0xFEFFC000))
  }

  @Test func anEndlessCommandLineIsCut() throws {
    let memory = record()
    for index in 0x2000..<0x4000 { memory.bytes[index] = 0x61 }
    let information = try StartInfo.decode(at: place, memory)
    #expect(information.commandLine.count == CommandLine.capacity && information.commandLine.isCut)
    memory.put(UInt64(0x3FFE), 0x1018)
    #expect(try StartInfo.decode(at: place, memory).commandLine.count == 2)
    memory.put(UInt64(0), 0x1018)
    #expect(try StartInfo.decode(at: place, memory).commandLine.count == 0)
  }

  @Test func aRootPointerBeyondMemoryIsNone() throws {
    let memory = record()
    memory.put(UInt64(1 << 50), 0x1020)
    #expect(try StartInfo.decode(at: place, memory).rootPointer == nil)
  }
}
