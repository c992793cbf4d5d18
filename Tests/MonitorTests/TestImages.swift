// TestImages: small IGVM files for the loader's tests.

import IGVM
import Model
import Monitor
import X86

enum TestImages {
  static let snp = PlatformMask(1)
  static let tdx = PlatformMask(2)

  /// A file for SNP and TDX: code at 2 MiB, parameters, CPUID, secrets, a VMSA and a reset page.
  static func image(extra: [ImageRecord] = [], requiredBytes: UInt32 = 1 << 20) -> [UInt8] {
    let both = PlatformMask(3)
    let code = [UInt8]((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) })
    var vmsa = [UInt8](repeating: 0, count: 4096)
    vmsa[0xD1] = 0x10  // EFER.SVME
    vmsa[0x3B0] = 1  // SNPActive
    vmsa[0x178] = 0x34  // RIP
    var cpuid = [UInt8](repeating: 0, count: 4096)
    cpuid[0] = 2
    cpuid[16] = 1
    cpuid[64] = 0x1F
    cpuid[67] = 0x80
    var records: [ImageRecord] = [
      .init(.supportedPlatform(.init(mask: snp, highestVTL: 2, platform: .snp))),
      .init(.supportedPlatform(.init(mask: tdx, highestVTL: 2, platform: .tdx))),
      .init(.guestPolicy(.init(policy: 0x3_0000, mask: snp))),
      .init(.guestPolicy(.init(policy: 2, mask: tdx))),
      .init(.requiredMemory(.init(gpa: 0x20_0000, mask: both, byteCount: requiredBytes))),
      .init(.parameterArea(.init(index: 0, byteCount: 4096))),
      .init(.parameterArea(.init(index: 1, byteCount: 8192))),
      .init(.parameter(.init(.vpCountParameter, areaIndex: 0, byteOffset: 0))),
      .init(.parameter(.init(.environmentInfo, areaIndex: 0, byteOffset: 4))),
      .init(.parameter(.init(.memoryMap, areaIndex: 1, byteOffset: 0))),
      .init(.parameter(.init(.madt, areaIndex: 1, byteOffset: 4096))),
    ]
    records += extra
    records += [
      .init(.parameterInsert(.init(gpa: 0x20_4000, mask: both, areaIndex: 0))),
      .init(.parameterInsert(.init(gpa: 0x20_5000, mask: both, areaIndex: 1))),
      .init(.pageData(.init(gpa: 0x20_0000, mask: both)), data: code[...]),
      .init(.pageData(.init(gpa: 0x20_1000, mask: both))),
      .init(.pageData(.init(gpa: 0x20_2000, mask: snp, type: .cpuid)), data: cpuid[...]),
      .init(.pageData(.init(gpa: 0x20_3000, mask: snp, type: .secrets))),
      .init(.pageData(.init(gpa: 0x20_8000, mask: both, flags: PageData.shared))),
      .init(.pageData(.init(gpa: 0xFFFF_F000, mask: tdx)), data: code[...]),
      .init(.vpContext(.init(gpa: 0xFFFF_FFFF_F000, mask: snp)), data: vmsa[...]),
    ]
    guard let file = try? Image(records: records).build() else { return [] }
    return file
  }

  /// 8 MiB of guest memory behind system page 512.
  static let machine = GuestMachine(apicIDs: [0, 1, 300], byteCount: 8 << 20)
  static let backing = GuestBacking(
    ram: SystemPage(rawValue: 512), pageCount: 2048, pool: SystemPage(rawValue: 16))
  static let systemPageCount = 4096

  static func plan(
    _ file: [UInt8], _ platform: PlatformType, _ machine: GuestMachine = TestImages.machine
  ) throws(Refusal) -> ImagePlan {
    try ImagePlan(file.span, platform, machine, backing)
  }

  static func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDResult {
    CPUIDResult(eax: leaf, ebx: subleaf, ecx: 3, edx: 4)
  }
}
