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

/// One vCPU's slot: two words on its owner's cache line, its state and whether its owner looks at it.
///
/// ```
///   empty ──1 install──▶ idle ──2 claim──▶ claimedByOwner ──4 enter──▶ inGuest ◀─▶ 5 reclaim, 6 resume
///     ▲                   │ ▲                 │                         │  ▲
///     │                   │ └────3 release────┘                         │  │
///     │                   └─────────7 beginDeletion──▶ deleting ◀───7───┘  │
///     └─────────────────────────8 finish──────────────────┴───9 abandon────┘ (or idle)
/// ```
/// The owner has the vCPU before it touches the VMSA or the calling area; a deletion never waits for it. Taking a vCPU
/// back from the guest is what each call does, and needs no locked instruction: the owner says that it looks and then
/// reads the state, a deletion changes the state and then reads whether the owner looks, with a full fence on both
/// sides, so that at least one of them sees the other and leaves off.
public struct VCPUSlot<Memory: SharedMemory> {
  /// The `VCPUState`.
  public let cell: Memory.Cell
  /// 1 while the owner looks at a vCPU that is `inGuest`; only it writes 1.
  public let owner: Memory.Cell

  /// The slot in `cell` and `owner`, words that start as zero.
  public init(cell: Memory.Cell, owner: Memory.Cell) {
    self.cell = cell
    self.owner = owner
  }

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

  /// Takes the vCPU back until `resume`.
  ///
  /// *May be called from*: its owner, after the guest returned or entry failed.
  @inline(__always) public func reclaim(in memory: Memory) throws(Memory.Failure) -> VCPUReclaim {
    try memory.storeRelaxed(1, to: owner)
    try memory.fence()
    let found = VCPUState(rawValue: try memory.loadAcquire(cell))
    if found == .inGuest { return .claimed }
    try memory.storeRelease(0, to: owner)
    return found == .deleting ? .undecided : .gone
  }

  /// Leaves a reclaimed vCPU to the guest again.
  ///
  /// *May be called from*: its owner, which has reclaimed it.
  @inline(__always) public func resume(in memory: Memory) throws(Memory.Failure) {
    try memory.storeRelease(0, to: owner)
  }

  /// Starts a deletion.
  ///
  /// *May be called from*: any CPU; two compare-exchanges at most.
  ///
  /// From `inGuest`, the caller clears EFER.SVME in the VMSA, so that no entry succeeds any more, and looks whether the VMSA
  /// is in use: if it is, it restores the bit and abandons (result 0x8000_1003), else it unhooks the VMSA and finishes.
  public func beginDeletion(in memory: Memory) throws(Memory.Failure) -> VCPUDeletion {
    if try change(.inGuest, to: .deleting, in: memory) {
      if try memory.loadAcquire(owner) == 0 { return .begun(from: .inGuest) }
      try memory.storeRelease(VCPUState.inGuest.rawValue, to: cell)
      return .busy
    }
    if try change(.idle, to: .deleting, in: memory) { return .begun(from: .idle) }
    let found = VCPUState(rawValue: try memory.loadAcquire(cell))
    return found == .empty ? .absent : .busy
  }

  /// Ends a deletion with the vCPU gone.
  ///
  /// An owner that deletes its own vCPU has it reclaimed; another one that looks just now sees `deleting` or `empty`.
  public func finishDeletion(in memory: Memory) throws(Memory.Failure) {
    try memory.storeRelaxed(0, to: owner)
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
