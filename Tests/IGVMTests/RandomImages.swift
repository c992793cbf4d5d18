// RandomImages: images and damaged files from a seed, for property tests and the fuzzer.
import Foundation
import IGVM
import TestSupport

extension SeededRandom {
  /// An image of any headers the builder can write; it need not obey the rules.
  mutating func image(maximumRecords: Int = 24) -> Image {
    var records: [ImageRecord] = []
    for _ in 0...below(3) {
      records.append(
        .init(
          .supportedPlatform(
            .init(
              mask: mask(), highestVTL: UInt8(below(4)), platform: .init(rawValue: UInt8(below(8))),
              version: UInt16(below(3)), sharedGPABoundary: next()))))
    }
    for _ in 0..<below(4) { records.append(initialization()) }
    for _ in 0..<below(maximumRecords) { records.append(directive()) }
    let version = UInt32(1 + below(2))
    return Image(
      version: version, architecture: version == 2 && below(8) == 0 ? .aarch64 : .x64, records: records)
  }

  private mutating func mask() -> PlatformMask {
    .init(below(4) == 0 ? UInt32(truncatingIfNeeded: next()) : 1 << UInt32(below(3)))
  }

  private mutating func gpa() -> UInt64 { below(4) == 0 ? next() : UInt64(below(64)) << 12 }

  private mutating func bytes(upTo count: Int) -> ArraySlice<UInt8> {
    if below(4) == 0 { return [] }
    let length = 1 + below(count)
    let fill = UInt8(below(4))
    var bytes = [UInt8](repeating: fill, count: length)
    for _ in 0..<below(8) { bytes[below(length)] = UInt8(truncatingIfNeeded: next()) }
    return bytes[...]
  }

  private mutating func initialization() -> ImageRecord {
    switch below(5) {
    case 0: return .init(.guestPolicy(.init(policy: next(), mask: mask())))
    case 1:
      return .init(
        .relocatableRegion(
          .init(
            mask: mask(), vpIndex: UInt16(below(3)), vtl: UInt8(below(3)), flags: UInt8(below(256)),
            alignment: gpa(),
            gpa: gpa(), size: gpa(), minimumGPA: gpa(), maximumGPA: gpa())))
    case 2:
      return .init(
        .pageTableRelocationRegion(
          .init(mask: mask(), vpIndex: 0, vtl: UInt8(below(3)), gpa: gpa(), size: gpa(), usedSize: gpa())))
    case 3:
      let data = bytes(upTo: 100)
      return .init(.corimDocument(.init(mask: mask(), size: UInt32(data.count))), data: data)
    default:
      return .init(
        .ccaPolicy(
          .init(
            mask: mask(), requiredZeroes: next(), requiredOnes: next(), hashAlgorithm: UInt8(below(4)),
            lfaPolicy: 0)))
    }
  }

  private mutating func directive() -> ImageRecord {
    let kinds: [HeaderType] = [
      .vpCountParameter, .srat, .madt, .mmioRanges, .memoryMap, .commandLine, .slit, .pptt, .deviceTree,
      .environmentInfo,
    ]
    switch below(9) {
    case 0:
      let size = UInt64(below(3)) << 12
      return .init(
        .parameterArea(.init(index: UInt32(below(4)), byteCount: size)),
        data: size == 0 ? [] : bytes(upTo: Int(size)))
    case 1: return .init(.parameterInsert(.init(gpa: gpa(), mask: mask(), areaIndex: UInt32(below(4)))))
    case 2:
      return .init(
        .vpContext(.init(gpa: gpa(), mask: mask(), vpIndex: UInt16(below(2)))), data: bytes(upTo: 4096))
    case 3: return .init(.requiredMemory(.init(gpa: gpa(), mask: mask(), byteCount: UInt32(below(4)) << 12)))
    case 4:
      return .init(
        .parameter(
          .init(kinds[below(kinds.count)], areaIndex: UInt32(below(4)), byteOffset: UInt32(below(8200)))))
    case 5:
      var block = SNPIDBlock(mask: mask())
      block.setWord(UInt32(truncatingIfNeeded: next()), at: SNPIDBlock.Offset.guestSVN)
      return .init(.snpIDBlock(block))
    case 6:
      return .init(
        .errorRange(.init(gpa: gpa(), mask: mask(), byteCount: UInt32(truncatingIfNeeded: next()))))
    default:
      return .init(
        .pageData(
          .init(gpa: gpa(), mask: mask(), flags: UInt32(below(9)), type: .init(rawValue: UInt16(below(5))))),
        data: bytes(upTo: 4096))
    }
  }
}
