// PropertyTests: parse(build(x)) == x for random images, and no input traps or hangs the reader.
import IGVM
import TestSupport
import Testing

@Suite struct PropertyTests {
  @Test("parse(build(x)) == x, and build(parse(build(x))) gives the same bytes")
  func roundTrip() throws {
    for seed in RunLength.seeds("round trip") {
      var generator = SeededRandom(seed: seed)
      for _ in 0..<RunLength.scaled(20_000) {
        let image = generator.image()
        let file = try image.build()
        let parsed = try Image(parsing: file)
        #expect(parsed == image, "seed \(seed)")
        #expect(try parsed.build() == file, "seed \(seed)")
      }
    }
  }

  /// Damages a file as a hostile host would: fields, lengths, cuts; most keep the checksum right to get further in.
  private func damage(_ file: inout [UInt8], _ generator: inout SeededRandom) {
    let headerEnd = min(file.count, 24 + Int(file[12]) | Int(file[13]) << 8)
    for _ in 0...generator.below(4) {
      switch generator.below(6) {
      case 0: file[generator.below(headerEnd)] = UInt8(truncatingIfNeeded: generator.next())
      case 1: file[generator.below(headerEnd)] ^= 1 << UInt8(generator.below(8))
      case 2:
        let place = generator.below(headerEnd)
        for index in place..<min(place + 8, headerEnd) { file[index] = 0xFF }
      case 3:
        let place = generator.below(headerEnd) & ~3
        for index in place..<min(place + 4, headerEnd) { file[index] = 0 }
      case 4: file[generator.below(file.count)] ^= 0x80
      default:
        let from = generator.below(headerEnd) & ~7
        let to = generator.below(headerEnd) & ~7
        for index in 0..<8 where max(from, to) + index < headerEnd { file[to + index] = file[from + index] }
      }
    }
    if generator.below(16) == 0 { file = Array(file.prefix(generator.below(file.count + 1))) }
    if generator.below(8) != 0 { Samples.repairChecksum(&file) }
  }

  @Test(
    "10 million damaged files (1 % without APUS_FULL): no trap, breaches bounded by the file, valid ones load"
  )
  func fuzz() {
    for seed in RunLength.seeds("fuzz") {
      var generator = SeededRandom(seed: seed)
      var valid = 0
      var originals: [[UInt8]] = []
      for _ in 0..<64 {
        if let file = try? generator.image(maximumRecords: 8).build() { originals.append(file) }
      }
      originals += [Samples.build(Samples.snpImage()), Samples.build(Samples.snpAndTDXImage())]
      for _ in 0..<(RunLength.scaled(10_000_000) / 2) {
        // Headers and a tail: the reader never looks at most data, so copying it would only cost time.
        var file = originals[generator.below(originals.count)]
        damage(&file, &generator)
        var breaches = 0
        Verifier.check(file.span) { if $0.rule.origin != .notice { breaches += 1 } }
        // At most: a dozen rules for each header, and one reserved run of the VMSA each.
        #expect(breaches <= 16 + file.count, "seed \(seed)")
        if breaches == 0 {
          valid += 1
          #expect((try? Image(parsing: file)) != nil, "seed \(seed)")
        }
      }
      #expect(valid > 0, "the damage is too strong to reach the loaders, seed \(seed)")
    }
  }
}
