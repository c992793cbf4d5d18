// Exceptions: asks the platform whether it can resolve an exception, before the exception ends the kernel.
import Boot
import Seams
import X86

nonisolated(unsafe) private var handler: (any ExceptionHandler)?

enum Exceptions {
  static func install(_ exceptionHandler: any ExceptionHandler) { unsafe handler = exceptionHandler }

  // UNSAFETY: `saved` is the frame that the stub has built, on this CPU's stack.
  static func resolve(_ saved: UnsafeMutablePointer<apus_exception_frame>) -> Bool {
    guard let handler = unsafe handler else { return false }
    let f = unsafe saved.pointee
    var frame = ExceptionFrame(
      general: [
        f.rax, f.rcx, f.rdx, f.rbx, f.rsp, f.rbp, f.rsi, f.rdi, f.r8, f.r9, f.r10, f.r11, f.r12, f.r13, f.r14,
        f.r15,
      ], rip: f.rip, rflags: f.rflags, vector: UInt8(truncatingIfNeeded: f.vector), errorCode: f.error,
      cr2: apus_read_cr2())
    guard handler.handle(&frame) else { return false }
    unsafe saved.pointee.rax = frame.general[0]
    unsafe saved.pointee.rcx = frame.general[1]
    unsafe saved.pointee.rdx = frame.general[2]
    unsafe saved.pointee.rbx = frame.general[3]
    unsafe saved.pointee.rbp = frame.general[5]
    unsafe saved.pointee.rsi = frame.general[6]
    unsafe saved.pointee.rdi = frame.general[7]
    unsafe saved.pointee.r8 = frame.general[8]
    unsafe saved.pointee.r9 = frame.general[9]
    unsafe saved.pointee.r10 = frame.general[10]
    unsafe saved.pointee.r11 = frame.general[11]
    unsafe saved.pointee.r12 = frame.general[12]
    unsafe saved.pointee.r13 = frame.general[13]
    unsafe saved.pointee.r14 = frame.general[14]
    unsafe saved.pointee.r15 = frame.general[15]
    unsafe saved.pointee.rip = frame.rip
    unsafe saved.pointee.rflags = frame.rflags
    return true
  }
}
