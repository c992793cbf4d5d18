// VCPUTable: the guest's registered vCPUs: where their state and calling areas lie, and which CPU runs which.
public import Seams
public import TaskRuntime
import Tasks
public import X86

/// A registered vCPU: its record, and which of the vCPUs that the record has held.
public struct VCPUHandle: Equatable, Sendable {
  /// The record in bits 15:0, its generation (at least 1) above: a number that no other vCPU has had.
  public let rawValue: UInt64

  /// The handle `rawValue`.
  @inline(__always) public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inline(__always) init(index: Int, generation: UInt64) {
    rawValue = generation << 16 | UInt64(index)
  }
  /// Which of the vCPUs that the record has held.
  @inline(__always) var generation: UInt64 { rawValue >> 16 }
  /// The record.
  @inline(__always) public var index: Int { Int(truncatingIfNeeded: rawValue & 0xFFFF) }
}

/// Who asks for a vCPU to be deleted, and finds.
public enum VCPULookup: Equatable, Sendable {
  /// The vCPU is the caller's to decide about; its slot was in this state.
  case begun(VCPUHandle, from: VCPUState)
  /// Its CPU looks at it just now, or another deletion does.
  case busy
  /// None has its state there.
  case absent
}

/// A vCPU's record; but for the slot, for whoever has that.
struct VCPURecord {
  fileprivate let line: SharedLine

  /// Who may touch the vCPU.
  @inline(__always) var slot: VCPUSlot<HardwareMemory> { VCPUSlot(cell: line[0], owner: line[6]) }
  /// Which of its vCPUs the record holds.
  @inline(__always) var generation: UInt64 { line[5].loadRelaxed() }
  /// Where its state is saved.
  @inline(__always) var context: VCPUContext { VCPUContext(PhysicalAddress(line[1].loadRelaxed())) }
  /// Its calling area.
  @inline(__always) var callingArea: PhysicalAddress { PhysicalAddress(line[2].loadRelaxed()) }
  /// Whether it is the one that the guest was started with.
  @inline(__always) var isStartUp: Bool { line[4].loadRelaxed() != 0 }
}

/// A fixed number of records, each on a cache line of its own, and for each CPU the number of the newest one.
///
/// A record belongs to one CPU for good, whose vCPUs it holds one after the other: nobody else ever reclaims it.
/// A record's words are written by whoever has its slot (`VCPUSlot`): its owner CPU, or a creation or deletion.
public final class VCPUTable: Sendable {
  /// Records per CPU: the running one, one being replaced, and room for a guest that deletes late.
  public static var recordsPerCPU: Int { 4 }
  private static var line: Int { 8 }

  private let words: SharedWords
  /// How many CPUs there are.
  public let cpuCount: Int
  private let recordCount: Int
  private var memory: HardwareMemory { HardwareMemory() }

  /// A table without vCPUs for `cpuCount` CPUs.
  public init(cpuCount: Int) {
    self.cpuCount = max(1, cpuCount)
    recordCount = min(self.cpuCount &* Self.recordsPerCPU, 1 << 16)
    words = SharedWords(count: (self.cpuCount &+ recordCount) &* Self.line)
  }

  @inline(__always) private func newestCell(_ cpu: Int) -> AtomicCell { words.line(cpu)[0] }
  @inline(__always) private func cell(_ vcpu: VCPUHandle, _ word: Int) -> AtomicCell {
    words.line(cpuCount &+ vcpu.index)[word]
  }

  /// The vCPU's record, looked up once.
  @inline(__always) func record(_ vcpu: VCPUHandle) -> VCPURecord {
    VCPURecord(line: words.line(cpuCount &+ vcpu.index))
  }

  /// Who may touch the vCPU.
  @inline(__always) public func slot(_ vcpu: VCPUHandle) -> VCPUSlot<HardwareMemory> {
    record(vcpu).slot
  }
  /// Where its state is saved; for whoever has the slot.
  @inline(__always) public func context(_ vcpu: VCPUHandle) -> VCPUContext {
    VCPUContext(PhysicalAddress(cell(vcpu, 1).loadRelaxed()))
  }
  /// Its calling area; for whoever has the slot.
  @inline(__always) public func callingArea(_ vcpu: VCPUHandle) -> PhysicalAddress {
    PhysicalAddress(cell(vcpu, 2).loadRelaxed())
  }
  /// Moves its calling area; for its owner.
  public func setCallingArea(_ address: PhysicalAddress, of vcpu: VCPUHandle) {
    cell(vcpu, 2).storeRelaxed(address.rawValue)
  }
  /// Whether it is the one that the guest was started with, which can't be deleted.
  @inline(__always) public func isStartUp(_ vcpu: VCPUHandle) -> Bool { cell(vcpu, 4).loadRelaxed() != 0 }
  /// The word that names the newest vCPU of CPU `cpu`, for a holder of the table.
  func newest(cell cpu: Int) -> AtomicCell { newestCell(min(max(cpu, 0), cpuCount &- 1)) }

  /// The vCPU that CPU `cpu` is to run; nil if it has none.
  @inline(__always) public func newest(of cpu: Int) -> VCPUHandle? {
    guard cpu >= 0, cpu < cpuCount else { return nil }
    let word = newestCell(cpu).loadAcquire()
    return word == 0 ? nil : VCPUHandle(rawValue: word)
  }

  /// Takes the vCPU for CPU `cpu`, its owner, which then has it as `inGuest`; false if it can't be had now.
  public func adopt(_ vcpu: VCPUHandle, cpu: Int) -> Bool {
    guard slot(vcpu).claim(in: memory) else { return false }
    guard cell(vcpu, 3).loadRelaxed() == UInt64(cpu) else {
      slot(vcpu).release(in: memory)
      return false
    }
    slot(vcpu).enter(in: memory)
    return true
  }

  /// Registers a vCPU as the one that CPU `cpu` runs; nil if the table is full or there is no such CPU.
  ///
  /// *May be called from*: any CPU; the caller has the pages of state and calling area in their states.
  public func install(
    _ context: VCPUContext, callingArea: PhysicalAddress, cpu: Int, isStartUp: Bool = false
  ) -> VCPUHandle? {
    guard let vcpu = reserve(cpu: cpu) else { return nil }
    publish(vcpu, context, callingArea: callingArea, isStartUp: isStartUp)
    return vcpu
  }

  /// Takes an empty record for a vCPU of CPU `cpu`, invisible until `publish`; nil if there is none.
  public func reserve(cpu: Int) -> VCPUHandle? {
    guard cpu >= 0, cpu < cpuCount, cpu < recordCount / Self.recordsPerCPU else { return nil }
    let first = cpu &* Self.recordsPerCPU
    for index in first..<min(first &+ Self.recordsPerCPU, recordCount) {
      let record = VCPUHandle(index: index, generation: 0)
      guard slot(record).reserve(in: memory) else { continue }
      let generation = cell(record, 5).loadRelaxed() &+ 1
      cell(record, 5).storeRelaxed(generation)
      let vcpu = VCPUHandle(index: index, generation: generation)
      cell(vcpu, 1).storeRelaxed(.max)
      cell(vcpu, 3).storeRelaxed(UInt64(cpu))
      return vcpu
    }
    return nil
  }

  /// Gives a reserved record back.
  public func cancel(_ vcpu: VCPUHandle) { slot(vcpu).finishDeletion(in: memory) }

  /// Makes a reserved record the vCPU that its CPU runs, in place of an older one, which stays registered.
  public func publish(
    _ vcpu: VCPUHandle, _ context: VCPUContext, callingArea: PhysicalAddress, isStartUp: Bool = false
  ) {
    cell(vcpu, 1).storeRelaxed(context.address.rawValue)
    cell(vcpu, 2).storeRelaxed(callingArea.rawValue)
    cell(vcpu, 4).storeRelaxed(isStartUp ? 1 : 0)
    // First, so that a deletion which comes at once finds it there and takes it out again.
    newestCell(Int(truncatingIfNeeded: cell(vcpu, 3).loadRelaxed())).storeRelease(vcpu.rawValue)
    slot(vcpu).abandonDeletion(backTo: .idle, in: memory)
  }

  /// Finds the vCPU whose state is saved at `address` and begins to delete it, unless its owner has it.
  ///
  /// `caller`'s own vCPU, which the caller has claimed, is begun too.
  public func beginDeletion(of address: PhysicalAddress, caller: VCPUHandle) -> VCPULookup {
    for index in 0..<recordCount {
      let record = VCPUHandle(index: index, generation: 0)
      guard cell(record, 1).loadAcquire() == address.rawValue else { continue }
      if index == caller.index { return .begun(caller, from: .claimedByOwner) }
      switch slot(record).beginDeletion(in: memory) {
      case .busy: return .busy
      case .absent: continue
      case .begun(let state):
        // Another deletion and creation may have come in between.
        let vcpu = VCPUHandle(index: index, generation: cell(record, 5).loadRelaxed())
        if cell(vcpu, 1).loadRelaxed() == address.rawValue { return .begun(vcpu, from: state) }
        slot(vcpu).abandonDeletion(backTo: state, in: memory)
      }
    }
    return .absent
  }

  /// Leaves a vCPU as it was.
  public func abandonDeletion(_ vcpu: VCPUHandle, backTo state: VCPUState) {
    slot(vcpu).abandonDeletion(backTo: state, in: memory)
  }

  /// Forgets a vCPU; a newer one of the same CPU stays.
  public func finishDeletion(_ vcpu: VCPUHandle) {
    let cpu = Int(truncatingIfNeeded: cell(vcpu, 3).loadRelaxed())
    _ = newestCell(cpu).compareExchange(expected: vcpu.rawValue, desired: 0)
    cell(vcpu, 1).storeRelaxed(.max)
    slot(vcpu).finishDeletion(in: memory)
  }
}
