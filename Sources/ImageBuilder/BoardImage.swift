// BoardImage: one board's share of an image: from its layout, its ELF file and the options to headers.
import IGVM
import Launch

/// The records that a board contributes, by the section they go to.
struct BoardImage {
  /// The platform header.
  var platform: SupportedPlatform
  /// Policy headers.
  var initialization: [ImageRecord] = []
  /// Directives that import nothing, then the parameter inserts.
  var directives: [ImageRecord] = []
  /// Pages by address.
  var pages: [ImageRecord] = []
  /// The boot processor's start state.
  var contexts: [ImageRecord] = []

  private let layout: BoardLayout
  private let options: BuildOptions
  private let elf: ELFImage
  private let mask: PlatformMask
  private let range: (start: UInt64, byteCount: UInt64)
  private let boundary: UInt64
  private var plan: PagePlan
  private var information: LaunchInformation

  /// Puts the board's image together for the platform bit `mask`; parameter areas are numbered from `firstArea`.
  init(
    _ layout: BoardLayout, _ elf: ELFImage, _ options: BuildOptions, mask: PlatformMask, firstArea: UInt32
  ) throws(ImageError) {
    self.layout = layout
    self.elf = elf
    self.options = options
    self.mask = mask
    guard
      let size = layout.rangeByteCount(
        processors: options.processorCount, guestByteCount: options.guestByteCount)
    else {
      throw ImageError(.layout, "the memory range does not fit 64 bits", fix: "ask for less guest memory")
    }
    range = (layout.rangeStart, size)
    boundary = options.sharedGPABoundary(layout.platform)
    plan = PagePlan(limit: Self.limit(layout, options, boundary))
    platform = SupportedPlatform(
      mask: mask, highestVTL: layout.platform == .native ? 0 : 2, platform: layout.platform,
      sharedGPABoundary: boundary)
    information = LaunchInformation(
      platform: UInt32(layout.platform.rawValue), hypervisor: options.hypervisor.rawValue)
    try assemble(firstArea)
  }

  /// The first address that is not private memory of the guest.
  private static func limit(_ layout: BoardLayout, _ options: BuildOptions, _ boundary: UInt64) -> UInt64 {
    if boundary != 0 { return boundary }
    switch layout.platform {
    case .snp: return 1 << UInt64(min(options.encryptionBit ?? layout.encryptionBit ?? 51, 51))
    case .tdx: return 1 << 47
    default: return 1 << 52
    }
  }

  private mutating func assemble(_ firstArea: UInt32) throws(ImageError) {
    try checkLayout()
    try addMemory()
    try addParameters(firstArea)
    try placeGuest()
    for segment in elf.segments { try placeSegment(segment) }
    try placeAreas()
    try placeTablesAndStart()
    let sorted = try plan.sorted()
    pages = sorted.map { page in
      ImageRecord(
        .pageData(.init(gpa: page.gpa, mask: mask, flags: page.flags, type: page.type)), data: page.data)
    }
  }

  /// What the layout must have on its platform, and that its areas lie in the range.
  private func checkLayout() throws(ImageError) {
    var needed: [AreaKind] = [.launchInformation, .stack, .pageTables, .parameters, .memoryMap]
    if layout.platform == .snp { needed += [.cpuid, .secrets] }
    if layout.platform == .tdx { needed += [.mailbox] }
    for kind in needed where layout.area(kind) == nil {
      throw ImageError(
        .layout, "the layout of board \(layout.name) has no area \(kind.name)", fix: "add it to layout.json")
    }
    for area in layout.areas { try checkInRange(area.gpa, area.byteCount, "area \(area.kind.name)") }
    for segment in elf.segments {
      try checkInRange(segment.gpa, segment.byteCount, "the kernel's segment")
    }
    guard layout.platform == .snp || layout.platform == .tdx || layout.platform == .native else {
      throw ImageError(
        .layout, "boards exist for native, SNP and TDX", fix: "choose one of them in layout.json")
    }
  }

  private func checkInRange(_ gpa: UInt64, _ byteCount: UInt64, _ what: String) throws(ImageError) {
    let end = gpa.addingReportingOverflow(byteCount)
    guard gpa >= range.start, !end.overflow, end.partialValue <= range.start + range.byteCount,
      byteCount > 0
    else {
      throw ImageError(
        .address,
        "\(what) at \(hex(gpa)), \(hex(byteCount)) bytes, lies outside the range \(hex(range.start)) to "
          + hex(range.start + range.byteCount - 1),
        fix: "move it in the linker script or layout.json, or enlarge the range")
    }
  }

  private mutating func addMemory() throws(ImageError) {
    information.processorCount = UInt32(truncatingIfNeeded: options.processorCount)
    information.rangeStart = range.start
    information.rangeByteCount = range.byteCount
    information.sharedGPABoundary = boundary
    information.guestByteCount = options.guestByteCount
    information.consolePort = options.consolePort
    information.commandLine = options.kernelCommandLine
    var start = range.start
    let end = range.start + range.byteCount
    // The header's size has 32 bits, so a range of 4 GiB or more takes several.
    while start < end {
      let count = min(end - start, 0xFFFF_F000)
      directives.append(
        .init(.requiredMemory(.init(gpa: start, mask: mask, byteCount: UInt32(truncatingIfNeeded: count)))))
      start += count
    }
    switch layout.platform {
    case .snp:
      initialization.append(
        .init(.guestPolicy(.init(policy: options.policy ?? GuestPolicy.snpDefault, mask: mask))))
    case .tdx:
      initialization.append(
        .init(.guestPolicy(.init(policy: options.policy ?? GuestPolicy.tdxSEPTVEDisable, mask: mask))))
    default: break
    }
  }

  /// Areas, what is written into them, and their inserts, in this order (reference §10 rule 7).
  private mutating func addParameters(_ firstArea: UInt32) throws(ImageError) {
    var inserts: [ImageRecord] = []
    var parameters: [ImageRecord] = []
    var index = firstArea
    let kinds: [(AreaKind, [(HeaderType, UInt32)])] = [
      (.parameters, [(.vpCountParameter, 0), (.environmentInfo, 4)]), (.memoryMap, [(.memoryMap, 0)]),
      (.madt, [(.madt, 0)]), (.deviceTree, [(.deviceTree, 0)]),
    ]
    for (kind, contents) in kinds {
      guard let area = layout.area(kind) else { continue }
      // The QEMU versions known refuse a file that has a device tree, on whatever platform (reference §16).
      if kind == .deviceTree && options.hypervisor == .qemu { continue }
      let size = area.byteCount.roundedUpToPage
      try plan.reserve(area.gpa, size, owner: "area \(kind.name)")
      directives.append(.init(.parameterArea(.init(index: index, byteCount: size))))
      for (type, offset) in contents {
        parameters.append(.init(.parameter(.init(type, areaIndex: index, byteOffset: offset))))
      }
      inserts.append(.init(.parameterInsert(.init(gpa: area.gpa, mask: mask, areaIndex: index))))
      note(kind, area.gpa, area.byteCount)
      index += 1
    }
    directives += parameters + inserts
  }

  private mutating func note(_ kind: AreaKind, _ gpa: UInt64, _ byteCount: UInt64) {
    information.areas.append(LaunchArea(kind, gpa: gpa, byteCount: byteCount))
  }

  private mutating func placeSegment(_ segment: ELFImage.Segment) throws(ImageError) {
    try plan.place(
      segment.data, byteCount: segment.byteCount, at: segment.gpa,
      owner: "the kernel's segment at \(hex(segment.gpa))")
    note(.image, segment.gpa, segment.byteCount)
  }

  /// Stack, CPUID, secrets and mailbox pages.
  private mutating func placeAreas() throws(ImageError) {
    for area in layout.areas {
      let owner = "area \(area.kind.name)"
      switch area.kind {
      case .stack, .mailbox:
        try plan.place([], byteCount: area.byteCount, at: area.gpa, owner: owner)
      case .cpuid where layout.platform == .snp:
        let page = CPUIDPage.request.encoded()
        try plan.place(page[...], byteCount: 4096, at: area.gpa, type: .cpuid, owner: owner)
      case .secrets where layout.platform == .snp:
        try plan.place([], byteCount: 4096, at: area.gpa, type: .secrets, owner: owner)
      default: continue
      }
      note(area.kind, area.gpa, area.byteCount)
    }
  }

  /// The guest: firmware, flat image, or Linux without firmware.
  private mutating func placeGuest() throws(ImageError) {
    if let firmware = options.firmware {
      try plan.place(
        firmware.bytes[...], byteCount: UInt64(firmware.bytes.count), at: firmware.gpa, owner: "the firmware")
      note(.firmware, firmware.gpa, UInt64(firmware.bytes.count))
      try noteFirmwareSections(firmware)
    }
    if let guest = options.guestImage {
      try plan.place(guest[...], byteCount: UInt64(guest.count), at: 2 << 20, owner: "the guest image")
      note(.guestImage, 2 << 20, UInt64(guest.count))
    }
    guard let linux = options.linux, options.firmware == nil else { return }
    let kernelSize = UInt64(linux.kernel.count)
    try plan.place(
      linux.kernel[...], byteCount: kernelSize, at: LinuxPayload.kernelGPA, owner: "the Linux kernel")
    note(.linuxKernel, LinuxPayload.kernelGPA, kernelSize)
    let commandLine = linux.commandLine + [0]
    try plan.place(
      commandLine[...], byteCount: UInt64(commandLine.count), at: LinuxPayload.commandLineGPA,
      owner: "the command line")
    note(.commandLine, LinuxPayload.commandLineGPA, UInt64(commandLine.count))
    if !linux.initrd.isEmpty {
      // Above the kernel, or above the SVSM's range if they would meet.
      let size = UInt64(linux.initrd.count)
      var gpa = (LinuxPayload.kernelGPA + kernelSize + 0x1F_FFFF) & ~0x1F_FFFF
      if gpa < range.start + range.byteCount && range.start < gpa + size {
        gpa = (range.start + range.byteCount + 0x1F_FFFF) & ~0x1F_FFFF
      }
      try plan.place(linux.initrd[...], byteCount: size, at: gpa, owner: "the initrd")
      note(.initrd, gpa, size)
    }
  }

  /// What the firmware's SEV metadata asks for: the kernel prepares these pages, so nothing may lie there.
  private mutating func noteFirmwareSections(_ firmware: FirmwareImage) throws(ImageError) {
    guard layout.platform == .snp else { return }
    for section in firmware.sections {
      let kind: AreaKind
      switch section.type {
      case 1: kind = .firmwareMemory
      case 2: kind = .firmwareSecrets
      case 3: kind = .firmwareCPUID
      case 4: kind = .firmwareCallingArea
      case 0x10: kind = .firmwareKernelHashes
      default:
        throw ImageError(
          .firmware, "the firmware's SEV metadata has a section of type \(section.type)",
          fix: "give an OVMF image whose sections are 1 to 4 and 0x10")
      }
      note(kind, section.gpa, section.byteCount)
      if kind == .firmwareKernelHashes, let linux = options.linux, let table = firmware.hashTable {
        guard let page = KernelHashes.page(linux: linux, offset: Int(table.gpa & 0xFFF)) else {
          throw ImageError(
            .firmware, "the firmware's hash table does not fit its page", fix: "give another OVMF image")
        }
        try plan.place(page[...], byteCount: 4096, at: section.gpa, owner: "the kernel hashes")
      } else if section.byteCount > 0 {
        try plan.reserve(section.gpa, section.byteCount, owner: "the firmware's area \(kind.name)")
      }
    }
  }
}

extension BoardImage {
  /// Page tables, the launch information page, and the start state: all that depends on where the rest lies.
  fileprivate mutating func placeTablesAndStart() throws(ImageError) {
    guard let tables = layout.area(.pageTables), let stack = layout.area(.stack),
      let launch = layout.area(.launchInformation)
    else { throw ImageError(.layout, "the layout is incomplete", fix: "see boards/README") }
    let bit = options.encryptionBit ?? layout.encryptionBit
    information.encryptionBit = UInt32(bit ?? 0)
    note(.pageTables, tables.gpa, tables.byteCount)
    note(.launchInformation, launch.gpa, launch.byteCount)
    let root = try placeTables(tables, bit)
    var start = StartState(
      mode: layout.start, rip: elf.entry, stackTop: stack.gpa + stack.byteCount,
      launchInformation: launch.gpa,
      root: root)
    if layout.start == .pvh {
      guard let entry = elf.pvhEntry else {
        throw ImageError(.elf, "the kernel has no PVH note", fix: "choose another start mode in layout.json")
      }
      start.rip = entry
    }
    guard layout.start == .long64 || start.rip <= UInt64(UInt32.max) else {
      throw ImageError(
        .elf, "the 32-bit entry \(hex(start.rip)) lies above 4 GiB", fix: "link the entry where it is loaded")
    }
    switch layout.platform {
    case .snp: try addVMSA(start)
    case .tdx: try placeResetPage(start, tables)
    default:
      contexts = [.init(.vpContext(.init(gpa: 0, mask: mask)), data: start.nativeContext()[...])]
    }
    guard let page = information.encoded() else {
      throw ImageError(
        .capacity,
        "more than \(LaunchInformation.maximumAreaCount) areas, or a kernel command line beyond "
          + "\(LaunchInformation.maximumCommandLineByteCount) bytes",
        fix: "use fewer segments, a simpler firmware or fewer words")
    }
    try plan.place(page[...], byteCount: 4096, at: launch.gpa, owner: "area launchInformation")
  }

  private mutating func addVMSA(_ start: StartState) throws(ImageError) {
    let isHyperV = options.hypervisor == .hyperv
    let gpa = isHyperV ? range.start + range.byteCount - 4096 : VMSALayout.kvmGPA
    let features = layout.sevFeatures | (isHyperV ? VMSALayout.Features.vTOM : 0)
    if isHyperV { try plan.reserve(gpa, 4096, owner: "the VMSA") }
    note(.vmsa, gpa, 4096)
    let vmsa = start.vmsa(features: features, virtualTOM: boundary)
    contexts = [.init(.vpContext(.init(gpa: gpa, mask: mask)), data: vmsa[...])]
  }

  private mutating func placeResetPage(
    _ start: StartState, _ tables: BoardLayout.Area
  ) throws(ImageError) {
    guard let mailbox = layout.area(.mailbox) else { return }
    guard tables.gpa <= UInt64(UInt32.max) - 4095 else {
      throw ImageError(
        .layout, "the page tables at \(hex(tables.gpa)) lie above 4 GiB",
        fix: "the reset page can only load a CR3 below")
    }
    let page = TDXResetPage.encoded(
      root: start.root, entry: start.rip, stackTop: start.stackTop,
      launchInformation: start.launchInformation,
      mailbox: mailbox)
    try plan.place(page[...], byteCount: 4096, at: TDXResetPage.gpa, owner: "the TDX reset page")
    note(.resetPage, TDXResetPage.gpa, 4096)
  }

  /// Builds the tables: segments where they are linked, areas one to one, the TDX reset page one to one.
  private mutating func placeTables(_ area: BoardLayout.Area, _ bit: Int?) throws(ImageError) -> UInt64 {
    let capacity = Int(truncatingIfNeeded: min(area.byteCount / 4096, 1 << 20))
    guard capacity > 0 else {
      throw ImageError(
        .layout, "the area pageTables is smaller than a page", fix: "enlarge it in layout.json")
    }
    var builder = PageTableBuilder(base: area.gpa, capacity: capacity, encryptionBit: bit)
    for segment in elf.segments {
      for page in 0..<(segment.byteCount.roundedUpToPage / 4096) {
        try builder.map(
          segment.virtualAddress &+ page * 4096, to: segment.gpa + page * 4096,
          isWritable: segment.isWritable, isExecutable: segment.isExecutable)
      }
    }
    for area in layout.areas {
      for page in 0..<(area.byteCount.roundedUpToPage / 4096) {
        let gpa = area.gpa + page * 4096
        try builder.map(gpa, to: gpa, isWritable: true, isExecutable: false)
      }
    }
    if layout.platform == .tdx {
      try builder.map(TDXResetPage.gpa, to: TDXResetPage.gpa, isWritable: false, isExecutable: true)
    }
    var gpa = area.gpa
    for page in builder.pages {
      try plan.place(page, byteCount: 4096, at: gpa, owner: "area pageTables")
      gpa += 4096
    }
    // The rest of the pool is there for the kernel's own tables.
    let rest = area.gpa + area.byteCount.roundedUpToPage - gpa
    if rest > 0 { try plan.place([], byteCount: rest, at: gpa, owner: "area pageTables") }
    return builder.root
  }
}
