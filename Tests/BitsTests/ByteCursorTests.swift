// Tests of the byte cursors, the bit fields and CRC-32.
import Bits
import Testing

@Suite struct ByteCursorTests {
  @Test func readingPastTheEndThrowsAndDoesNotMove() throws {
    let bytes: [UInt8] = [1, 2, 3]
    var reader = ByteReader(limit: bytes.count)
    #expect(throws: ByteError.outOfBounds) { try reader.little(UInt32.self, bytes.span) }
    #expect(reader.offset == 0)
    #expect(try reader.little(UInt16.self, bytes.span) == 0x0201)
    #expect(try reader.u8(bytes.span) == 3)
    #expect(throws: ByteError.outOfBounds) { try reader.u8(bytes.span) }
  }

  @Test func aLimitBeyondTheBufferIsNotTrusted() {
    let bytes: [UInt8] = [1, 2]
    var reader = ByteReader(limit: 100)
    #expect(throws: ByteError.outOfBounds) { try reader.little(UInt32.self, bytes.span) }
    #expect(throws: ByteError.outOfBounds) { try reader.skip(101) }
    #expect(throws: ByteError.outOfBounds) { try reader.skip(-1) }
  }

  @Test func bothByteOrdersRoundTrip() throws {
    var bytes = [UInt8](repeating: 0xFF, count: 16)
    var writer = ByteWriter(limit: 16)
    var span = bytes.mutableSpan
    try writer.little(UInt32(0x0102_0304), &span)
    try writer.big(UInt64(0x1122_3344_5566_7788), &span)
    try writer.zeros(4, &span)
    #expect(throws: ByteError.outOfBounds) { try writer.u8(1, &span) }
    #expect(bytes == [4, 3, 2, 1, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0])
    var reader = ByteReader(limit: 16)
    #expect(try reader.little(UInt32.self, bytes.span) == 0x0102_0304)
    #expect(try reader.big(UInt64.self, bytes.span) == 0x1122_3344_5566_7788)
  }

  @Test func crc32MatchesThePublishedCheckValue() {
    var crc = CRC32()
    for byte in "123456789".utf8 { crc.update(byte) }
    #expect(crc.value == 0xCBF4_3926)
  }

  @Test func bitFieldsReadAndReplaceOnlyTheirBits() {
    let field = BitField(12...15)
    #expect(field.get(0xABCD) == 0xA)
    #expect(field.setting(0x35, in: 0xFFFF_0FFF) == 0xFFFF_5FFF)
    #expect(BitField(0...63).mask == .max)
    #expect(UInt32(0x8000_0000).bit(31))
    #expect(!UInt32.max.bit(32))
  }
}
