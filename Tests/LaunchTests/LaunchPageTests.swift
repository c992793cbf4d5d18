// LaunchPageTests: the page read in place says what the page decoded says; the host's memory map is read with bounds.
import Launch
import Testing

/// A page in an array.
private struct ArraySource: LaunchSource {
  let bytes: [UInt8]
  func word(at offset: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<8 where offset + index < bytes.count {
      value |= UInt64(bytes[offset + index]) << UInt64(8 * index)
    }
    return value
  }
}

@Suite struct LaunchPageTests {
  private func information() -> LaunchInformation {
    var value = LaunchInformation(platform: 2, hypervisor: 3)
    value.processorCount = 64
    value.rangeStart = 0x800_0000
    value.rangeByteCount = 0x5C_0000
    value.sharedGPABoundary = 1 << 46
    value.encryptionBit = 51
    value.consolePort = 0x3F8
    value.guestByteCount = 1 << 40
    for index in 0..<20 { value.areas.append(LaunchArea(.image, gpa: UInt64(index) << 12, byteCount: 4096)) }
    value.areas.append(LaunchArea(.cpuid, gpa: 0x800_4000, byteCount: 4096))
    value.commandLine = Array("until=idle soak=12".utf8)
    return value
  }

  @Test("Every field read in place equals the decoded one")
  func fields() throws {
    let expected = information()
    let bytes = try #require(expected.encoded())
    let page = try LaunchPage(ArraySource(bytes: bytes))
    #expect(page.platform == 2 && page.hypervisor == 3 && page.processorCount == 64)
    #expect(page.rangeStart == expected.rangeStart && page.rangeByteCount == expected.rangeByteCount)
    #expect(page.sharedGPABoundary == 1 << 46 && page.consolePort == 0x3F8)
    #expect(page.guestByteCount == 1 << 40 && page.areaCount == 21)
    for index in 0..<21 { #expect(page[index] == expected.areas[index]) }
    #expect(page[21] == nil && page[-1] == nil)
    #expect(page.area(.cpuid)?.gpa == 0x800_4000)
    #expect(page.area(.madt) == nil)
    var line: [UInt8] = []
    while let byte = page.commandLineByte(line.count) { line.append(byte) }
    #expect(line == expected.commandLine)
  }

  @Test("A command line that fills its field ends with it, one byte more can't be written")
  func longestCommandLine() throws {
    var value = information()
    value.commandLine = [UInt8](repeating: 0x61, count: 255)
    let bytes = try #require(value.encoded())
    let page = try LaunchPage(ArraySource(bytes: bytes))
    #expect(page.commandLineByte(254) == 0x61 && page.commandLineByte(255) == nil)
    #expect(try LaunchInformation(decoding: bytes.span) == value)
    value.commandLine.append(0x61)
    #expect(value.encoded() == nil)
  }

  @Test("Another magic, version or count is refused")
  func refusals() throws {
    let bytes = try #require(information().encoded())
    for (offset, value, error) in [
      (0, 0 as UInt8, LaunchInformation.DecodeError.magic), (8, 9, .version), (0x37, 9, .tooManyAreas),
    ] {
      var changed = bytes
      changed[offset] = value
      #expect(throws: error) { try LaunchPage(ArraySource(bytes: changed)) }
    }
  }

  @Test(
    "The host's map ends at an empty entry or with its area; entries that wrap have no end (igvm.md 0x30C)")
  func hostMap() {
    var bytes = [UInt8](repeating: 0, count: 24 * 3)
    bytes[0] = 1
    bytes[8] = 16
    bytes[24 + 1] = 1
    bytes[24 + 8] = 2
    bytes[24 + 16] = 1
    for index in 48..<64 { bytes[index] = 0xFF }
    let whole = HostMemoryMap(ArraySource(bytes: bytes), byteCount: 72)
    #expect(whole[0] == HostMemoryEntry(firstPage: 1, pageCount: 16, type: 0))
    #expect(whole[0]?.endPage == 17 && whole[0]?.isMemory == true)
    #expect(whole[1]?.isMemory == false && whole[1]?.firstPage == 256)
    #expect(whole[2] != nil && whole[2]?.endPage == nil)
    #expect(whole[3] == nil)
    #expect(HostMemoryMap(ArraySource(bytes: bytes), byteCount: 47)[1] == nil)
    #expect(HostMemoryMap(ArraySource(bytes: [UInt8](repeating: 0, count: 24)), byteCount: 24)[0] == nil)
  }
}
