// AddressSpace: maps, protects and unmaps pages in a four-level page table.
import Seams
import X86

/// Why a mapping can't be made or changed.
public enum MappingError: Error, Equatable, Sendable {
  /// It would be writable and executable.
  case writableAndExecutable
  /// An address or length is not a multiple of 4 KiB, not canonical, or wraps.
  case malformed
  /// A page in the range is mapped already.
  case alreadyMapped
  /// A page in the range is not mapped, or is part of a bigger page.
  case notMapped
  /// No frame is left for a page table.
  case exhausted
}

/// A four-level address space whose tables lie in `Memory`.
///
/// It changes tables only: whoever takes rights away flushes (`RetiredFrames`).
public struct AddressSpace<Memory: PhysicalMemory> {
  private let memory: Memory
  private let privacy: PrivacyBits
  /// The top table.
  public let root: PhysicalAddress
  /// The value of CR3 that makes this the CPU's address space.
  public var control: PhysicalAddress { PhysicalAddress(root.rawValue | privacy.privateMask) }

  /// A new, empty address space whose mappings say by `privacy` what they are.
  public init(
    memory: Memory, frames: some FrameSource, privacy: PrivacyBits = PrivacyBits()
  ) throws(MappingError) {
    self.memory = memory
    self.privacy = privacy
    root = try Self.newTable(memory, frames)
  }

  /// The address space whose top table is at `root`.
  public init(memory: Memory, root: PhysicalAddress, privacy: PrivacyBits = PrivacyBits()) {
    self.memory = memory
    self.privacy = privacy
    self.root = root
  }

  /// Maps `bytes` from `virtual` to `physical` with leaves of up to `largest`.
  ///
  /// A failure leaves what was mapped before it in place.
  public func map(
    _ virtual: VirtualAddress, to physical: PhysicalAddress, bytes: UInt64, _ permissions: PagePermissions,
    largest: PageSize = .size4K, frames: some FrameSource
  ) throws(MappingError) {
    guard !permissions.breaksWriteXorExecute else { throw .writableAndExecutable }
    try check(virtual, bytes)
    guard physical.rawValue % Frame.bytes == 0, !physical.rawValue.addingReportingOverflow(bytes).overflow
    else { throw .malformed }
    var done: UInt64 = 0
    while done < bytes {
      let from = virtual.advanced(by: done)
      let to = physical.advanced(by: done)
      let size = Self.size(at: from, to, left: bytes &- done, largest: largest)
      let slot = try entry(for: from, level: size.level, frames: frames)
      guard !load(slot).isPresent else { throw .alreadyMapped }
      memory.store(PageTableEntry.leaf(to, size: size, permissions, privacy).rawValue, at: slot)
      done &+= size.bytes
    }
  }

  /// Gives `bytes` of 4 KiB pages from `virtual` other rights; all of them must be mapped.
  public func protect(
    _ virtual: VirtualAddress, bytes: UInt64, _ permissions: PagePermissions
  ) throws(MappingError) {
    guard !permissions.breaksWriteXorExecute else { throw .writableAndExecutable }
    try check(virtual, bytes)
    var done: UInt64 = 0
    while done < bytes {
      let slot = try leaf(virtual.advanced(by: done))
      let page = load(slot).address(privacy)
      memory.store(PageTableEntry.leaf(page, size: .size4K, permissions, privacy).rawValue, at: slot)
      done &+= Frame.bytes
    }
  }

  /// Unmaps the 4 KiB page at `virtual` and says which frame it showed.
  public func unmap(_ virtual: VirtualAddress) throws(MappingError) -> Frame {
    try check(virtual, Frame.bytes)
    let slot = try leaf(virtual)
    let page = load(slot).address(privacy)
    memory.store(PageTableEntry.empty.rawValue, at: slot)
    return Frame(containing: page)
  }

  /// The leaf entry that translates `virtual` and its level, nil if there is none.
  public func translate(_ virtual: VirtualAddress) -> (entry: PageTableEntry, level: Int)? {
    var table = root
    var level = 4
    while level >= 1 {
      let entry = load(table.advanced(by: UInt64(virtual.tableIndex(level: level)) &* 8))
      guard entry.isPresent else { return nil }
      if entry.isLeaf(level: level) { return (entry, level) }
      table = entry.address(privacy)
      level &-= 1
    }
    return nil
  }

  /// Makes `other` share this space's entry of the top table at `index`; both see later changes below it.
  public func share(topEntry index: Int, with other: AddressSpace<Memory>) {
    guard index >= 0, index < 512 else { return }
    let offset = UInt64(index) &* 8
    memory.store(load(root.advanced(by: offset)).rawValue, at: other.root.advanced(by: offset))
  }

  private func check(_ virtual: VirtualAddress, _ bytes: UInt64) throws(MappingError) {
    guard virtual.rawValue % Frame.bytes == 0, bytes % Frame.bytes == 0, bytes > 0 else { throw .malformed }
    let (last, overflow) = virtual.rawValue.addingReportingOverflow(bytes &- 1)
    guard !overflow, virtual.isCanonical, VirtualAddress(last).isCanonical,
      virtual.rawValue >> 63 == last >> 63
    else { throw .malformed }
  }

  private static func size(
    at virtual: VirtualAddress, _ physical: PhysicalAddress, left: UInt64, largest: PageSize
  ) -> PageSize {
    let bits = virtual.rawValue | physical.rawValue
    if largest == .size1G, bits % PageSize.size1G.bytes == 0, left >= PageSize.size1G.bytes { return .size1G }
    if largest != .size4K, bits % PageSize.size2M.bytes == 0, left >= PageSize.size2M.bytes { return .size2M }
    return .size4K
  }

  // The address of the entry for `virtual` in a table of `level`, building the tables above it.
  private func entry(
    for virtual: VirtualAddress, level: Int, frames: some FrameSource
  ) throws(MappingError) -> PhysicalAddress {
    var table = root
    var current = 4
    while true {
      let slot = table.advanced(by: UInt64(virtual.tableIndex(level: current)) &* 8)
      if current == level { return slot }
      let found = load(slot)
      if found.isPresent {
        guard !found.isLeaf(level: current) else { throw .alreadyMapped }
        table = found.address(privacy)
      } else {
        table = try Self.newTable(memory, frames)
        memory.store(PageTableEntry.table(table, privacy).rawValue, at: slot)
      }
      current &-= 1
    }
  }

  private func leaf(_ virtual: VirtualAddress) throws(MappingError) -> PhysicalAddress {
    var table = root
    var level = 4
    while true {
      let slot = table.advanced(by: UInt64(virtual.tableIndex(level: level)) &* 8)
      let found = load(slot)
      guard found.isPresent else { throw .notMapped }
      if level == 1 { return slot }
      guard !found.isLeaf(level: level) else { throw .notMapped }
      table = found.address(privacy)
      level &-= 1
    }
  }

  private func load(_ slot: PhysicalAddress) -> PageTableEntry {
    PageTableEntry(rawValue: memory.load(UInt64.self, at: slot))
  }

  private static func newTable(
    _ memory: Memory, _ frames: some FrameSource
  ) throws(MappingError) -> PhysicalAddress {
    guard let frame = try? frames.allocate(.pageTables) else { throw .exhausted }
    memory.zero(frame.start, count: Frame.bytes)
    return frame.start
  }
}
