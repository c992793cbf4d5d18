// MemorySource: a page of private memory as the launch room reads it.
import Launch
import Seams
import X86

/// The words from `start`; beyond its memory all ones, as memory says.
struct MemorySource<Memory: PhysicalMemory>: LaunchSource {
  let memory: Memory
  let start: PhysicalAddress

  func word(at offset: Int) -> UInt64 {
    memory.load(UInt64.self, at: start.advanced(by: UInt64(truncatingIfNeeded: offset)))
  }
}
