// StaleEntryTest: proves on the machine that a CPU's stale translation is neither harmful nor for ever.
import Seams
import Synchronization
import TaskRuntime
import Tasks
import X86

/// What two CPUs tell each other during the test; the phases are counted up by turns.
final class StaleEntryTest: Sendable {
  let phase = Atomic<UInt32>(0)
  let address = Atomic<UInt64>(0)
  let first = Atomic<UInt64>(0)
  let stale = Atomic<UInt64>(0)
  let fresh = Atomic<UInt64>(0)

  func wait<Hint: SpinHint>(for number: UInt32, _ hint: Hint.Type) {
    while phase.load(ordering: .acquiring) < number { Hint.relax() }
  }

  /// CPU 1, with its executor: looks, keeps its translation while the page is changed under it, then lets its executor
  /// make a pass, which is the flush point.
  func victim<Machine: BareMachine>(_ machine: Machine) {
    wait(for: 1, Machine.Hint.self)
    let place = VirtualAddress(address.load(ordering: .relaxed))
    first.store(machine.load(place), ordering: .relaxed)
    phase.store(2, ordering: .releasing)
    wait(for: 3, Machine.Hint.self)
    stale.store(machine.load(place), ordering: .relaxed)
    _ = Executor.step { machine.flush() }
    fresh.store(machine.load(place), ordering: .relaxed)
    phase.store(4, ordering: .releasing)
  }
}

extension Kernel {
  /// CPU 0: maps, lets CPU 1 look, changes the mapping, and counts when the old frame may be reused.
  ///
  /// The load before CPU 1's flush point must still see the old page (else this machine can't show the fault), the
  /// one after it the new page, and the old frame must be withheld until then.
  func checkStaleEntry() -> Bool {
    guard let frames, let space, online.contains(CPUIndex(1)) else { return false }
    guard let old = try? frames.allocate(.window), let new = try? frames.allocate(.window) else {
      return false
    }
    memory.store(UInt64(0xAAAA), at: old.start)
    memory.store(UInt64(0xBBBB), at: new.start)
    var window = AddressWindow(space: space, horizon: OwnerHorizon(machine.ownerTable))
    guard let place = try? window.map(old, frames: frames) else { return false }
    staleEntry.address.store(place.rawValue, ordering: .relaxed)
    staleEntry.phase.store(1, ordering: .releasing)
    staleEntry.wait(for: 2, Machine.Hint.self)
    guard (try? window.unmap(place)) != nil else { return false }
    machine.flush()
    let withheld = window.reclaim() == nil
    // Not through the window, which never reuses an address early: the same address now shows another frame.
    guard (try? space.map(place, to: new.start, bytes: Frame.bytes, .write, frames: frames)) != nil
    else { return false }
    staleEntry.phase.store(3, ordering: .releasing)
    staleEntry.wait(for: 4, Machine.Hint.self)
    let reclaimed = window.reclaim() == old
    let first = staleEntry.first.load(ordering: .relaxed)
    let stale = staleEntry.stale.load(ordering: .relaxed)
    let fresh = staleEntry.fresh.load(ordering: .relaxed)
    let console = platform.console
    console.write("stale entry: saw ")
    console.write(hex: first)
    console.write(", before the flush point ")
    console.write(hex: stale)
    console.write(", after it ")
    console.write(hex: fresh)
    console.write(withheld ? ", frame withheld" : ", FRAME NOT WITHHELD")
    console.line(reclaimed ? ", then given back" : ", NOT GIVEN BACK")
    return first == 0xAAAA && stale == 0xAAAA && fresh == 0xBBBB && withheld && reclaimed
  }
}
