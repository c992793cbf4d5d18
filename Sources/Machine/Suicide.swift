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
    }
  }

  @inline(never) private static func recurse(_ depth: UInt64) -> UInt64 {
    depth == 0 ? 0 : recurse(depth &+ 1) ^ apus_cycles()
  }
}
