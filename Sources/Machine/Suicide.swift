// Suicide: the deaths that tests ask for, each by the real fault.
import Boot
import Seams
import X86

enum Suicide {
  // UNSAFETY: the point is to fault.
  @inline(never) @unsafe static func die(_ way: DeathWay) {
    switch way {
    case .undefined: apus_undefined_instruction()
    case .divide: _ = apus_divide(1, 0)
    case .pageFault: unsafe UnsafeMutablePointer<UInt64>(bitPattern: 0xDEAD_0000)?.pointee = 1
    case .stackOverflow: _ = recurse(apus_cycles())
    case .precondition: precondition(apus_cycles() == 0, "asked for on the command line")
    case .writeText:
      unsafe UnsafeMutablePointer<UInt8>(bitPattern: UInt(apus_image_start_address()))?.pointee = 0
    case .writeSealed:
      unsafe UnsafeMutablePointer<UInt8>(bitPattern: UInt(apus_interrupt_table_address()))?.pointee = 0
    case .executeData: apus_jump(apus_boot_stack_address())
    case .panic: Death.panic("asked for on the command line")
    case .report:
      // The report looks for the task's name there.
      unsafe Processor.block.pointee.task = 0xDEAD_0000
      apus_undefined_instruction()
    case .console, .end:
      Death.breakPlatform(isEndless: way == .end)
      apus_undefined_instruction()
    }
  }

  @inline(never) private static func recurse(_ depth: UInt64) -> UInt64 {
    depth == 0 ? 0 : recurse(depth &+ 1) ^ apus_cycles()
  }
}

/// A platform whose services fault while the kernel dies, but for the last.
final class FaultingPlatform: PanicPlatform {
  private let good: any PanicPlatform
  private let isEndless: Bool

  init(_ good: any PanicPlatform, isEndless: Bool) {
    self.good = good
    self.isEndless = isEndless
  }

  func write(_ byte: UInt8) { apus_undefined_instruction() }
  func controllerIsOn() { good.controllerIsOn() }
  func stopOtherProcessors() { good.stopOtherProcessors() }
  func end(_ verdict: Verdict) {
    if isEndless { apus_undefined_instruction() }
    good.end(verdict)
  }
  func abort() { good.abort() }
}
