// BoardImageTests: from an ELF file and a layout to a file that obeys every rule.
import IGVM
import ImageBuilder
import Launch
import Measurement
import Testing

/// Layouts as boards/snp and boards/tdp have them, smaller.
enum Layouts {
  static func layout(_ platform: PlatformType, start: BoardLayout.StartMode = .long64) -> BoardLayout {
    var layout = BoardLayout(name: "test", platform: platform, start: start, rangeStart: 0x800_0000)
    layout.fixedByteCount = 3 << 20
    layout.byteCountPerProcessor = 320 << 10
    layout.byteCountPerGuestPage = 1
    layout.sevFeatures = 0x29
    layout.areas = [
      .init(.launchInformation, gpa: 0x800_0000, byteCount: 4096),
      .init(.parameters, gpa: 0x800_1000, byteCount: 4096),
      .init(.memoryMap, gpa: 0x800_2000, byteCount: 8192), .init(.madt, gpa: 0x800_4000, byteCount: 4096),
      .init(.stack, gpa: 0x800_8000, byteCount: 0x8000),
      .init(.pageTables, gpa: 0x801_0000, byteCount: 0x10000),
    ]
    if platform == .snp {
      layout.areas += [
        .init(.cpuid, gpa: 0x800_5000, byteCount: 4096), .init(.secrets, gpa: 0x800_6000, byteCount: 4096),
      ]
    }
    if platform == .tdx { layout.areas.append(.init(.mailbox, gpa: 0x800_5000, byteCount: 4096)) }
    return layout
  }
}

@Suite struct BoardImageTests {
  private func build(
    _ platforms: [PlatformType], _ options: BuildOptions = .init(), start: BoardLayout.StartMode = .long64
  ) throws -> [UInt8] {
    let elf = try ELFFixture.kernel().read()
    let inputs = platforms.map { BoardInput(layout: Layouts.layout($0, start: start), elf: elf) }
    return try ImageBuilder.image(inputs, options).build()
  }

  /// The guest memory that a file loads for one platform: address and content of each page.
  private func memory(_ file: [UInt8], _ type: PlatformType) throws -> [UInt64: [UInt8]] {
    let mask = try #require(try MeasurementPlan.mask(of: type, in: file.span))
    var plan = try MeasurementPlan(file.span, mask: mask)
    var pages: [UInt64: [UInt8]] = [:]
    while let step = try plan.next(file.span) {
      pages[step.gpa] = step.data.map { Array(file[$0]) } ?? [UInt8](repeating: 0, count: 4096)
    }
    return pages
  }

  private func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  /// Walks the page tables in `pages` from `root`; nil if `address` is not mapped.
  private func translate(_ address: UInt64, _ root: UInt64, _ pages: [UInt64: [UInt8]]) -> UInt64? {
    var table = root
    for shift in [UInt64(39), 30, 21, 12] {
      guard let page = pages[table] else { return nil }
      let entry = word(page, Int((address >> shift) & 511) * 8)
      guard entry & 1 == 1 else { return nil }
      if shift == 12 { return entry }
      table = entry & 0x0007_FFFF_FFFF_F000
    }
    return nil
  }

  @Test(
    "Each platform, start mode and hypervisor gives a file without a breach, also by the loader's rules",
    arguments: [PlatformType.native, .snp, .tdx], [Hypervisor.qemu, .hyperv, .monitor])
  func valid(platform: PlatformType, hypervisor: Hypervisor) throws {
    var options = BuildOptions()
    options.hypervisor = hypervisor
    let file = try build([platform], options)
    var found: [Violation] = []
    Verifier.check(file.span) { if $0.rule.origin != .notice { found.append($0) } }
    let profile: LoaderProfile = hypervisor == .hyperv ? .hyperv : hypervisor == .monitor ? .monitor : .qemu
    // QEMU loads no TDX, Hyper-V no native files: nothing to hold them to.
    let isLoaded =
      !(platform == .tdx && hypervisor == .qemu) && !(platform == .native && hypervisor == .hyperv)
    if isLoaded { try profile.check(file.span) { found.append($0) } }
    #expect(found.isEmpty)
  }

  @Test("Same inputs, same bytes")
  func reproducible() throws {
    #expect(try build([.snp, .tdx]) == build([.snp, .tdx]))
  }

  @Test("The ELF's bytes lie where it says, and the page tables map them where it is linked, with its rights")
  func segments() throws {
    let fixture = ELFFixture.kernel()
    for platform in [PlatformType.snp, .tdx] {
      let pages = try memory(try build([platform]), platform)
      for segment in fixture.segments {
        for (index, byte) in segment.data.enumerated() where index % 97 == 0 {
          let gpa = segment.gpa + UInt64(index)
          #expect(pages[gpa & ~4095]?[Int(gpa & 4095)] == byte)
        }
        let entry = try #require(translate(segment.gpa &+ fixture.offset, 0x801_0000, pages))
        #expect(entry & 0x000F_FFFF_FFFF_F000 == segment.gpa)
        #expect((entry & 2 != 0) == (segment.flags & 2 != 0))
        #expect((entry >> 63 == 0) == (segment.flags & 1 != 0))
      }
      // W^X: no page is both writable and executable, and the image is not mapped anywhere else.
      #expect(translate(0x810_0000, 0x801_0000, pages) == nil)
      let stack = try #require(translate(0x800_8000, 0x801_0000, pages))
      #expect(stack & 2 == 2 && stack >> 63 == 1)
    }
  }

  @Test("The launch information page tells every area, and reads back")
  func launchInformation() throws {
    var options = BuildOptions()
    options.hypervisor = .hyperv
    options.processorCount = 8
    let pages = try memory(try build([.snp], options), .snp)
    let page = try #require(pages[0x800_0000])
    let information = try LaunchInformation(decoding: page.span)
    #expect(information.platform == 2 && information.hypervisor == 3 - 1)
    #expect(information.sharedGPABoundary == 1 << 46)
    #expect(information.rangeStart == 0x800_0000)
    // 3 MiB + 8 × 320 KiB + 1 byte for each of 262,144 guest pages: below the 6 MiB that the design allows.
    #expect(information.rangeByteCount == (3 << 20) + 8 * (320 << 10) + (256 << 10))
    #expect(information.rangeByteCount <= 6 << 20)
    for kind in [
      AreaKind.image, .stack, .pageTables, .cpuid, .secrets, .parameters, .memoryMap, .madt, .vmsa,
    ] {
      #expect(information.area(kind) != nil, "\(kind.name)")
    }
    #expect(information.area(.vmsa)?.gpa == 0x800_0000 + information.rangeByteCount - 4096)
  }

  @Test("SNP: one VMSA with entry, stack and tables; at KVM's address for QEMU (§16.1)")
  func vmsa() throws {
    let pages = try memory(try build([.snp]), .snp)
    let vmsa = try #require(pages[VMSALayout.kvmGPA])
    #expect(word(vmsa, VMSALayout.rip) == 0xFFFF_FFFF_8810_0000)
    #expect(word(vmsa, VMSALayout.rsp) == 0x801_0000)
    #expect(word(vmsa, VMSALayout.rdi) == 0x800_0000)
    #expect(word(vmsa, VMSALayout.cr3) == 0x801_0000)
    #expect(word(vmsa, VMSALayout.sevFeatures) == 0x29)
    #expect(word(vmsa, VMSALayout.efer) == 0x1D00)
  }

  @Test("A 32-bit SNP start meets KVM's rules on the measured VMSA; a 64-bit start does not (§11)")
  func kvm() throws {
    var options = BuildOptions()
    options.hypervisor = .qemu
    var layout = Layouts.layout(.snp, start: .protected32)
    var fixture = ELFFixture.kernel()
    fixture.offset = 0
    let elf = try fixture.read()
    func breaches() throws -> [Rule] {
      let file = try ImageBuilder.image([.init(layout: layout, elf: elf)], options).build()
      var found: [Rule] = []
      try LoaderProfile.kvm.check(file.span) { found.append($0.rule) }
      return found
    }
    #expect(try breaches().isEmpty)
    layout.start = .long64
    #expect(try breaches() == [.loaderVMSAField])
  }

  @Test("An encryption bit is set in every table entry and in CR3, and bounds the addresses")
  func encryptionBit() throws {
    var options = BuildOptions()
    options.encryptionBit = 51
    let pages = try memory(try build([.snp], options), .snp)
    let entry = try #require(translate(0xFFFF_FFFF_8810_0000, 0x801_0000, pages))
    #expect(entry >> 51 & 1 == 1)
    #expect(word(try #require(pages[VMSALayout.kvmGPA]), VMSALayout.cr3) == 0x801_0000 | 1 << 51)
  }

  @Test("TDX: the reset page ends at 4 GiB, holds the constants, and jumps from its vector to its code")
  func resetPage() throws {
    let pages = try memory(try build([.tdx]), .tdx)
    let page = try #require(pages[0xFFFF_F000])
    #expect(word(page, 0) == 0x801_0000)
    #expect(word(page, 8) == 0xFFFF_FFFF_8810_0000)
    #expect(word(page, 16) == 0x801_0000)
    #expect(word(page, 24) == 0x800_0000)
    #expect(word(page, 32) == 0x800_5000 && word(page, 40) & 0xFFFF_FFFF == 64)
    #expect(page[0xFF0] == 0xE9)
    let jump = Int32(truncatingIfNeeded: word(page, 0xFF1))
    #expect(0xFF5 + Int(jump) == 0x100)
    // It must run on after paging is on: mapped one to one, executable, not writable.
    let entry = try #require(translate(0xFFFF_F000, 0x801_0000, pages))
    #expect(entry & 0x000F_FFFF_FFFF_F000 == 0xFFFF_F000 && entry & 2 == 0 && entry >> 63 == 0)
  }

  @Test("Several boards in one file: each platform measures as it does alone")
  func severalBoards() throws {
    let both = try build([.snp, .tdx])
    let snp = try build([.snp])
    let tdx = try build([.tdx])
    let snpMask = try #require(try MeasurementPlan.mask(of: .snp, in: both.span))
    let tdxMask = try #require(try MeasurementPlan.mask(of: .tdx, in: both.span))
    #expect(
      try SNPLaunchDigest.measure(both.span, mask: snpMask)
        == SNPLaunchDigest.measure(snp.span, mask: .init(1)))
    #expect(try MRTD.measure(both.span, mask: tdxMask) == MRTD.measure(tdx.span, mask: .init(1)))
    let three = try build([.native, .snp, .tdx])
    #expect(try memory(three, .native) == memory(build([.native]), .native))
    let third = try #require(try MeasurementPlan.mask(of: .tdx, in: three.span))
    #expect(third == .init(4))
    #expect(try MRTD.measure(three.span, mask: third) == MRTD.measure(tdx.span, mask: .init(1)))
    #expect(throws: ImageError.self) { _ = try build([.snp, .snp]) }
  }

  @Test("PVH: the entry comes from the note named Xen of type 18")
  func pvh() throws {
    var fixture = ELFFixture.kernel()
    fixture.pvhEntry = 0x810_0010
    let elf = try fixture.read()
    #expect(elf.pvhEntry == 0x810_0010)
    let file = try ImageBuilder.image(
      [.init(layout: Layouts.layout(.native, start: .pvh), elf: elf)], .init()
    ).build()
    let context = try #require(try memory(file, .native)[0])
    #expect(word(context, 128) == 0x810_0010)
  }
}
