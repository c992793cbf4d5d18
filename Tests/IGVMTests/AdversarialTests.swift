// AdversarialTests: every row of reference §19, as mutations of a good file.
import IGVM
import Testing

/// A change to a good file, and the rule that must break.
struct Mutation: CustomTestStringConvertible, Sendable {
  let name: String
  let rule: Rule?
  let repairs: Bool
  let apply: @Sendable (inout [UInt8]) -> Void

  init(
    _ name: String, _ rule: Rule?, repairs: Bool = true, _ apply: @escaping @Sendable (inout [UInt8]) -> Void
  ) {
    self.name = name
    self.rule = rule
    self.repairs = repairs
    self.apply = apply
  }

  var testDescription: String { name }
}

/// Writes a little-endian value over the bytes at `offset`.
private func put<T: FixedWidthInteger>(_ value: T, _ offset: Int, _ file: inout [UInt8]) {
  for index in 0..<(T.bitWidth / 8) {
    file[offset + index] = UInt8(truncatingIfNeeded: value >> T(8 * index))
  }
}

/// Where headers of the sample SNP file lie, bytes.
private enum At {
  static let platform = 24
  static let policy = 48
  static let memory = 72
  static let area = 104
  static let count = 128
  static let insert = 160
  static let page = 184
  static let context = 184 + 6 * 32
}

@Suite struct AdversarialTests {
  static let fixedHeader: [Mutation] = [
    .init("truncated to 23 bytes", .fixedHeaderTruncated, repairs: false) { $0 = Array($0.prefix(23)) },
    .init("another magic", .fixedMagic) { $0[0] = 0 },
    .init("version 3", .fixedVersion) { put(UInt32(3), 4, &$0) },
    .init("total size one more", .fixedTotalSize) { put(UInt32($0.count + 1), 0x10, &$0) },
    .init("total size one less", .fixedTotalSize) { put(UInt32($0.count - 1), 0x10, &$0) },
    .init("variable headers at the end", .fixedVariableSize) { put(UInt32($0.count) & ~7, 8, &$0) },
    .init("variable headers inside the fixed header", .fixedVariableOffset) { put(UInt32(16), 8, &$0) },
    .init("variable headers up to the end", .fixedVariableSize) { put(UInt32($0.count - 24), 12, &$0) },
    .init("a size that wraps 32 bits", .fixedVariableSize) { put(UInt32(0xFFFF_FFF8), 12, &$0) },
    .init("a flipped header bit", .checksum, repairs: false) { $0[At.page + 8] ^= 0x10 },
    .init("a flipped data bit is accepted: only the digest changes", nil) {
      $0[$0.count - 4096 + 0x178] ^= 1
    },
  ]

  static let framing: [Mutation] = [
    .init("the list is cut in the middle of a header", .headerTruncated) {
      put(UInt32(At.context + 16 - 24), 12, &$0)
    },
    .init("a length that overflows when aligned", .headerTruncated) {
      put(UInt32(0xFFFF_FFF8), At.page + 4, &$0)
    },
    .init("a length of the largest value", .headerTruncated) { put(UInt32.max, At.page + 4, &$0) },
    .init("length 15 for a type of 16 bytes", .headerLength) { put(UInt32(15), At.policy + 4, &$0) },
    .init("type 0", .headerType) { put(UInt32(0), At.page, &$0) },
    .init("type 0x250", .headerType) { put(UInt32(0x250), At.page, &$0) },
    .init("type 0x306", .headerType) { put(UInt32(0x306), At.page, &$0) },
    .init("type 0x401", .headerType) { put(UInt32(0x401), At.page, &$0) },
    .init("bit 31: skipped, as the specification says", nil) { put(UInt32(0x8000_0302), At.page, &$0) },
    .init("a platform after initialization", .sectionOrder) {
      put(UInt32(1), At.memory - 24 + 24, &$0); $0[At.memory + 4] = 16
    },
    .init("initialization after a directive", .sectionOrder) { put(UInt32(0x101), At.area, &$0) },
  ]

  static let content: [Mutation] = [
    .init("platform mask 0", .platformMask) { put(UInt32(0), At.platform + 8, &$0) },
    .init("platform mask 3", .platformMask) { put(UInt32(3), At.platform + 8, &$0) },
    .init("VTL 1", .platformVTL) { $0[At.platform + 12] = 1 },
    .init("platform type 7", .platformType) { $0[At.platform + 13] = 7 },
    .init("platform version 0", .platformVersion) { $0[At.platform + 14] = 0 },
    .init("NATIVE with a shared boundary", .platformBoundary) {
      $0[At.platform + 13] = 0; $0[At.platform + 20] = 1
    },
    .init("CCA in an X64 file", .platformArchitecture) { $0[At.platform + 13] = 6 },
    .init("page at 0x10001", .gpaUnaligned) { put(UInt64(0x10001), At.page + 8, &$0) },
    .init("page data type 4", .pageDataType) { put(UInt16(4), At.page + 28, &$0) },
    .init("reserved field 1", .reservedNotZero) { put(UInt16(1), At.page + 30, &$0) },
    .init("data inside the headers", .dataRange) { put(UInt32(1), At.page + 20, &$0) },
    .init("data past the end", .dataRange) { put(UInt32($0.count - 4095), At.page + 20, &$0) },
    .init("2 MiB page", .page2MiB) { $0[At.page + 24] = 1 },
    .init("reserved flag", .flagsReserved) { $0[At.page + 24] = 8 },
    .init("parameter of another area", .areaUnknown) { put(UInt32(9), At.count + 8, &$0) },
    .init("parameter at the area's end", .parameterBeyondArea) { put(UInt32(4096), At.count + 12, &$0) },
    .init("parameter that starts in the area and ends beyond", .parameterBeyondArea) {
      put(UInt32(4093), At.count + 12, &$0)
    },
    .init("insert of another area", .areaUnknown) { put(UInt32(9), At.insert + 20, &$0) },
    .init("area of 4095 bytes", .sizeUnaligned) { put(UInt64(4095), At.area + 8, &$0) },
    .init("area of no bytes", .areaEmpty) { put(UInt64(0), At.area + 8, &$0) },
    .init("area of 2^60 bytes", .areaTooLarge) { put(UInt64(1) << 60, At.area + 8, &$0) },
    .init("VP context mask 3", .vpPlatform) { put(UInt32(3), At.context + 16, &$0) },
    .init("VP context without state", .vpContextEmpty) { put(UInt32(0), At.context + 20, &$0) },
    .init("a page at the insert's address", .pagesOverlap) { put(UInt64(0x80_0000), At.page + 8, &$0) },
    .init("two pages at one address", .pagesOverlap) { put(UInt64(0x80_2000), At.page + 8, &$0) },
    .init("a page that wraps the address space", .gpaOverflow) { put(UInt64.max - 4094, At.page + 8, &$0) },
    .init("a mask bit not declared", .maskUndeclared) { put(UInt32(5), At.page + 16, &$0) },
    .init("an empty mask", .maskEmpty) { put(UInt32(0), At.page + 16, &$0) },
    .init("padding of the VP context", .paddingNotZero) { $0[At.context + 28] = 1 },
    .init("a VMSA without SNPActive", .vmsaNotSNP) { $0[$0.count - 4096 + VMSALayout.sevFeatures] = 0 },
    .init("a reserved byte of the VMSA", .vmsaReserved) { $0[$0.count - 4096 + 0x7C8] = 1 },
    .init("secrets with data", .secretsWithData) { put(UInt32($0.count - 4096), At.page + 4 * 32 + 20, &$0) },
  ]

  @Test("A mutated file breaks the rule that reference §19 names", arguments: fixedHeader + framing + content)
  func mutation(_ mutation: Mutation) {
    var file = Samples.build(Samples.snpImage())
    mutation.apply(&file)
    if mutation.repairs { Samples.repairChecksum(&file) }
    let rules = Samples.breaches(file).map(\.rule)
    if let rule = mutation.rule {
      #expect(rules.contains(rule), "found \(rules)")
      #expect(throws: Violation.self) { try Verifier.validate(file.span) }
    } else {
      #expect(rules.isEmpty)
    }
  }

  @Test("Version 2: architecture 2 and page size 8192 are refused (§19 row 1)")
  func version2() {
    let good = Samples.build(Samples.snpImage(version: 2))
    for (offset, value, rule) in [(0x18, 2, Rule.fixedArchitecture), (0x1C, 8192, .fixedPageSize)] {
      var file = good
      put(UInt32(value), offset, &file)
      Samples.repairChecksum(&file)
      #expect(Samples.breaches(file).map(\.rule) == [rule])
    }
  }

  @Test("Areas: declared twice, inserted twice, used after the insert, used before the declaration (§19)")
  func areas() {
    let snp = Samples.snp
    let platform = ImageRecord(.supportedPlatform(.init(mask: snp, highestVTL: 0, platform: .snp)))
    let area = ImageRecord(.parameterArea(.init(index: 7, byteCount: 4096)))
    let count = ImageRecord(.parameter(.init(.vpCountParameter, areaIndex: 7, byteOffset: 0)))
    func insert(_ gpa: UInt64) -> ImageRecord {
      .init(.parameterInsert(.init(gpa: gpa, mask: snp, areaIndex: 7)))
    }
    let cases: [([ImageRecord], Rule)] = [
      ([area, area], .areaRepeated), ([area, insert(0), insert(0x1000)], .areaUnknown),
      ([area, insert(0), count], .areaUnknown), ([count, area], .areaUnknown),
    ]
    for (records, rule) in cases {
      let file = Samples.build(Image(records: [platform] + records))
      #expect(Samples.breaches(file).map(\.rule).contains(rule))
    }
  }

  @Test("Platforms: none, two of one type, two of one mask (§19)")
  func platforms() {
    func platform(_ mask: UInt32, _ type: PlatformType) -> ImageRecord {
      .init(.supportedPlatform(.init(mask: .init(mask), highestVTL: 0, platform: type)))
    }
    let none = Samples.build(
      Image(records: [.init(.requiredMemory(.init(gpa: 0, mask: .none, byteCount: 0)))]))
    #expect(Samples.breaches(none).map(\.rule).contains(.platformMissing))
    let types = Samples.build(Image(records: [platform(1, .snp), platform(2, .snp)]))
    #expect(Samples.breaches(types).map(\.rule) == [.platformRepeated])
    let masks = Samples.build(Image(records: [platform(1, .snp), platform(1, .tdx)]))
    #expect(Samples.breaches(masks).map(\.rule) == [.platformMaskRepeated])
  }

  @Test("Contexts: TDX has none, native has a zero tail and attributes without bits 11:8 (§8.2, §19)")
  func contexts() {
    func file(_ type: PlatformType, _ data: [UInt8]) -> [UInt8] {
      Samples.build(
        Image(
          version: 2,
          records: [
            .init(.supportedPlatform(.init(mask: .init(1), highestVTL: 0, platform: type))),
            .init(.vpContext(.init(gpa: 0, mask: .init(1))), data: data[...]),
          ]))
    }
    var context = NativeContext(
      code: .init(selector: 8, attributes: 0xA09B), data: .init(selector: 16, attributes: 0xC093), cr0: 0x31,
      cr3: 0,
      cr4: 0, efer: 0
    ).encoded()
    #expect(Samples.breaches(file(.native, context)).isEmpty)
    #expect(Samples.breaches(file(.tdx, context)).map(\.rule) == [.vpPlatform])
    context[171] |= 0xF
    #expect(Samples.breaches(file(.native, context)).map(\.rule) == [.vpContextTail])
    context[171] &= 0xF0
    context[232] = 1
    #expect(Samples.breaches(file(.native, context)).map(\.rule) == [.vpContextTail])
  }

  @Test(
    "A region and page tables to be relocated: alignment, overlap, missing context, insert into tables (§6)")
  func relocation() {
    let snp = Samples.snp
    let platform = ImageRecord(.supportedPlatform(.init(mask: snp, highestVTL: 0, platform: .snp)))
    func region(_ gpa: UInt64, alignment: UInt64 = 4096) -> ImageRecord {
      .init(
        .relocatableRegion(
          .init(
            mask: snp, vpIndex: 0, vtl: 0, flags: 0, alignment: alignment, gpa: gpa, size: 0x4000,
            minimumGPA: 0,
            maximumGPA: 0x100000)))
    }
    func tables(_ gpa: UInt64, used: UInt64 = 0) -> ImageRecord {
      .init(
        .pageTableRelocationRegion(
          .init(mask: snp, vpIndex: 0, vtl: 0, gpa: gpa, size: 0x2000, usedSize: used)))
    }
    let insert: [ImageRecord] = [
      .init(.parameterArea(.init(index: 0, byteCount: 4096))),
      .init(.parameterInsert(.init(gpa: 0x1000, mask: snp, areaIndex: 0))),
    ]
    let cases: [([ImageRecord], Rule)] = [
      ([region(0x1000, alignment: 100)], .relocationAlignment),
      ([region(0x1000, alignment: 0)], .relocationAlignment),
      ([region(0), tables(0x2000)], .relocationOverlap), ([tables(0, used: 0x3000)], .relocationUsedSize),
      ([tables(0), tables(0x8000)], .relocationRepeated), ([tables(0)], .relocationWithoutContext),
      ([tables(0)] + insert, .insertInPageTables),
    ]
    for (records, rule) in cases {
      let file = Samples.build(Image(records: [platform] + records))
      #expect(Samples.breaches(file).map(\.rule).contains(rule), "\(rule)")
    }
  }

  @Test("Every rule has a name of its own and a text")
  func names() {
    let names = Set(Rule.allCases.map { "\($0.name)" })
    #expect(names.count == Rule.allCases.count)
    #expect(Rule.allCases.allSatisfy { $0.explanation.utf8CodeUnitCount > 10 })
  }
}
