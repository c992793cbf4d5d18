// Samples: small images that the tests of the format start from.
import IGVM

/// Images and tools shared by the tests.
enum Samples {
  static let snp = PlatformMask(1)
  static let tdx = PlatformMask(2)

  /// One page with recognisable bytes.
  static func page(_ seed: UInt8) -> ArraySlice<UInt8> {
    (0..<4096).map { UInt8(truncatingIfNeeded: $0) &* 7 &+ seed }[...]
  }

  /// A VMSA with SNPActive set.
  static func vmsa() -> ArraySlice<UInt8> {
    var bytes = [UInt8](repeating: 0, count: VMSALayout.byteCount)
    bytes[VMSALayout.sevFeatures] = 1
    bytes[VMSALayout.rip] = 0xF0
    return bytes[...]
  }

  /// An SNP image: policy, memory, an area with three parameters, pages of every kind, a VMSA.
  static func snpImage(version: UInt32 = 1) -> Image {
    Image(
      version: version,
      records: [
        .init(.supportedPlatform(.init(mask: snp, highestVTL: 2, platform: .snp))),
        .init(.guestPolicy(.init(policy: GuestPolicy.snpDefault, mask: snp))),
        .init(.requiredMemory(.init(gpa: 0x80_0000, mask: snp, byteCount: 0x20_0000))),
        .init(.parameterArea(.init(index: 0, byteCount: 4096))),
        .init(.parameter(.init(.vpCountParameter, areaIndex: 0, byteOffset: 0))),
        .init(.parameter(.init(.environmentInfo, areaIndex: 0, byteOffset: 4))),
        .init(.parameterInsert(.init(gpa: 0x80_0000, mask: snp, areaIndex: 0))),
        .init(.pageData(.init(gpa: 0x80_1000, mask: snp)), data: page(1)),
        .init(.pageData(.init(gpa: 0x80_2000, mask: snp)), data: page(2)),
        .init(.pageData(.init(gpa: 0x80_3000, mask: snp))),
        .init(.pageData(.init(gpa: 0x80_4000, mask: snp, flags: PageData.unmeasured)), data: page(1)),
        .init(.pageData(.init(gpa: 0x80_5000, mask: snp, type: .secrets))),
        .init(.pageData(.init(gpa: 0x80_6000, mask: snp, type: .cpuid)), data: page(3)),
        .init(.vpContext(.init(gpa: 0xFFFF_FFFF_F000, mask: snp)), data: vmsa()),
      ])
  }

  /// SNP and TDX in one file, sharing two pages.
  static func snpAndTDXImage() -> Image {
    let both = snp.union(tdx)
    return Image(records: [
      .init(.supportedPlatform(.init(mask: snp, highestVTL: 2, platform: .snp))),
      .init(.supportedPlatform(.init(mask: tdx, highestVTL: 2, platform: .tdx))),
      .init(.guestPolicy(.init(policy: GuestPolicy.snpDefault, mask: snp))),
      .init(.guestPolicy(.init(policy: GuestPolicy.tdxSEPTVEDisable, mask: tdx))),
      .init(.parameterArea(.init(index: 0, byteCount: 8192))),
      .init(.parameter(.init(.memoryMap, areaIndex: 0, byteOffset: 0))),
      .init(.parameterInsert(.init(gpa: 0x10_0000, mask: both, areaIndex: 0))),
      .init(.pageData(.init(gpa: 0x10_2000, mask: both)), data: page(9)),
      .init(.pageData(.init(gpa: 0x10_3000, mask: both))),
      .init(.pageData(.init(gpa: 0xFFFF_F000, mask: tdx)), data: page(5)),
      .init(.pageData(.init(gpa: 0x10_4000, mask: tdx, flags: PageData.unmeasured))),
      .init(.vpContext(.init(gpa: 0xFFFF_FFFF_F000, mask: snp)), data: vmsa()),
    ])
  }

  /// The bytes of an image that is known to be writable.
  static func build(_ image: Image) -> [UInt8] {
    do throws(BuildError) { return try image.build() } catch { fatalError("sample does not build: \(error)") }
  }

  /// All breaches of the rules by `file`, notices left out.
  static func breaches(_ file: [UInt8]) -> [Violation] {
    var found: [Violation] = []
    Verifier.check(file.span) { if $0.rule.origin != .notice { found.append($0) } }
    return found
  }

  /// Writes the checksum anew after a change to the headers.
  static func repairChecksum(_ file: inout [UInt8]) {
    guard file.count >= 24 else { return }
    func word(_ at: Int) -> Int {
      Int(file[at]) | Int(file[at + 1]) << 8 | Int(file[at + 2]) << 16 | Int(file[at + 3]) << 24
    }
    let headerSize = word(4) == 2 ? 32 : 24
    for index in 0x14..<0x18 { file[index] = 0 }
    var state: UInt32 = 0xFFFF_FFFF
    func take(_ byte: UInt8) {
      state ^= UInt32(byte)
      for _ in 0..<8 { state = (state >> 1) ^ (state & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    for index in 0..<min(headerSize, file.count) { take(file[index]) }
    let start = min(word(8), file.count)
    for index in start..<min(start + word(12), file.count) { take(file[index]) }
    for index in 0..<4 { file[0x14 + index] = UInt8(truncatingIfNeeded: ~state >> UInt32(8 * index)) }
  }
}
