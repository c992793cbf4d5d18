// TDPLaunch: what the measured launch page and the host's parameters come to: memory, CPUs, options.
import Launch
import Seams
import X86

/// Decoding of all that the loader left; the launch page is measured, the parameters are the host's.
struct TDPLaunch<Memory: PhysicalMemory> {
  /// The IGVM number of TDX.
  static var platform: UInt32 { 3 }
  private let page: LaunchPage<MemorySource<Memory>>
  private let memory: Memory
  /// The kernel's whole range.
  let range: MemoryRegion

  /// Reads the launch page at `address`; nil if it is not one for TDX, or claims memory that is not private.
  init?(at address: PhysicalAddress, sharedMask: UInt64, _ memory: Memory) {
    guard
      let page = try? LaunchPage(MemorySource(memory: memory, base: address)),
      page.platform == Self.platform,
      let range = MemoryRegion(
        start: PhysicalAddress(page.rangeStart), bytes: page.rangeByteCount, kind: .usable),
      range.end.rawValue <= min(sharedMask, memory.limit.rawValue), page.rangeStart % Frame.bytes == 0,
      page.rangeByteCount % Frame.bytes == 0
    else { return nil }
    self.page = page
    self.memory = memory
    self.range = range
  }

  /// The console's port.
  var consolePort: UInt16 { page.consolePort }

  /// The page of start records.
  var mailbox: Frame { Frame(number: (page.area(.mailbox)?.gpa ?? 0) / Frame.bytes) }

  /// The kernel's memory: the range, and in it as reserved all that the loader placed.
  var memoryMap: MemoryMap {
    var map = MemoryMap()
    map.add(
      MemoryRegion(start: PhysicalAddress(page.rangeStart), bytes: page.rangeByteCount, kind: .usable))
    for index in 0..<page.areaCount {
      // The image is the kernel's own; it knows where it lies.
      guard let area = page[index], area.kind != .image, let region = region(of: area) else {
        continue
      }
      map.add(region)
    }
    if let pages = vcpuPages { map.add(pages) }
    return map
  }

  // The pages of an area, nil if it lies outside the range.
  private func region(of area: LaunchArea) -> MemoryRegion? {
    let (sum, overflow) = area.byteCount.addingReportingOverflow(Frame.bytes &- 1)
    guard !overflow, area.gpa >= page.rangeStart,
      area.gpa &- page.rangeStart < page.rangeByteCount
    else { return nil }
    return MemoryRegion(
      start: PhysicalAddress(area.gpa), bytes: sum & ~(Frame.bytes &- 1), kind: .reserved)
  }

  /// The flat guest image, if there is one.
  var guestImage: LaunchArea? { page.area(.guestImage) }

  /// How much guest memory the range was sized for.
  var guestByteCount: UInt64 { page.guestByteCount }

  /// With a guest: two pages for each vCPU at the end of the range, as many as it was sized for and at most 64; nil
  /// without one, or where the loader has placed something.
  var vcpuPages: MemoryRegion? {
    guard guestImage != nil else { return nil }
    let bytes = 2 &* Frame.bytes &* UInt64(min(max(1, page.processorCount), 64))
    guard bytes < page.rangeByteCount else { return nil }
    let start = page.rangeStart &+ page.rangeByteCount &- bytes
    for index in 0..<page.areaCount {
      if let area = page[index], let region = region(of: area), region.end.rawValue > start { return nil }
    }
    return MemoryRegion(start: PhysicalAddress(start), bytes: bytes, kind: .reserved)
  }

  /// The lowest run of pages from `start` on that the loader left alone; nil beyond the range.
  func freeRun(from start: UInt64) -> (start: UInt64, byteCount: UInt64)? {
    let end = page.rangeStart &+ page.rangeByteCount
    var first = max(start, page.rangeStart)
    var moved = true
    // Each area moves the start at most once.
    for _ in 0...page.areaCount where moved {
      moved = false
      for index in 0..<page.areaCount {
        guard let area = page[index], let region = region(of: area) else { continue }
        if region.start.rawValue <= first, first < region.end.rawValue {
          first = region.end.rawValue
          moved = true
        }
      }
    }
    guard !moved, first < end else { return nil }
    var stop = end
    for index in 0..<page.areaCount {
      guard let area = page[index], let region = region(of: area) else { continue }
      if region.start.rawValue > first { stop = min(stop, region.start.rawValue) }
    }
    return (first, stop &- first)
  }

  /// The CPUs to start: as many as the host says, at most those of the TD; ids are vCPU indices.
  ///
  /// CPUs for which the image has no memory or no start record are left out.
  func processors(
    vcpuCount: UInt32
  ) throws(BootInformationError) -> ProcessorList {
    var count = vcpuCount
    if let area = page.area(.parameters) {
      let told = memory.load(UInt32.self, at: PhysicalAddress(area.gpa))
      guard told <= vcpuCount else { throw .tooManyProcessors }
      if told != 0 { count = told }
    }
    let records = (page.area(.mailbox)?.byteCount ?? 0) / 64
    let most = UInt32(truncatingIfNeeded: min(UInt64(page.processorCount), max(1, records)))
    var list = ProcessorList(boot: APICID(rawValue: 0))
    for number in 1..<max(1, min(count, 1024)) {
      if number < most { list.add(APICID(rawValue: number)) } else { list.omit() }
    }
    return list
  }

  /// The kernel's measured command line.
  var commandLine: CommandLine {
    var line = CommandLine()
    for index in 0..<CommandLine.capacity {
      guard let byte = page.commandLineByte(index) else { break }
      line.append(byte)
    }
    return line
  }

  /// The memory that the host says the machine has, kept for guests; nil if it makes no sense.
  func hostMap(limit: UInt64) -> MemoryMap? {
    guard let area = page.area(.memoryMap) else { return nil }
    return try? HostMemory.decode(
      at: PhysicalAddress(area.gpa), byteCount: area.byteCount, limit: limit, memory)
  }
}
