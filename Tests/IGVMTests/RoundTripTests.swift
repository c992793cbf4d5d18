// RoundTripTests: a built file reads back as what was built.
import IGVM
import Testing

@Suite struct RoundTripTests {
  @Test("Golden: the bytes of a small SNP file follow reference §2 to §7 field by field")
  func golden() throws {
    let image = Image(records: [
      .init(.supportedPlatform(.init(mask: .init(1), highestVTL: 2, platform: .snp))),
      .init(.pageData(.init(gpa: 0x10000, mask: .init(1))), data: [0xAB]),
    ])
    let file = try image.build()
    #expect(file.count == 24 + 24 + 32 + 4096)
    let head: [UInt8] = [
      0x49, 0x47, 0x56, 0x4D, 1, 0, 0, 0, 24, 0, 0, 0, 56, 0, 0, 0, 0x50, 0x10, 0, 0,
    ]
    #expect(Array(file[0..<20]) == head)
    let platform: [UInt8] = [1, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    #expect(Array(file[24..<48]) == platform)
    let page: [UInt8] = [
      2, 3, 0, 0, 24, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    #expect(Array(file[48..<80]) == page)
    #expect(file[80] == 0xAB)
    var repaired = file
    Samples.repairChecksum(&repaired)
    #expect(repaired == file, "the checksum is the CRC-32 of both header regions")
  }

  @Test("parse(build(x)) == x for the samples, and building again gives the same bytes")
  func samples() throws {
    for image in [Samples.snpImage(), Samples.snpImage(version: 2), Samples.snpAndTDXImage()] {
      let file = try image.build()
      let parsed = try Image(parsing: file)
      #expect(parsed == image)
      #expect(try parsed.build() == file)
      #expect(Samples.breaches(file).isEmpty)
    }
  }

  @Test("Equal blobs are stored once and the first occurrence wins (§10 rule 2)")
  func deduplication() throws {
    let file = try Samples.snpImage().build()
    let headers = try #require(HeaderSizes(file))
    // Pages 1, 2 and 3 and the VMSA: page 1 occurs twice.
    #expect(file.count == headers.end + 4 * 4096)
  }

  @Test("An image without data still has a data region, since loaders refuse an empty one (§2)")
  func emptyData() throws {
    let image = Image(records: [
      .init(.supportedPlatform(.init(mask: .init(1), highestVTL: 0, platform: .native)))
    ])
    let file = try image.build()
    #expect(file.count == 24 + 24 + 4096)
    #expect(try Image(parsing: file) == image)
  }

  @Test("Data longer than its header, headers out of order and unknown types are refused by name")
  func refusals() {
    let platform = ImageRecord(.supportedPlatform(.init(mask: .init(1), highestVTL: 0, platform: .native)))
    let long = ImageRecord(
      .pageData(.init(gpa: 0, mask: .init(1))), data: [UInt8](repeating: 1, count: 4097)[...])
    #expect(throws: BuildError.dataTooLong(record: 1)) { try Image(records: [platform, long]).build() }
    let late = [ImageRecord(.pageData(.init(gpa: 0, mask: .init(1)))), platform]
    #expect(throws: BuildError.sectionOrder(record: 1)) { try Image(records: late).build() }
    let unknown = ImageRecord(.skipped(.init(rawValue: 0x8000_0302)))
    #expect(throws: BuildError.unsupportedHeader(record: 0)) { try Image(records: [unknown]).build() }
  }

  /// Where the headers end, read without the code under test.
  struct HeaderSizes {
    let end: Int
    init?(_ file: [UInt8]) {
      guard file.count >= 24 else { return nil }
      end = Int(file[8]) + Int(file[12]) + Int(file[13]) << 8
    }
  }
}
