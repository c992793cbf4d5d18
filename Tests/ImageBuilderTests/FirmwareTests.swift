// FirmwareTests: OVMF's tables, and an image of firmware alone.
import IGVM
import ImageBuilder
import Measurement
import Testing

/// A firmware image of two pages with a GUID table and SEV metadata, made byte by byte.
enum FirmwareFixture {
  static func image() -> [UInt8] {
    var image = [UInt8](repeating: 0xF4, count: 8192)
    func word(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }
    func entry(_ data: [UInt8], _ guid: [UInt8]) -> [UInt8] {
      let size = data.count + 18
      return data + [UInt8(size & 0xFF), UInt8(size >> 8)] + guid
    }
    let sev: [UInt8] = [
      0x66, 0x65, 0x88, 0xDC, 0x4A, 0x98, 0x98, 0x47, 0xA7, 0x5E, 0x55, 0x85, 0xA7, 0xBF, 0x67, 0xCC,
    ]
    let reset: [UInt8] = [
      0xDE, 0x71, 0xF7, 0x00, 0x7E, 0x1A, 0xCB, 0x4F, 0x89, 0x0E, 0x68, 0xC7, 0x7E, 0x2F, 0xB4, 0x4E,
    ]
    let footer: [UInt8] = [
      0xDE, 0x82, 0xB5, 0x96, 0xB2, 0x1F, 0xF7, 0x45, 0xBA, 0xEA, 0xA3, 0x66, 0xC5, 0x5A, 0x08, 0x2D,
    ]
    let body = entry(word(0x1000), sev) + entry(word(0x0080_B004), reset)
    let size = body.count + 18
    let table = body + [UInt8(size & 0xFF), UInt8(size >> 8)] + footer
    image.replaceSubrange((8192 - 32 - table.count)..<(8192 - 32), with: table)
    let sections: [[UInt32]] = [
      [0x80_0000, 0x2000, 1], [0x80_2000, 0x1000, 2], [0x80_3000, 0x1000, 3], [0x80_4000, 0x1000, 4],
    ]
    let metadata = word(0x5645_5341) + word(64) + word(1) + word(4) + sections.flatMap { $0.flatMap(word) }
    image.replaceSubrange(4096..<(4096 + metadata.count), with: metadata)
    return image
  }
}

@Suite struct FirmwareTests {
  @Test("The GUID table is walked from its footer; SEV sections keep their order (§17)")
  func tables() throws {
    let firmware = try FirmwareImage(FirmwareFixture.image())
    #expect(firmware.gpa == 0xFFFF_E000)
    #expect(firmware.secondaryReset == 0x0080_B004)
    #expect(firmware.sections.map(\.type) == [1, 2, 3, 4])
    #expect(try firmware.tdxSections().isEmpty)
  }

  @Test(
    "Firmware alone: pages, metadata pages, one VMSA for each processor; with ZERO pages as QEMU measures it")
  func alone() throws {
    var boot = FirmwareBoot(try FirmwareImage(FirmwareFixture.image()))
    boot.processorCount = 2
    let file = try boot.snpImage().build()
    try Verifier.validate(file.span)
    var types: [UInt8] = []
    let digest = try SNPLaunchDigest.measure(file.span, mask: .init(1), rules: .init(zeroPage: .native)) {
      types.append($0.type.rawValue)
    }
    #expect(types == [1, 1, 3, 3, 5, 6, 3, 2, 2])
    let plain = try SNPLaunchDigest.measure(file.span, mask: .init(1))
    #expect(digest != plain)
  }

  @Test("Firmware without metadata, of odd size, or overlapping itself is refused")
  func refusals() throws {
    #expect(throws: ImageError.self) { _ = try FirmwareImage([]) }
    #expect(throws: ImageError.self) { _ = try FirmwareImage([UInt8](repeating: 0, count: 4097)) }
    let plain = try FirmwareImage([UInt8](repeating: 0, count: 4096))
    #expect(throws: ImageError.self) { _ = try FirmwareBoot(plain).snpImage() }
    #expect(throws: ImageError.self) { _ = try FirmwareBoot(plain).tdxImage() }
    var bytes = FirmwareFixture.image()
    bytes[4096 + 16 + 12 + 1] = 0x10
    let overlapping = try FirmwareImage(bytes)
    #expect(throws: ImageError.self) { _ = try FirmwareBoot(overlapping).snpImage() }
  }
}
