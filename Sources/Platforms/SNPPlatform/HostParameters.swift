// HostParameters: VP count and environment as the host wrote them before the launch; unmeasured.
import Launch
import Seams
import X86

/// The parameter area: VP count at 0, environment at 4 (boards/README).
///
/// The pages are private, so the host's words no longer change; what they say may be anything.
struct HostParameters: Equatable {
  /// The virtual processors that the host says there are; 1 to 4096.
  let processorCount: Int
  /// Whether memory that the loader did not fill is the host's until it is asked for (ENVIRONMENT_INFO bit 0).
  let memoryIsShared: Bool

  init<Source: LaunchSource>(_ memory: some PhysicalMemory, _ page: LaunchPage<Source>) {
    guard let area = page.area(.parameters) else {
      processorCount = 1
      memoryIsShared = false
      return
    }
    let word = memory.load(UInt64.self, at: PhysicalAddress(area.gpa))
    processorCount = Int(max(1, min(4096, word & 0xFFFF_FFFF)))
    memoryIsShared = word >> 32 & 1 == 1
  }
}
