// GuestPlanTests: which memory is the guest's, at every size and under every map that a host may write; the edited pages.
import Bits
import Launch
import SNP
import SNPPlatform
import Seams
import Testing
import X86

/// Words of a map.
private struct WordSource: LaunchSource {
  var words: [UInt64]
  func word(at offset: Int) -> UInt64 { offset / 8 < words.count ? words[offset / 8] : 0 }
}

@Suite("The guest's memory")
struct GuestPlanTests {
  private let range = MemoryRegion(
    start: PhysicalAddress(128 << 20), bytes: 6 << 20, kind: .usable)

  private func plan(
    _ entries: [(UInt64, UInt64, UInt64)], limit: UInt64 = 1 << 35, pages: UInt64 = .max
  ) throws -> GuestMemoryPlan {
    var words: [UInt64] = []
    for (first, count, type) in entries { words += [first, count, type] }
    let map = HostMemoryMap(WordSource(words: words), byteCount: UInt64(8 * words.count))
    return GuestMemoryPlan(map, without: try #require(range), limit: limit, pageLimit: pages)
  }

  private func runs(_ plan: GuestMemoryPlan) -> [Range<UInt64>] {
    (0..<plan.count).compactMap { plan[$0] }.map { $0.start.rawValue >> 12..<$0.end.rawValue >> 12 }
  }

  @Test("Memory is what the map calls so, without the kernel's range and what any entry reserves")
  func ordinary() throws {
    let low: UInt64 = 0x8000
    let found = try plan([(0, 0xA0, 0), (0x100, 0x10000, 0), (0x1000, 0x10, 1)])
    #expect(runs(found) == [0..<0xA0, 0x100..<0x1000, 0x1010..<low, low + 0x600..<0x10100])
    #expect(found.contains(0x100000, bytes: 0xF0_0000) && !found.contains(0x100000, bytes: 0xF0_0001))
    #expect(!found.contains(128 << 20, bytes: 1))
  }

  @Test(
    "Overlapping entries are one run; entries that wrap or pass the encryption bit reserve what they name")
  func hostile() throws {
    #expect(runs(try plan([(0x10, 0x20, 0), (0x18, 0x40, 0), (0x58, 8, 0)])) == [0x10..<0x60])
    #expect(runs(try plan([(0x10, 0x20, 0), (0x20, .max, 0)])) == [0x10..<0x20])
    #expect(runs(try plan([(0x10, 0x20, 0), (.max, .max, 0)])) == [0x10..<0x30])
    #expect(runs(try plan([(0, 1 << 39, 0)], limit: 0x100)) == [0..<0x100])
    #expect(runs(try plan([(0, 0x40, 0)], pages: 0x10)) == [0..<0x10])
    #expect(runs(try plan([])) == [])
  }

  @Test(
    "Random maps: no page of the plan is reserved, the kernel's or beyond the limit; no run meets another")
  func random() throws {
    var state: UInt64 = 11
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    for round in 0..<300 {
      var entries: [(UInt64, UInt64, UInt64)] = []
      for _ in 0..<next(40) {
        let start = next(2) == 0 ? next(0x9000) : 0x7F00 + next(0x900)
        entries.append((start, 1 + next(next(8) == 0 ? .max : 0x800), next(3) == 0 ? next(6) : 0))
      }
      let limit = 0x8800 + next(0x1000)
      let found = try plan(entries, limit: limit)
      var before: UInt64 = 0
      for run in runs(found) {
        #expect(run.lowerBound >= before && run.upperBound > run.lowerBound, "round \(round)")
        before = run.upperBound + 1
        // Only an entry's boundary, the range's or the limit could change what a page is.
        var pages = [run.lowerBound, run.upperBound - 1]
        for entry in entries { pages += [entry.0, entry.0 &+ entry.1] }
        for page in pages where run.contains(page) {
          let all = entries.filter { entry in
            let end = entry.0.addingReportingOverflow(entry.1)
            return page >= entry.0 && (end.overflow || page < end.partialValue)
          }
          let isMemory = !all.isEmpty && all.allSatisfy { $0.2 == 0 }
          #expect(
            isMemory && page < limit && !(0x8000..<0x8600).contains(page), "round \(round) page \(page)")
        }
      }
    }
  }

  @Test(
    "1 TiB for 512 CPUs: the range's arithmetic holds, all of the memory is found, and the states fit in a byte per page"
  )
  func scale() throws {
    // boards/snp/layout.json: 3 MiB, 320 KiB per CPU, one byte per guest page.
    let guestPages: UInt64 = (1 << 40) >> 12
    let bytes = (UInt64(3 << 20) + 512 * 320 << 10) + guestPages
    let whole = try #require(
      MemoryRegion(start: PhysicalAddress(128 << 20), bytes: (bytes + 4095) & ~4095, kind: .usable))
    let rangePages = whole.bytes >> 12
    let entries: [UInt64] = [
      0, 0xA0, 0, 0x100, 0x8_0000 - 0x100, 0, 0x10_0000, guestPages - 0x8_0000 + rangePages + 0x60, 0,
    ]
    let map = HostMemoryMap(WordSource(words: entries), byteCount: 72)
    let found = GuestMemoryPlan(map, without: whole, limit: 1 << 39, pageLimit: guestPages)
    #expect(found.pageCount == guestPages)
    #expect(found.count == 4)
    #expect(whole.end.rawValue < 1 << 32)
    // PageStates: 264 bytes per 2 MiB.
    var states: UInt64 = 0
    for index in 0..<found.count {
      let region = try #require(found[index])
      let chunks = ((region.end.rawValue - 1) >> 21) - (region.start.rawValue >> 21) + 1
      states += chunks * 264
    }
    #expect(states <= guestPages)
    // What 8 CPUs and 1 GiB take (issue 6: at most 6 MiB).
    #expect((3 << 20) + 8 * 320 << 10 + (1 << 30) >> 12 <= 6 << 20)
  }

  @Test(
    "The guest's secrets page: keys above its level wiped, its own kept, the SVSM's fields filled (D.94, D.109)"
  )
  func secrets() throws {
    let range = try #require(range)
    func word(_ offset: Int, _ level: VMPL) -> UInt64 {
      GuestTables.secretsWord(
        offset, firmware: 0x5EC0 + UInt64(offset), range: range, callingArea: PhysicalAddress(0x1FE000),
        level: level)
    }
    for level in 1...3 as ClosedRange<UInt8> {
      for offset in stride(from: 0, to: 4096, by: 8) {
        let key = (offset - SecretsPage.vmpck) / SecretsPage.vmpckByteCount
        let isKey = offset >= SecretsPage.vmpck && key < 4
        let found = word(offset, VMPL(rawValue: level))
        switch offset {
        case 0x140: #expect(found == range.start.rawValue && found % 4096 == 0)
        case 0x148: #expect(found == range.bytes && found % 4096 == 0)
        case 0x150: #expect(found == 0x1FE000)
        case 0x158: #expect(found == 1 | UInt64(level) << 32)
        default: #expect(found == (isKey && key < Int(level) ? 0 : 0x5EC0 + UInt64(offset)), "\(offset)")
        }
      }
    }
  }

  @Test("The guest's CPUID page says that there is an SVSM, and nothing else changes (D.112)")
  func cpuid() {
    for offset in stride(from: 0, to: 4096, by: 8) {
      let isAnswer = offset >= 16 && (offset - 16) % 48 == 0x18
      #expect(
        GuestTables.cpuidWord(offset, firmware: 7, leaf: 0x8000_001F) == (isAnswer ? 7 | 1 << 28 : 7))
      #expect(GuestTables.cpuidWord(offset, firmware: 7, leaf: 0xD) == 7)
      #expect(GuestTables.cpuidWord(offset, firmware: 7, leaf: nil) == 7)
    }
  }

  @Test("Start-up states of all three kinds carry SVME, level, features and the reset values (B.6.3, D.113)")
  func states() {
    for start in [
      GuestStart.long64(entry: 0x200000, root: 0x300000), .protected32(entry: 0x8000),
      .real(entry: 0xFFFF_FFF0),
    ] {
      var words: [Int: UInt64] = [:]
      GuestState.words(start, level: .vmpl2, features: [.snpActive], rdi: 3, rsi: 4) {
        words[$0.offset] = $0.value
      }
      #expect(words[VMSAField.efer].map { $0 & VMSAField.eferSVME } == VMSAField.eferSVME)
      #expect(words[VMSAField.vmpl & ~7].map { $0 >> UInt64(8 * (VMSAField.vmpl & 7)) & 0xFF } == 2)
      #expect(words[VMSAField.sevFeatures] == 1)
      #expect(words[VMSAField.rflags] == 2 && words[VMSAField.dr7] == 0x400)
      #expect(words[VMSAField.rdi] == 3 && words[VMSAField.rsi] == 4)
      #expect(words[VMSAField.xcr0] == 1)
    }
    var real: [Int: UInt64] = [:]
    GuestState.words(.real(entry: 0xFFFF_FFF0), level: .vmpl1, features: [.snpActive]) {
      real[$0.offset] = $0.value
    }
    #expect(real[VMSAField.rip] == 0xFFF0 && real[VMSAField.cs + 8] == 0xFFFF_0000)
    #expect(real[VMSAField.cs].map { $0 & 0xFFFF } == 0xF000)
  }
}
