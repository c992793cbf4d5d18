// CPUSeat: the memory in which a CPU's executor lives, made by the host once.
import AsyncEntry

/// What a machine offers the task runtime, besides the C functions of Entry.h.
public protocol TaskHost {
  /// The lines by which CPUs reach each other.
  var ownerTable: OwnerTable { get }
  /// The memory for the calling CPU's executor; nil if there is none left.
  func makeSeat() -> CPUSeat?
}

/// The calling CPU's block, its ready lists and room for its executor.
@safe public struct CPUSeat: @unchecked Sendable {
  private let block: UnsafeMutablePointer<apus_cpu>
  private let memory: UnsafeMutableRawPointer
  private let bytes: Int

  /// Bytes of the ready lists, in front of the executor.
  private static var listBytes: Int { 2 &* TaskLists.bytes }

  /// A seat: the CPU's block at `block`, and `bytes` zeroed bytes at `memory`, aligned to 64; both stay
  /// mapped and are nobody else's.
  @unsafe public init(
    block: UnsafeMutableRawPointer, memory: UnsafeMutableRawPointer, bytes: Int
  ) {
    unsafe self.block = block.assumingMemoryBound(to: apus_cpu.self)
    unsafe self.memory = memory
    self.bytes = bytes
  }

  /// The CPU's two tables of ready lists, empty.
  public var lists: (TaskLists, TaskLists) {
    unsafe (TaskLists(address: memory), TaskLists(address: memory + TaskLists.bytes))
  }

  /// Makes the block that of CPU `index` and places its executor; false if it does not fit.
  ///
  /// An executor begins with the words of `apus_handover`, which the entry code reads and writes.
  public func install<E: ~Copyable>(index: UInt16, executor: consuming E) -> Bool {
    guard MemoryLayout<E>.size <= bytes &- Self.listBytes else { return false }
    unsafe block.pointee.`self` = block
    unsafe block.pointee.current = nil
    unsafe block.pointee.index = UInt32(index)
    let place = unsafe memory + Self.listBytes
    unsafe place.bindMemory(to: E.self, capacity: 1).initialize(to: executor)
    unsafe block.pointee.executor = place
    return true
  }
}
