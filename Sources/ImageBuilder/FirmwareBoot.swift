// FirmwareBoot: an image of OVMF alone, its pages as QEMU places and measures them without IGVM.
import IGVM

/// A guest without an SVSM: firmware, the pages that its metadata names, one VMSA for each processor.
///
/// Its purpose is to be comparable: measured with ZERO pages it has the digest that `sev-snp-measure` computes for the
/// same firmware (reference §18.1).
public struct FirmwareBoot: Sendable {
  /// The firmware.
  public let firmware: FirmwareImage
  /// A kernel whose hashes the firmware checks.
  public var linux: LinuxPayload?
  /// How many processors start with a VMSA.
  public var processorCount: UInt16 = 1
  /// CPUID leaf 1 EAX, which QEMU passes in RDX.
  public var processorSignature: UInt32 = 0x0080_0F12
  /// SEV_FEATURES of each VMSA.
  public var sevFeatures: UInt64 = VMSALayout.Features.snpActive
  /// The guest policy; nil = the platform's default.
  public var policy: UInt64?

  /// A boot of `firmware` with one processor.
  public init(_ firmware: FirmwareImage) { self.firmware = firmware }

  /// The image for SNP.
  public func snpImage() throws(ImageError) -> Image {
    guard !firmware.sections.isEmpty else {
      throw ImageError(
        .firmware, "the firmware has no SEV metadata", fix: "give an OVMF image built for SEV-SNP")
    }
    guard linux == nil || (firmware.hashTable != nil && firmware.sections.contains { $0.type == 0x10 }) else {
      throw ImageError(
        .firmware, "the firmware has no page for kernel hashes", fix: "give OVMF.amdsev.fd, or no --kernel")
    }
    guard processorCount == 1 || firmware.secondaryReset != nil else {
      throw ImageError(
        .firmware, "the firmware names no reset address for more processors", fix: "use --vcpus 1")
    }
    let mask = PlatformMask(1)
    var plan = PagePlan(limit: 1 << 51)
    try plan.place(
      firmware.bytes[...], byteCount: UInt64(firmware.bytes.count), at: firmware.gpa, keepsZeros: true,
      owner: "the firmware")
    for section in firmware.sections { try place(section, &plan) }
    _ = try plan.sorted()
    var records = head(mask, .snp, policy ?? GuestPolicy.snpDefault)
    // In table order, not by address: that is the order QEMU measures.
    records += pages(plan, mask)
    for index in 0..<processorCount {
      let vmsa = resetVMSA(eip: index == 0 ? 0xFFFF_FFF0 : firmware.secondaryReset ?? 0)
      // One address for all, as KVM does it; the format allows one VMSA per page, so they are told apart by index.
      let gpa = VMSALayout.kvmGPA
      records.append(.init(.vpContext(.init(gpa: gpa, mask: mask, vpIndex: index)), data: vmsa[...]))
    }
    return Image(records: records)
  }

  /// The image for TDX: the sections of the TDX metadata (TDVF design guide §11).
  public func tdxImage() throws(ImageError) -> Image {
    let sections = try firmware.tdxSections()
    guard !sections.isEmpty else {
      throw ImageError(.firmware, "the firmware has no TDX metadata", fix: "give an OVMF image built for TDX")
    }
    let mask = PlatformMask(1)
    var plan = PagePlan(limit: 1 << 47)
    // Bit 1 of the attributes: added after the launch, so not part of the image.
    for section in sections where section.attributes & 2 == 0 && section.byteCount > 0 {
      try plan.place(
        firmware.bytes[section.data], byteCount: section.byteCount, at: section.gpa,
        flags: section.attributes & 1 != 0 ? 0 : PageData.unmeasured,
        owner: "the firmware's section of type \(section.type)")
    }
    _ = try plan.sorted()
    return Image(records: head(mask, .tdx, policy ?? GuestPolicy.tdxSEPTVEDisable) + pages(plan, mask))
  }

  private func head(_ mask: PlatformMask, _ platform: PlatformType, _ policy: UInt64) -> [ImageRecord] {
    [
      .init(.supportedPlatform(.init(mask: mask, highestVTL: 0, platform: platform))),
      .init(.guestPolicy(.init(policy: policy, mask: mask))),
    ]
  }

  private func pages(_ plan: PagePlan, _ mask: PlatformMask) -> [ImageRecord] {
    plan.pages.map { page in
      .init(.pageData(.init(gpa: page.gpa, mask: mask, flags: page.flags, type: page.type)), data: page.data)
    }
  }

  private func place(_ section: FirmwareImage.Section, _ plan: inout PagePlan) throws(ImageError) {
    let owner = "the firmware's section of type \(section.type)"
    switch section.type {
    case 1, 4:
      try plan.place([], byteCount: section.byteCount, at: section.gpa, owner: owner)
    case 2:
      try plan.place([], byteCount: section.byteCount, at: section.gpa, type: .secrets, owner: owner)
    case 3:
      try plan.place([], byteCount: section.byteCount, at: section.gpa, type: .cpuid, owner: owner)
    case 0x10:
      guard let linux, let table = firmware.hashTable else {
        return try plan.place([], byteCount: section.byteCount, at: section.gpa, owner: owner)
      }
      guard section.byteCount == 4096,
        let page = KernelHashes.page(linux: linux, offset: Int(table.gpa & 0xFFF))
      else {
        throw ImageError(
          .firmware, "the firmware's hash table does not fit its page", fix: "give another OVMF image")
      }
      try plan.place(page[...], byteCount: 4096, at: section.gpa, owner: owner)
    default:
      throw ImageError(
        .firmware, "the firmware's SEV metadata has a section of type \(section.type)",
        fix: "give an OVMF image whose sections are 1 to 4 and 0x10")
    }
  }

  /// A processor as QEMU and KVM reset it (reference §18.1).
  private func resetVMSA(eip: UInt32) -> [UInt8] {
    var page = FieldPage()
    for segment in [VMSALayout.es, VMSALayout.ss, VMSALayout.ds, VMSALayout.fs, VMSALayout.gs] {
      page.setSegment(segment, selector: 0, attributes: 0x93, limit: 0xFFFF)
    }
    page.setSegment(
      VMSALayout.cs, selector: 0xF000, attributes: 0x9B, limit: 0xFFFF, base: UInt64(eip & 0xFFFF_0000))
    page.setSegment(VMSALayout.gdtr, selector: 0, attributes: 0, limit: 0xFFFF)
    page.setSegment(VMSALayout.ldtr, selector: 0, attributes: 0x82, limit: 0xFFFF)
    page.setSegment(VMSALayout.idtr, selector: 0, attributes: 0, limit: 0xFFFF)
    page.setSegment(VMSALayout.tr, selector: 0, attributes: 0x8B, limit: 0xFFFF)
    for (offset, value) in [
      (VMSALayout.efer, 0x1000), (VMSALayout.cr4, 0x40), (VMSALayout.cr0, 0x10), (VMSALayout.dr7, 0x400),
      (VMSALayout.dr6, 0xFFFF_0FF0), (VMSALayout.rflags, 2), (VMSALayout.rip, UInt64(eip & 0xFFFF)),
      (VMSALayout.pat, 0x0007_0406_0007_0406), (VMSALayout.rdx, UInt64(processorSignature)),
      (VMSALayout.sevFeatures, sevFeatures), (VMSALayout.xcr0, 1),
    ] as [(Int, UInt64)] {
      page.set(value, at: offset)
    }
    page.set(UInt32(0x1F80), at: VMSALayout.mxcsr)
    page.set(UInt16(0x37F), at: VMSALayout.x87ControlWord)
    return page.bytes
  }
}
