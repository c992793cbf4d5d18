// LoaderProfile: what a particular loader demands of a file beyond the format's rules.
import Bits

/// A loader whose rules a file can be held to (reference §11, §16).
public enum LoaderProfile: Sendable {
  /// QEMU's backend, which aborts on any header type that it does not handle.
  case qemu
  /// KVM's launch measurement: what the digest of a file needs to equal the hardware's.
  case kvm
  /// Hyper-V and OpenVMM.
  case hyperv
  /// Our own monitor.
  case monitor

  /// What is noted of one platform while its headers pass.
  private struct Notes {
    var contextCount: UInt64 = 0
    var lastContext: UInt64 = 0
    var hasSeenPage = false
    var coversReset = false
  }

  /// Checks a whole file that is valid, and reports each breach.
  public func check(_ file: borrowing Span<UInt8>, report: (Violation) -> Void) throws(Violation) {
    var reader = try HeaderReader(file)
    let start = UInt64(reader.fixed.variableHeaderOffset)
    var snp: SupportedPlatform?
    var tdx: SupportedPlatform?
    var isSupported = false
    var notes = Notes()
    while let located = try reader.next(file) {
      let at = UInt64(located.offset)
      let type = located.header.type
      if !accepts(type) { report(.init(.loaderHeaderType, at: at, UInt64(type.rawValue))) }
      if case .supportedPlatform(let platform) = located.header {
        if supports(platform.platform) { isSupported = true }
        if platform.platform == .snp { snp = platform }
        if platform.platform == .tdx { tdx = platform }
        checkBoundary(platform, at, report)
      }
      if case .pageData(let page) = located.header, let tdx, page.mask.intersects(tdx.mask) {
        if page.gpa == 0xFFFF_F000 && page.isMeasured && !page.isShared { notes.coversReset = true }
      }
      if let snp { checkOrder(located, snp, file, &notes, report) }
    }
    if !isSupported { report(.init(.loaderPlatform, at: start)) }
    if snp != nil, self != .hyperv, notes.contextCount != 1 {
      report(.init(.loaderContextCount, at: notes.lastContext, notes.contextCount))
    }
    if tdx != nil, supports(.tdx), !notes.coversReset { report(.init(.loaderTDXAddress, at: start)) }
  }

  private func supports(_ platform: PlatformType) -> Bool {
    switch self {
    case .qemu: platform == .snp || platform == .sevES || platform == .sev || platform == .native
    case .kvm: platform == .snp
    case .hyperv: platform == .snp || platform == .tdx || platform == .vsmIsolation
    case .monitor: platform == .snp || platform == .tdx || platform == .native
    }
  }

  private func accepts(_ type: HeaderType) -> Bool {
    switch type {
    case .supportedPlatform, .guestPolicy, .parameterArea, .pageData, .parameterInsert, .vpContext,
      .requiredMemory,
      .vpCountParameter, .environmentInfo, .memoryMap, .madt, .snpIDBlock:
      true
    case .deviceTree: self != .qemu
    default: self == .hyperv || self == .kvm
    }
  }

  private func checkBoundary(_ platform: SupportedPlatform, _ at: UInt64, _ report: (Violation) -> Void) {
    let isWrong =
      switch (self, platform.platform) {
      case (.hyperv, .snp): platform.sharedGPABoundary == 0
      case (.hyperv, .tdx): platform.sharedGPABoundary != 1 << 47
      case (.qemu, _), (.kvm, _): platform.sharedGPABoundary != 0
      default: false
      }
    if isWrong { report(.init(.loaderBoundary, at: at, platform.sharedGPABoundary)) }
  }

  /// Order and VMSA of an SNP platform: QEMU gathers pages and KVM measures VMSAs last, so another order in the file
  /// than theirs gives another digest (reference §11, §16.1).
  private func checkOrder(
    _ located: LocatedHeader, _ snp: SupportedPlatform, _ file: borrowing Span<UInt8>, _ notes: inout Notes,
    _ report: (Violation) -> Void
  ) {
    guard located.header.mask.intersects(snp.mask) else { return }
    let at = UInt64(located.offset)
    let type = UInt64(located.header.type.rawValue)
    switch located.header {
    case .pageData:
      if self != .hyperv, notes.contextCount > 0 { report(.init(.loaderPageOrder, at: at, type)) }
      notes.hasSeenPage = true
    case .parameterInsert:
      if self != .hyperv, notes.contextCount > 0 || notes.hasSeenPage {
        report(.init(.loaderPageOrder, at: at, type))
      }
    case .vpContext(let context):
      notes.contextCount += 1
      notes.lastContext = at
      if self == .qemu || self == .kvm, context.gpa != VMSALayout.kvmGPA {
        report(.init(.loaderVMSAAddress, at: at, context.gpa))
      }
      checkVMSA(Int(context.fileOffset), file, snp, at, report)
    default: break
    }
  }

  private func checkVMSA(
    _ start: Int, _ file: borrowing Span<UInt8>, _ snp: SupportedPlatform, _ at: UInt64,
    _ report: (Violation) -> Void
  ) {
    guard start > 0, start + VMSALayout.byteCount <= file.count else { return }
    func word(_ offset: Int) -> UInt64 {
      var value: UInt64 = 0
      for index in 0..<8 { value |= UInt64(file[start + offset + index]) << UInt64(8 * index) }
      return value
    }
    switch self {
    case .qemu:
      for index in 0..<VMSALayout.byteCount where file[start + index] != 0 {
        if !VMSALayout.qemuFields.contains(where: { $0.contains(index) }) {
          report(.init(.loaderVMSAField, at: at, UInt64(index)))
          break
        }
      }
    case .kvm:
      // KVM keeps CR0 as it resets it, plus PE: other values are measured differently (reference §11).
      let cr0 = word(VMSALayout.cr0)
      if cr0 != 0x30 && cr0 != 0x31 { report(.init(.loaderVMSAField, at: at, UInt64(VMSALayout.cr0))) }
    case .hyperv:
      if word(VMSALayout.virtualTOM) != snp.sharedGPABoundary {
        report(.init(.loaderVMSAField, at: at, UInt64(VMSALayout.virtualTOM)))
      }
    case .monitor: break
    }
  }
}

extension VMSALayout {
  /// The bytes that QEMU lets a file set; it refuses a VMSA with any other byte that is not zero (reference §16.1).
  static let qemuFields: [Range<Int>] = [
    es..<0xA0, efer..<(efer + 8), cr4..<(rip + 8), rsp..<(rsp + 8), rax..<(rax + 8), pat..<(pat + 8),
    rcx..<(rbx + 8), rbp..<(r8 + 64), sevFeatures..<(sevFeatures + 8), xcr0..<(xcr0 + 8), mxcsr..<(mxcsr + 4),
    x87ControlWord..<(x87ControlWord + 2),
  ]
}
