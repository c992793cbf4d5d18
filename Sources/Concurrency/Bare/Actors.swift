// Actors: an actor's executor is the CPU that initialised it; entering it is a hand-over.
import AsyncEntry

/// The private words of a default actor, behind its object header.
struct DefaultActorStorage {
  var metadata: UInt
  var references: Int
  var home: UInt
}

/// Remembers the CPU that initialises the actor as its home.
@c(apus_abi_defaultActor_initialize)
func swiftDefaultActorInitialize(_ actor: UnsafeMutableRawPointer) {
  unsafe actor.assumingMemoryBound(to: DefaultActorStorage.self).pointee.home = UInt(ThisCPU.index)
}

/// Nothing to undo: an actor has no queue of its own.
@c(apus_abi_defaultActor_destroy)
func swiftDefaultActorDestroy(_ actor: UnsafeMutableRawPointer) {}

/// Frees an actor object, as for any class instance.
@c(apus_abi_defaultActor_deallocate)
func swiftDefaultActorDeallocate(_ actor: UnsafeMutableRawPointer) {
  unsafe apus_deallocate_object(actor)
}

/// The current task goes on at `actor`'s home, or at its own home for null (I4).
///
/// Entered from `swift_task_switch` only when the task is away from home or enters an actor.
@c(apus_task_switch_hook)
func taskSwitch(_ actor: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<apus_task>? {
  let current = unsafe apus_running_task()
  let target: UInt16
  if let actor = unsafe actor {
    target = unsafe UInt16(
      truncatingIfNeeded: actor.assumingMemoryBound(to: DefaultActorStorage.self).pointee.home)
  } else {
    target = unsafe current.pointee.home
  }
  return unsafe moveCurrent(current, to: target)
}

/// The current task goes on at CPU `cpu` until its next nonisolated call takes it home.
@c(apus_task_visit)
func taskVisit(_ cpu: UInt32) -> UnsafeMutablePointer<apus_task>? {
  unsafe moveCurrent(apus_running_task(), to: UInt16(truncatingIfNeeded: cpu))
}

@inline(__always)
private func moveCurrent(
  _ current: UnsafeMutablePointer<apus_task>, to target: UInt16
) -> UnsafeMutablePointer<apus_task>? {
  if target == ThisCPU.index { return unsafe current }
  unsafe current.pointee.place = target
  unsafe current.pointee.state = TaskState.moving.rawValue
  unsafe RuntimeHooks.send(TaskRef(current), target)
  return unsafe RuntimeHooks.next()
}
