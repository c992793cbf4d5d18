// MemoryReport: who owns what, printed on request.
import Seams
import X86

extension Kernel {
  /// Bytes of memory in use by the kernel, its image included.
  public var usedBytes: UInt64 {
    guard let frames else { return 0 }
    var used: UInt64 = 0
    for number in 0..<frames.tags.frameCount where frames.tags.owner(of: Frame(number: number)).isUsed {
      used &+= 1
    }
    return used &* Frame.bytes
  }

  /// Prints each run of frames with one owner, at most 64 of them, and the sum per owner.
  public func printMemory() {
    guard let frames else { return }
    let console = platform.console
    let tags = frames.tags
    var totals = InlineArray<16, UInt64>(repeating: 0)
    var first: UInt64 = 0
    var lines = 0
    console.line("memory, by frames of 4 KiB:")
    while first < tags.frameCount {
      let owner = tags.owner(of: Frame(number: first))
      var end = first &+ 1
      while end < tags.frameCount, tags.owner(of: Frame(number: end)) == owner { end &+= 1 }
      totals[Int(owner.rawValue) & 15] &+= end &- first
      if lines < 64 {
        console.write("  ")
        console.write(hex: Frame(number: first).start.rawValue, width: 9)
        console.write(" ")
        console.write(decimal: end &- first)
        console.write(" ")
        console.line(owner.name)
      }
      lines &+= 1
      first = end
    }
    if lines > 64 { console.line("  (more runs not shown)") }
    if let deposited = frames.deposited {
      console.write("free of what the guest deposited: ")
      console.write(decimal: deposited.freeCount)
      console.endLine()
    }
    for owner in FrameOwner.allCases {
      console.write(owner.name)
      console.write(": ")
      console.write(decimal: totals[Int(owner.rawValue) & 15])
      console.endLine()
    }
  }
}
