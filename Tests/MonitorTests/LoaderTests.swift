// LoaderTests: images placed and measured as a host does, and images refused with one line.

import IGVM
import Measurement
import Model
import Monitor
import SNP
import TDX
import Testing
import X86

private final class Launched {
  var machine: SNPMachine
  var memory: ArrayMemory

  init(machine: consuming SNPMachine, memory: consuming ArrayMemory) {
    self.machine = machine
    self.memory = memory
  }

  func load(_ page: UInt64, _ offset: Int) -> UInt64 {
    memory.load(SystemPage(rawValue: 512 + page), offset)
  }
  func mapping(_ page: UInt64, _ vmpl: VMPL) -> SystemPage? {
    machine.memory.privateMapping(GuestPage(rawValue: page), vmpl)?.page
  }
  func entry(_ page: UInt64) -> RMPEntry? { machine.memory.rmp.governing(SystemPage(rawValue: 512 + page)) }
}

private func launched(_ description: GuestMachine = TestImages.machine) throws -> Launched {
  let file = TestImages.image()
  let plan = try TestImages.plan(file, .snp, description)
  var machine = SNPMachine(
    SNPConfiguration(apicIDs: description.apicIDs), systemPageCount: TestImages.systemPageCount,
    windows: plan.backing.windows ?? PageWindows(pageCount: 1), firmware: SNPFirmware(seed: 1))
  var memory = ArrayMemory(pageCount: TestImages.systemPageCount)
  try SNPLauncher.launch(
    file.span, plan, description, into: &machine, &memory, cpuid: TestImages.cpuid)
  return Launched(machine: machine, memory: memory)
}

@Suite struct LoaderTests {
  @Test func `the firmware's digest is the calculator's`() throws {
    let guest = try launched()
    let file = TestImages.image()
    let expected = try SNPLaunchDigest.measure(file.span, mask: TestImages.snp)
    let digest = guest.machine.firmware.launchDigest
    for index in 0..<48 { #expect(digest[index] == expected.bytes[index]) }
    let state = guest.machine.firmware.state
    #expect(state == .finished)
  }

  @Test func `imported pages are validated for VMPL0 only, the rest is private and not validated`() throws {
    let guest = try launched()
    let code = guest.mapping(0x200, .vmpl0)
    #expect(code == SystemPage(rawValue: 512 + 0x200))
    let word = guest.load(0x200, 0)
    #expect(word & 0xFFFF == 0x0801)
    let lower = guest.mapping(0x200, .vmpl1)
    #expect(lower == nil)
    let free = try #require(guest.entry(0x400))
    #expect(free.isAssigned && !free.isValidated && free.pageSize == .size2M)
    // The legacy hole and the page that the file leaves shared are the host's.
    let hole = try #require(guest.entry(0xC0))
    let left = try #require(guest.entry(0x208))
    let low = try #require(guest.entry(0x10))
    #expect(hole.isHypervisorOwned && left.isHypervisorOwned && low.isAssigned)
  }

  @Test func `the CPUID page is answered, the secrets page is the firmware's, the VMSA runs`() throws {
    let guest = try launched()
    let words = [guest.load(0x202, 40), guest.load(0x202, 48), guest.load(0x202, 88), guest.load(0x203, 0)]
    #expect(words == [1, 3 | 4 << 32, 0x8000_001F, 3])
    let result = guest.machine.vmrun(0, .vmpl0, &guest.memory)
    #expect(result == .entered(.vmpl0))
  }

  @Test func `parameters hold the processor count, environment, memory map and MADT`() throws {
    var description = TestImages.machine
    description.isMemoryShared = true
    let guest = try launched(description)
    let parameters = guest.load(0x204, 0)
    #expect(parameters == 3 | 1 << 32)
    var map: [UInt64] = []
    for index in 0..<12 { map.append(guest.load(0x205, index * 8)) }
    #expect(map == [0, 0xA0, 0, 0xA0, 0x60, 1, 0x100, 0x700, 0, 0, 0, 0])
    let madt = guest.load(0x206, 0)
    #expect(madt & 0xFFFF_FFFF == 0x4349_5041)
    // 44 of header, two local APICs, one x2APIC for id 300, I/O APIC, override.
    #expect(madt >> 32 == 44 + 8 + 8 + 16 + 12 + 10)
    var sum: UInt8 = 0
    for index in 0..<Int(madt >> 32) {
      sum &+= UInt8(truncatingIfNeeded: guest.load(0x206, index & ~7) >> UInt64(8 * (index & 7)))
    }
    #expect(sum == 0)
    // Memory handed over shared belongs to the host.
    let free = try #require(guest.entry(0x400))
    #expect(free.isHypervisorOwned)
  }

  @Test func `bad images are refused with one line that names the rule`() {
    func refusal(_ file: [UInt8], _ platform: PlatformType = .snp) -> String {
      do throws(Refusal) {
        _ = try TestImages.plan(file, platform)
        return "accepted"
      } catch {
        return String(decoding: error.line.bytes, as: UTF8.self)
      }
    }
    let good = TestImages.image()
    #expect(refusal(good) == "accepted")
    #expect(refusal(good, .native).contains("platform-missing"))
    #expect(refusal(Array(good.prefix(good.count - 1))).contains("fixed-total-size"))
    #expect(refusal(Array(good.prefix(20))).contains("fixed-header-truncated"))
    #expect(refusal([UInt8](repeating: 0x7F, count: 4096)).contains("fixed-magic"))
    #expect(
      refusal(TestImages.image(requiredBytes: 8 << 20)).contains("memory: is less than the image requires"))
    let srat = ImageRecord(.parameter(.init(.srat, areaIndex: 0, byteOffset: 64)))
    #expect(refusal(TestImages.image(extra: [srat])).contains("loader-header-type"))
    let late = ImageRecord(.parameter(.init(.madt, areaIndex: 0, byteOffset: 4090)))
    #expect(refusal(TestImages.image(extra: [late])).contains("parameter-beyond-area"))
  }

  @Test func `the device tree is well-formed and names memory and command line`() {
    var description = TestImages.machine
    description.commandLine = Array("quiet".utf8)
    let tree = HostTables.deviceTree(description)
    func big(_ offset: Int) -> Int { tree[offset..<(offset + 4)].reduce(0) { $0 << 8 | Int($1) } }
    #expect(big(0) == 0xD00D_FEED)
    #expect(big(4) == tree.count)
    #expect(big(8) + big(36) == big(12))
    #expect(big(12) + big(32) == tree.count)
    #expect(big(big(12) - 4) == 9)
    let text = String(decoding: tree, as: UTF8.self)
    #expect(text.contains("memory@0") && text.contains("bootargs") && text.contains("quiet"))
  }

  @Test func `a hostile host's lies reach the parameters`() throws {
    var description = TestImages.machine
    description.lies = [.processorCount, .memoryMap, .madt, .environment]
    let guest = try launched(description)
    let words = [guest.load(0x204, 0) & 0xFFFF_FFFF, guest.load(0x205, 80)]
    #expect(words == [0xFFFF_FFF0, .max])
  }
}
