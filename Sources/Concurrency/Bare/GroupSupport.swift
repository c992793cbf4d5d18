// GroupSupport: what the module's TaskGroup asks of the handles, bound by C name.
import AsyncEntry

@c(apus_this_cpu_number)
func thisCPUNumber() -> UInt32 { UInt32(ThisCPU.index) }

/// The running task as a word.
@c(apus_current_task_word)
func currentTaskWord() -> Int { Int(bitPattern: UInt(TaskRef.running.word)) }

/// Ends the park of a task whose place is this CPU, or leaves it a permit.
@c(apus_unpark_task_word)
func unparkTaskWord(_ word: Int) {
  let task = TaskRef(word: UInt64(UInt(bitPattern: word)))
  if task.isIn(.parked) { RuntimeHooks.ready(task) } else { task.hasPermit = true }
}
