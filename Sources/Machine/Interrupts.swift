// Interrupts: taking them, waiting for them, ending them.
import Boot
public import Seams
import Tasks
import X86

/// Interrupts of this CPU.
public enum Interrupts {
  /// Holds interrupts off (CLI).
  public static func disable() { apus_disable_interrupts() }

  /// Lets interrupts in (STI).
  public static func enable() { apus_enable_interrupts() }

  /// How many this CPU has taken.
  public static var count: UInt64 { unsafe Processor.block.pointee.interrupt_count }

  #if APUS_BENCH
    /// The time-stamp counter when this CPU's last interrupt came to its handler.
    public static var lastStamp: UInt64 { unsafe Processor.block.pointee.interrupt_stamp }
  #endif
}

/// Halts until an interrupt has been handled, and returns with interrupts on.
///
/// Call with interrupts off, after looking for work: an interrupt that comes after the look ends the halt, because
/// STI holds interrupts off for one more instruction (SDM 2B, STI).
public func haltUntilInterrupt() { apus_enable_interrupts_and_halt() }

/// From the stubs, interrupts off: ends the interrupt and notes its source for the executor's next pass.
///
/// One instruction sets the bit, and nobody but this CPU ever touches the word.
@c(apus_interrupt_entry) public func interruptEntry(_ vector: UInt32) {
  #if APUS_BENCH
    unsafe Processor.block.pointee.interrupt_stamp = apus_cycles()  // this CPU's own block
  #endif
  if vector != UInt32(Vector.spurious) {
    if unsafe apus_sealed_words().pointee.apic_mode == 2 {
      apus_write_msr(MSR.x2apicFirst.rawValue &+ 0x0B, 0)
    } else if unsafe apus_sealed_words().pointee.apic_mode == 1 {
      apus_device_store32(KernelLayout.localAPIC &+ 0xB0, 0)
    }
  }
  if let source = InterruptSource.of(vector: vector) { ThisCPU.postPending(1 &<< UInt64(source)) }
}
