// GuestLaunch: prepares the guest that the image carries: its pages, its tables, its start-up vCPU.
import Launch
import SNP
public import Seams
public import X86

/// Why the guest can't be started.
public enum GuestLaunchError: Error, Equatable, Sendable {
  /// The image carries no guest that this kernel can start.
  case noGuest
  /// The guest's image does not lie in the guest's memory, or its header makes no sense.
  case malformed
  /// A page could not be validated or given to the guest.
  case page(PageFailure)
  /// The host took a page away.
  case fault
  /// The host refuses the vCPU.
  case refused
}

/// What was started.
public struct LaunchedGuest: Equatable, Sendable {
  /// The start-up vCPU's saved state.
  public let context: VCPUContext
  /// Its calling area.
  public let callingArea: PhysicalAddress
  /// The pages that are the guest's and valid: its image, and what the kernel made beside it.
  public let valid: (firstPage: UInt64, pageCount: UInt64)
  /// Field by field.
  public static func == (left: Self, right: Self) -> Bool {
    left.context == right.context && left.callingArea == right.callingArea && left.valid == right.valid
  }
}

/// A flat guest at 2 MiB, as boards/guest describes it (design.md, "Guest conventions").
///
/// | Page | What |
/// |---|---|
/// | 0x1FC000 | CPUID page |
/// | 0x1FD000 | secrets page |
/// | 0x1FE000 | calling area |
/// | 0x1FF000 | VMSA |
/// | 0x200000 | the image; header at its start |
public struct GuestLaunch<Hardware: SNPHardware, Memory: PhysicalMemory & Sendable, Cycles>
where Cycles: CycleCounter & Sendable {
  private let platform: SNPPlatform<Hardware, Memory, Cycles>
  private let driver: SNPGuestDriver<Hardware>
  private var hardware: Hardware { platform.ghcb.hardware }
  /// The first of the four pages that the kernel makes.
  public static var firstPage: UInt64 { 0x1FC }
  private static var image: UInt64 { 0x20_0000 }
  // "APSGUEST" (boards/guest/README.md).
  private static var magic: UInt64 { 0x5453_4555_4753_5041 }

  /// The launch of `driver`'s guest.
  public init(_ platform: SNPPlatform<Hardware, Memory, Cycles>, _ driver: SNPGuestDriver<Hardware>) {
    self.platform = platform
    self.driver = driver
  }

  private func page(_ index: UInt64) -> PhysicalAddress { PhysicalAddress((Self.firstPage &+ index) << 12) }

  /// Prepares everything and offers the vCPU to the host; `apicIDs` are the CPUs', `commandLine` the guest's.
  public func start(
    _ memory: GuestMemoryPlan, apicIDs: ProcessorList, commandLine: [UInt8]
  ) throws(GuestLaunchError) -> LaunchedGuest {
    guard let page = platform.launch, let image = page.area(.guestImage) else { throw .noGuest }
    let pages = (image.byteCount &+ 0xFFF) >> 12
    guard image.gpa == Self.image, memory.contains(image.gpa, bytes: pages << 12),
      memory.contains(Self.firstPage << 12, bytes: 0x4000)
    else { throw .malformed }
    try giveImage(pages)
    for index in UInt64(0)..<4 { try makePage(self.page(index)) }
    try fillHeader(pages, apicIDs, commandLine, memory)
    let start = try entryState(pages)
    try fillTables(page)
    try fillState(start)
    try offer(apicIDs)
    return LaunchedGuest(
      context: VCPUContext(self.page(3)), callingArea: self.page(2),
      valid: (Self.firstPage, 4 &+ pages))
  }

  private func checked(_ body: () throws(PageFailure) -> Void) throws(GuestLaunchError) {
    do throws(PageFailure) { try body() } catch { throw .page(error) }
  }

  // The loader validated the image's pages; the guest gets its rights on them.
  private func giveImage(_ pages: UInt64) throws(GuestLaunchError) {
    for index in 0..<pages {
      let address = PhysicalAddress(Self.image &+ index << 12)
      try checked { () throws(PageFailure) in try driver.grant(address, .small) }
    }
  }

  // Validate, clear, then grant: no window in which the guest could read what was there.
  private func makePage(_ address: PhysicalAddress) throws(GuestLaunchError) {
    if platform.memoryIsShared {
      do throws(ClaimError) {
        try MemoryClaim(platform.ghcb).validate(address, bytes: Frame.bytes, isShared: true)
      } catch {
        throw .refused
      }
    } else {
      try checked { () throws(PageFailure) in try driver.validate(address, .small) }
    }
    guard hardware.zeroGuest(address, byteCount: Frame.bytes) else { throw .fault }
    try checked { () throws(PageFailure) in try driver.grant(address, .small) }
  }

  private func load(_ address: UInt64) throws(GuestLaunchError) -> UInt64 {
    guard let word = hardware.loadGuest(PhysicalAddress(address)) else { throw .fault }
    return word
  }
  private func store(_ value: UInt64, _ address: UInt64) throws(GuestLaunchError) {
    guard hardware.storeGuest(value, width: 8, PhysicalAddress(address)) else { throw .fault }
  }

  // How the image asks to be entered: 64-bit on its own page tables, or without paging at an address inside it.
  private func entryState(_ pages: UInt64) throws(GuestLaunchError) -> GuestStart {
    let entry = try load(Self.image &+ 0x80)
    let isInside = entry >= Self.image && entry &- Self.image < pages << 12
    switch try load(Self.image &+ 0x78) {
    case 0: return .long64(entry: Self.image, root: try fillPageTables(pages))
    case 1 where isInside: return .protected32(entry: UInt32(truncatingIfNeeded: entry))
    case 2 where isInside: return .real(entry: UInt32(truncatingIfNeeded: entry))
    default: throw .malformed
    }
  }

  // The guest's own page tables get the encryption bit; answers CR3.
  private func fillPageTables(_ pages: UInt64) throws(GuestLaunchError) -> UInt64 {
    let end = Self.image &+ pages << 12
    let root = try load(Self.image &+ 0x18)
    let tables = try load(Self.image &+ 0x20)
    guard root % Frame.bytes == 0, tables % Frame.bytes == 0, root >= Self.image, root < end,
      tables <= end &- root
    else { throw .malformed }
    let bit = platform.privacy.privateMask
    for offset in stride(from: UInt64(0), to: tables, by: 8) {
      let entry = try load(root &+ offset)
      if entry & 1 == 1, bit != 0 { try store(entry | bit, root &+ offset) }
    }
    return root | bit
  }

  private func fillHeader(
    _ pages: UInt64, _ list: ProcessorList, _ commandLine: [UInt8], _ memory: GuestMemoryPlan
  ) throws(GuestLaunchError) {
    guard try load(Self.image &+ 0x10) == Self.magic else { throw .malformed }
    var below4G: UInt64 = 0
    for index in 0..<memory.count {
      if let region = memory[index], region.start.rawValue < 1 << 32 {
        below4G = max(below4G, min(region.end.rawValue, 1 << 32))
      }
    }
    let range = platform.plan.range
    let fields: [(UInt64, UInt64)] = [
      (0x30, 1), (0x38, platform.privacy.privateMask), (0x40, UInt64(list.count)),
      (0x48, range.start.rawValue), (0x50, range.bytes),
      (0x58, below4G), (0x60, page(2).rawValue), (0x68, UInt64(driver.level.rawValue)),
      (0x70, driver.features.rawValue),
    ]
    for (offset, value) in fields { try store(value, Self.image &+ offset) }
    for index in 0..<min(commandLine.count, 255) {
      let place = PhysicalAddress(Self.image &+ 0x100 &+ UInt64(index))
      guard hardware.storeGuest(UInt64(commandLine[index]), width: 1, place) else { throw .fault }
    }
    for number in 0..<UInt32(truncatingIfNeeded: list.count) {
      let low = UInt64(list[CPUIndex(number)]?.rawValue ?? 0)
      let place = PhysicalAddress(Self.image &+ 0x200 &+ UInt64(number) &* 4)
      guard hardware.storeGuest(low & 0xFFFF, width: 2, place),
        hardware.storeGuest(low >> 16, width: 2, place.advanced(by: 2))
      else { throw .fault }
    }
  }

  private func fillTables(_ launch: LaunchPage<MemorySource<Memory>>) throws(GuestLaunchError) {
    guard let cpuid = launch.area(.cpuid), let secrets = launch.area(.secrets) else { throw .malformed }
    let memory = platform.privateMemory
    for offset in stride(from: 0, to: 4096, by: 8) {
      let place = UInt64(offset)
      let words = (
        memory.load(UInt64.self, at: PhysicalAddress(cpuid.gpa &+ place)),
        memory.load(UInt64.self, at: PhysicalAddress(secrets.gpa &+ place))
      )
      var leaf: UInt32?
      if offset >= CPUIDPage.entriesOffset {
        let entry = (offset - CPUIDPage.entriesOffset) / CPUIDEntry.byteCount * CPUIDEntry.byteCount
        leaf = memory.load(
          UInt32.self, at: PhysicalAddress(cpuid.gpa &+ UInt64(CPUIDPage.entriesOffset + entry)))
      }
      try store(
        GuestTables.cpuidWord(offset, firmware: words.0, leaf: leaf), page(0).rawValue &+ place)
      try store(
        GuestTables.secretsWord(
          offset, firmware: words.1, range: platform.plan.range, callingArea: page(2), level: driver.level),
        page(1).rawValue &+ place)
    }
  }

  // RDI = index, RSI = the calling area.
  private func fillState(_ start: GuestStart) throws(GuestLaunchError) {
    var isGood = true
    let state = page(3)
    GuestState.words(
      start, level: driver.level, features: driver.features, rdi: 0, rsi: page(2).rawValue
    ) { word in
      let place = state.advanced(by: UInt64(truncatingIfNeeded: word.offset))
      isGood = hardware.storeGuest(word.value, width: 8, place) && isGood
    }
    guard isGood else { throw .fault }
    try checked { () throws(PageFailure) in try driver.revoke(state, .small) }
    _ = driver.flushReductions()
    do throws(VCPUFailure) {
      try driver.makeContext(VCPUContext(state))
    } catch {
      switch error {
      case .page(let failure): throw .page(failure)
      case .contents: throw .malformed
      }
    }
  }

  // The host learns of the state; RUN_VMPL enters it (reference A.1 step 6).
  private func offer(_ list: ProcessorList) throws(GuestLaunchError) {
    guard let id = list[.boot] else { throw .malformed }
    var request = GHCBRequest(
      .apCreation, info1: APCreation(.createOnINIT, vmpl: driver.level, apicID: id.rawValue).rawValue,
      info2: page(3).rawValue)
    request.rax = driver.features.rawValue
    guard (try? platform.ghcb.perform(request)) != nil else { throw .refused }
  }
}
