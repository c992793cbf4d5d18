// VCPUSlot: who may touch a guest vCPU's VMSA and calling area: its owner, its guest, or whoever deletes it.

/// Where a vCPU stands.
public struct VCPUState: RawRepresentable, Equatable, Sendable {
  /// The word in the slot.
  public let rawValue: UInt64

  /// The state of word `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// No vCPU.
  public static var empty: VCPUState { VCPUState(rawValue: 0) }
  /// A vCPU that neither runs nor is looked at.
  public static var idle: VCPUState { VCPUState(rawValue: 1) }
  /// Its owner reads or writes its VMSA or calling area.
  public static var claimedByOwner: VCPUState { VCPUState(rawValue: 2) }
  /// It runs, or its owner is about to enter it.
  public static var inGuest: VCPUState { VCPUState(rawValue: 3) }
  /// Another CPU decides whether it can be deleted.
  public static var deleting: VCPUState { VCPUState(rawValue: 4) }
}

/// What an owner finds after its guest returned.
public enum VCPUReclaim: Equatable, Sendable {
  /// The owner has it again.
  case claimed
  /// A deletion is being decided: touch nothing and ask again at the next pass.
  case undecided
  /// It was deleted: touch nothing, forget it.
  case gone
}

/// What a deletion finds.
public enum VCPUDeletion: Equatable, Sendable {
  /// The caller has it; it was in this state before: decide, then `finish` or `abandon`.
  case begun(from: VCPUState)
  /// Its owner or another deletion has it: answer BUSY.
  case busy
  /// There is none.
  case absent
}

/// One vCPU's slot, a word on its owner's cache line.
///
/// ```
///   empty ──1 install──▶ idle ──2 claim──▶ claimedByOwner ──4 enter──▶ inGuest
///     ▲                   │ ▲                 │    ▲                    │  │ ▲
///     │                   │ └────3 release────┘    └─────5 reclaim──────┘  │ │
///     │                   └──────6 beginDeletion──▶ deleting ◀─────6───────┘ │
///     └──────────────────────7 finish──────────────────┴───8 abandon─────────┘ (or idle)
/// ```
/// The owner claims before it touches the VMSA or the calling area; a deletion never waits for it.
public struct VCPUSlot<Memory: SharedMemory> {
  /// The `VCPUState`.
  public let cell: Memory.Cell

  /// The slot in `cell`, a word that starts as zero.
  public init(cell: Memory.Cell) { self.cell = cell }

  /// Puts a vCPU into an empty slot; false if there is one.
  public func install(in memory: Memory) throws(Memory.Failure) -> Bool {
    try change(.empty, to: .idle, in: memory)
  }

  /// Takes an empty slot, so that nobody else fills or looks at it; false if it is not empty.
  ///
  /// Then `abandonDeletion(backTo: .idle)` once it is filled, or `finishDeletion` to leave it empty.
  public func reserve(in memory: Memory) throws(Memory.Failure) -> Bool {
    try change(.empty, to: .deleting, in: memory)
  }

  /// Takes an idle vCPU.
  ///
  /// *May be called from*: its owner.
  public func claim(in memory: Memory) throws(Memory.Failure) -> Bool {
    try change(.idle, to: .claimedByOwner, in: memory)
  }

  /// Gives a claimed vCPU up.
  ///
  /// *May be called from*: its owner, which has it claimed; nobody else changes it then.
  public func release(in memory: Memory) throws(Memory.Failure) {
    try memory.storeRelease(VCPUState.idle.rawValue, to: cell)
  }

  /// Says that the owner is about to enter the guest.
  ///
  /// *May be called from*: its owner, which has it claimed.
  public func enter(in memory: Memory) throws(Memory.Failure) {
    try memory.storeRelease(VCPUState.inGuest.rawValue, to: cell)
  }

  /// Takes the vCPU back.
  ///
  /// *May be called from*: its owner, after the guest returned or entry failed.
  public func reclaim(in memory: Memory) throws(Memory.Failure) -> VCPUReclaim {
    let inGuest = VCPUState.inGuest.rawValue
    let found = try memory.compareExchange(
      cell, expected: inGuest, desired: VCPUState.claimedByOwner.rawValue)
    if found == inGuest { return .claimed }
    return VCPUState(rawValue: found) == .deleting ? .undecided : .gone
  }

  /// Starts a deletion.
  ///
  /// *May be called from*: any CPU; two compare-exchanges at most.
  ///
  /// From `inGuest`, the caller clears EFER.SVME in the VMSA, so that no entry succeeds any more, and looks whether the VMSA
  /// is in use: if it is, it restores the bit and abandons (result 0x8000_1003), else it unhooks the VMSA and finishes.
  public func beginDeletion(in memory: Memory) throws(Memory.Failure) -> VCPUDeletion {
    if try change(.inGuest, to: .deleting, in: memory) { return .begun(from: .inGuest) }
    if try change(.idle, to: .deleting, in: memory) { return .begun(from: .idle) }
    let found = VCPUState(rawValue: try memory.loadAcquire(cell))
    return found == .empty ? .absent : .busy
  }

  /// Ends a deletion with the vCPU gone.
  public func finishDeletion(in memory: Memory) throws(Memory.Failure) {
    try memory.storeRelease(VCPUState.empty.rawValue, to: cell)
  }

  /// Ends a deletion with the vCPU as it was.
  public func abandonDeletion(backTo state: VCPUState, in memory: Memory) throws(Memory.Failure) {
    try memory.storeRelease(state.rawValue, to: cell)
  }

  private func change(
    _ from: VCPUState, to state: VCPUState, in memory: Memory
  ) throws(Memory.Failure) -> Bool {
    try memory.compareExchange(cell, expected: from.rawValue, desired: state.rawValue) == from.rawValue
  }
}
