// Traps: hands the exceptions that are a platform's own (#VE, #VC) to its driver.
import Boot
public import Seams
import X86

nonisolated(unsafe) private var handler: (any TrapHandler)?
// A bit for each exception.
nonisolated(unsafe) private var ownVectors: UInt32 = 0

/// The platform's exceptions.
public enum Traps {
  /// From now on exception `vector`, below 32, goes to `trapHandler` first, as do those named before; there is one handler.
  public static func install(_ trapHandler: any TrapHandler, vector: UInt8) {
    unsafe handler = trapHandler
    unsafe ownVectors |= 1 << UInt32(vector & 31)
  }

  // Whether the driver has answered; the frame then holds what it changed.
  static func answer(_ frame: UnsafeMutablePointer<apus_exception_frame>) -> Bool {
    let vector = UInt8(truncatingIfNeeded: unsafe frame.pointee.vector)
    guard vector < 32, unsafe ownVectors >> UInt32(vector) & 1 == 1, let handler = unsafe handler else {
      return false
    }
    var trap = unsafe TrapFrame(frame.pointee)
    guard handler.handle(vector, &trap) else { return false }
    unsafe frame.pointee.take(trap)
    return true
  }
}

extension TrapFrame {
  fileprivate init(_ frame: apus_exception_frame) {
    self.init()
    registers = [
      frame.rax, frame.rcx, frame.rdx, frame.rbx, frame.rsp, frame.rbp, frame.rsi, frame.rdi, frame.r8,
      frame.r9, frame.r10, frame.r11, frame.r12, frame.r13, frame.r14, frame.r15,
    ]
    rip = frame.rip
    rflags = frame.rflags
    error = frame.error
    address = apus_read_cr2()
  }
}

extension apus_exception_frame {
  // Everything but the stack pointer and the segments.
  fileprivate mutating func take(_ trap: TrapFrame) {
    rax = trap.registers[0]
    rcx = trap.registers[1]
    rdx = trap.registers[2]
    rbx = trap.registers[3]
    rbp = trap.registers[5]
    rsi = trap.registers[6]
    rdi = trap.registers[7]
    r8 = trap.registers[8]
    r9 = trap.registers[9]
    r10 = trap.registers[10]
    r11 = trap.registers[11]
    r12 = trap.registers[12]
    r13 = trap.registers[13]
    r14 = trap.registers[14]
    r15 = trap.registers[15]
    rip = trap.rip
    rflags = trap.rflags
  }
}
