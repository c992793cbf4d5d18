// PlanTests: which page is measured how, on which points the rules differ, and that no file traps the walk.
import IGVM
import Measurement
import SNP
import Testing

@Suite struct PlanTests {
  private let both = PlatformMask(3)

  private func file() throws -> [UInt8] {
    let data = [UInt8](repeating: 0xA5, count: 4096)[...]
    return try Image(records: [
      .init(.supportedPlatform(.init(mask: .init(1), highestVTL: 2, platform: .snp))),
      .init(.supportedPlatform(.init(mask: .init(2), highestVTL: 2, platform: .tdx))),
      .init(.parameterArea(.init(index: 3, byteCount: 8192))),
      .init(.parameterInsert(.init(gpa: 0x1000, mask: both, areaIndex: 3))),
      .init(.pageData(.init(gpa: 0x4000, mask: both)), data: data),
      .init(.pageData(.init(gpa: 0x5000, mask: both))),
      .init(.pageData(.init(gpa: 0x6000, mask: both, flags: PageData.unmeasured)), data: data),
      .init(.pageData(.init(gpa: 0x7000, mask: both, flags: PageData.shared)), data: data),
      .init(.pageData(.init(gpa: 0x8000, mask: .init(1), type: .secrets))),
      .init(.pageData(.init(gpa: 0x9000, mask: .init(1), type: .cpuid)), data: data),
      .init(.pageData(.init(gpa: 0xA000, mask: .init(2))), data: data),
      .init(.vpContext(.init(gpa: 0xFFFF_FFFF_F000, mask: .init(1))), data: data),
    ]).build()
  }

  private func types(_ rules: SNPMeasurementRules) throws -> [LaunchPageKind] {
    let file = try file()
    var types: [LaunchPageKind] = []
    _ = try SNPLaunchDigest.measure(file.span, mask: .init(1), rules: rules) { types.append($0.type) }
    return types
  }

  @Test("§11: the page type of each import, and the three points on which tools differ")
  func pageTypes() throws {
    let kvm: [LaunchPageKind] = [
      .unmeasured, .unmeasured, .normal, .normal, .unmeasured, .secrets, .cpuid, .vmsa,
    ]
    #expect(try types(.init()) == kvm)
    var native = kvm
    native[3] = .zero
    #expect(try types(.init(zeroPage: .native)) == native)
    #expect(try types(.init(parameterArea: .firstPage)) == Array(kvm.dropFirst()))
  }

  @Test(
    "§14: TDX adds every page, extends the measured ones, and never sees shared pages or other platforms'")
  func trustDomain() throws {
    let file = try file()
    var steps: [UInt64: Bool] = [:]
    var order: [UInt64] = []
    _ = try MRTD.measure(file.span, mask: .init(2)) { step, _ in
      steps[step.step.gpa] = step.isExtended
      order.append(step.step.gpa)
    }
    #expect(order == [0x1000, 0x2000, 0x4000, 0x5000, 0x6000, 0xA000])
    #expect(steps == [0x1000: false, 0x2000: false, 0x4000: true, 0x5000: true, 0x6000: false, 0xA000: true])
  }

  @Test("Files that no verifier has seen give an error or a digest, never a trap (seeded)")
  func hostile() throws {
    let original = try file()
    let seed = UInt64.random(in: 0 ... .max)
    print("hostile plans: seed \(seed)")
    var state = seed
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    var measured = 0
    for _ in 0..<5000 {
      var file = original
      for _ in 0...next(3) { file[24 + next(380)] = UInt8(next(256)) }
      var state: UInt32 = 0xFFFF_FFFF
      let size = Int(file[12]) | Int(file[13]) << 8
      for index in 0..<(24 + size) {
        state ^= (0x14..<0x18).contains(index) ? 0 : UInt32(file[index])
        for _ in 0..<8 { state = (state >> 1) ^ (state & 1 == 1 ? 0xEDB8_8320 : 0) }
      }
      for index in 0..<4 { file[0x14 + index] = UInt8(truncatingIfNeeded: ~state >> UInt32(8 * index)) }
      if (try? SNPLaunchDigest.measure(file.span, mask: .init(1))) != nil { measured += 1 }
      _ = try? MRTD.measure(file.span, mask: .init(2))
    }
    #expect(measured > 0)
  }
}
