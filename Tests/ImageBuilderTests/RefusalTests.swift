// RefusalTests: inputs that cannot become an image are refused with the kind, the cause and a fix.
import IGVM
import ImageBuilder
import Testing

@Suite struct RefusalTests {
  private func refusal(
    _ fixture: ELFFixture, _ layout: BoardLayout = Layouts.layout(.snp), _ options: BuildOptions = .init()
  ) -> ImageError? {
    do throws(ImageError) {
      let elf = try ELFImage(fixture.bytes)
      _ = try ImageBuilder.image([.init(layout: layout, elf: elf)], options)
      return nil
    } catch {
      return error
    }
  }

  @Test("Overlapping pages name both owners")
  func overlap() throws {
    var fixture = ELFFixture.kernel()
    fixture.segments[1].gpa = fixture.segments[0].gpa
    #expect(refusal(fixture)?.kind == .overlap)
    fixture = ELFFixture.kernel(at: 0x800_0000)
    let error = try #require(refusal(fixture))
    #expect(error.kind == .overlap)
  }

  @Test("Addresses outside the range, not on a page, not canonical, or beyond the platform")
  func addresses() {
    #expect(refusal(.kernel(at: 0x10_0000))?.kind == .address)
    #expect(refusal(.kernel(at: 0x1000_0000))?.kind == .address)
    #expect(refusal(.kernel(at: 0x810_0010))?.kind == .elf)
    var fixture = ELFFixture.kernel()
    fixture.offset = 0x1000_0000_0000_0000
    #expect(refusal(fixture)?.kind == .address)
    var layout = Layouts.layout(.tdx)
    layout.rangeStart = 1 << 47
    for index in layout.areas.indices { layout.areas[index].gpa += 1 << 47 }
    #expect(refusal(.kernel(at: (1 << 47) + 0x810_0000), layout)?.kind == .address)
  }

  @Test("A missing area, a pool too small for the tables, memory that does not fit")
  func layout() {
    var layout = Layouts.layout(.snp)
    layout.areas.removeAll { $0.kind == .secrets }
    #expect(refusal(.kernel(), layout)?.kind == .layout)
    layout = Layouts.layout(.snp)
    for index in layout.areas.indices where layout.areas[index].kind == .pageTables {
      layout.areas[index].byteCount = 8192
    }
    #expect(refusal(.kernel(), layout)?.kind == .capacity)
    var options = BuildOptions()
    options.processorCount = .max
    #expect(refusal(.kernel(), Layouts.layout(.snp), options)?.kind == .layout)
  }

  @Test("ELF files: not ELF, cut anywhere, wrong machine")
  func elf() {
    let good = ELFFixture.kernel().bytes
    for count in [0, 3, 16, 63, 64, 100, good.count - 1] {
      #expect(throws: ImageError.self) { _ = try ELFImage(Array(good.prefix(count))) }
    }
    var other = good
    other[0x12] = 0xB7
    #expect(throws: ImageError.self) { _ = try ELFImage(other) }
  }

  @Test("Damaged ELF files, firmware and kernels never trap (seeded)")
  func damaged() {
    let seed = UInt64.random(in: 0 ... .max)
    print("damaged inputs: seed \(seed)")
    var state = seed
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    let elf = ELFFixture.kernel().bytes
    let firmware = FirmwareFixture.image()
    for _ in 0..<20_000 {
      var bytes = elf
      for _ in 0...next(6) { bytes[next(64 + 56 * 3)] = UInt8(next(256)) }
      if let image = try? ELFImage(bytes) {
        _ = try? ImageBuilder.image([.init(layout: Layouts.layout(.snp), elf: image)], .init())
      }
      bytes = firmware
      for _ in 0...next(6) { bytes[bytes.count - 1 - next(400)] = UInt8(next(256)) }
      if let image = try? FirmwareImage(bytes) {
        _ = try? FirmwareBoot(image).snpImage()
        _ = try? FirmwareBoot(image).tdxImage()
      }
    }
  }
}
