// Death: how the kernel ends: one CPU reports, the others stop, the epitaph stays.
import AsyncEntry
import Boot
public import Seams
import X86

nonisolated(unsafe) private var platform: (any PanicPlatform)?

/// What killed the kernel, as the epitaph says it.
public enum CauseOfDeath: UInt32, Sendable {
  /// An exception nobody expected.
  case exception = 1
  /// `ud2`: Swift's failed precondition, overflow or index out of bounds.
  case trap = 2
  /// A stack ran into its guard page.
  case stackOverflow = 3
  /// The kernel gave up by itself.
  case panic = 4

  var name: String {
    switch self {
    case .exception: "exception"
    case .trap: "failed precondition (ud2)"
    case .stackOverflow: "stack overflow"
    case .panic: "panic"
    }
  }
}

/// The console of a dying kernel.
struct PanicConsole: Console {
  func write(_ byte: UInt8) { unsafe platform?.write(byte) }
}

/// Dying.
public enum Death {
  /// Tells where to write and how to end.
  public static func install(_ panicPlatform: any PanicPlatform) { unsafe platform = panicPlatform }

  /// Makes the console fault from now on, and with `isEndless` the end too; the last resort stays.
  static func breakPlatform(isEndless: Bool) {
    guard let good = unsafe platform else { return }
    unsafe platform = FaultingPlatform(good, isEndless: isEndless)
  }

  static func controllerIsOn() { unsafe platform?.controllerIsOn() }

  /// Ends the machine with `verdict`, or halts this CPU for ever if that can't be done.
  public static func end(_ verdict: Verdict) -> Never {
    unsafe platform?.end(verdict)
    park()
  }

  /// Gives up with a reason.
  @inline(never) public static func panic(_ message: String) -> Never {
    let here = DeathScene(framePointer: apus_frame_pointer())
    unsafe report(.panic, Message(text: message), here)
  }

  /// Whether another CPU reports the kernel's end; the one that does goes on whatever the host sends it.
  public static var isElsewhere: Bool {
    let dying = unsafe apus_load32(&apus_live_words().pointee.dying_cpu)
    return dying != 0 && dying != Processor.current.rawValue &+ 1
  }

  // The same for a C string, at most 200 bytes of it; no `String` is made, which may take memory that there is not.
  static func panic(cString: UnsafePointer<CChar>) -> Never {
    let scene = DeathScene(framePointer: apus_frame_pointer())
    var count = 0
    while count < 200, unsafe cString[count] != 0 { count += 1 }
    unsafe cString.withMemoryRebound(to: UInt8.self, capacity: count) { (start) -> Void in
      unsafe report(.panic, Message(bytes: UnsafeBufferPointer(start: start, count: count)), scene)
    }
    park()
  }

  // From an exception's frame.
  static func exception(_ frame: UnsafeMutablePointer<apus_exception_frame>) -> Never {
    let scene = unsafe DeathScene(frame.pointee, cr2: apus_read_cr2())
    unsafe report(scene.cause, Message(), scene)
  }

  /// Halts this CPU for ever.
  static func park() -> Never {
    while true {
      apus_disable_interrupts()
      apus_halt()
    }
  }

  /// What a panic says: a string, or bytes of the runtime's.
  @unsafe private struct Message {
    var text = ""
    var bytes = unsafe UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  }

  private static func report(_ cause: CauseOfDeath, _ message: Message, _ scene: DeathScene) -> Never {
    apus_disable_interrupts()
    let me = Processor.current.rawValue &+ 1
    let first = unsafe apus_exchange32(&apus_live_words().pointee.dying_cpu, 0, me)
    if first == me { faultAgain() }
    if first != 0 { park() }
    unsafe platform?.stopOtherProcessors()
    let trace = Backtrace(from: scene)
    unsafe writeEpitaph(cause, message, scene, trace)
    unsafe print(cause, message, scene, trace)
    end(.panic)
  }

  // Dying of the report itself. Each further fault leaves out what may have caused it, the last resort being a request
  // that touches no memory: whatever the host does, the machine ends as a panic after at most four of them.
  private static func faultAgain() -> Never {
    unsafe apus_live_words().pointee.report_faults &+= 1
    switch unsafe apus_live_words().pointee.report_faults {
    case 1:
      PanicConsole().line("*** a second fault while reporting")
      end(.panic)
    case 2: end(.panic)
    case 3:
      unsafe platform?.abort()
      park()
    default: park()
    }
  }

  private static func print(
    _ cause: CauseOfDeath, _ message: Message, _ scene: DeathScene, _ trace: Backtrace
  ) {
    let console = PanicConsole()
    console.write("\n*** kernel died: ")
    console.write(cause.name)
    if cause == .panic {
      console.write(": ")
      unsafe console.write(message.text)
      for index in unsafe message.bytes.indices { console.write(unsafe message.bytes[index]) }
    } else {
      console.write(", vector ")
      console.write(decimal: scene.vector)
      console.write(scene.vectorName)
    }
    console.write("\ncpu ")
    console.write(decimal: UInt64(Processor.current.rawValue))
    console.write(" task ")
    console.write(hex: unsafe Processor.block.pointee.task)
    printTaskName(console)
    console.write(" tsc ")
    console.write(decimal: apus_cycles())
    console.endLine()
    scene.print(console)
    trace.print(console)
    apus_print_trace()
    console.line("*** end of report")
  }

  // The name is a static string of the image, or nothing is printed.
  private static func printTaskName(_ console: PanicConsole) {
    guard let task = unsafe UnsafePointer<apus_task>(bitPattern: UInt(Processor.block.pointee.task)),
      var next = unsafe task.pointee.name
    else { return }
    let start = UInt64(UInt(bitPattern: next))
    guard start >= apus_image_start_address(), start < apus_image_end_address() &- 64 else { return }
    console.write(" (")
    for _ in 0..<63 where unsafe next.pointee != 0 {
      console.write(UInt8(bitPattern: unsafe next.pointee))
      unsafe next += 1
    }
    console.write(")")
  }

  private static func writeEpitaph(
    _ cause: CauseOfDeath, _ message: Message, _ scene: DeathScene, _ trace: Backtrace
  ) {
    unsafe apus_epitaph_record().pointee.version = 1
    unsafe apus_epitaph_record().pointee.cause = cause.rawValue
    unsafe apus_epitaph_record().pointee.cpu = Processor.current.rawValue
    unsafe apus_epitaph_record().pointee.vector = UInt32(truncatingIfNeeded: scene.vector)
    unsafe apus_epitaph_record().pointee.error = scene.error
    unsafe apus_epitaph_record().pointee.rip = scene.rip
    unsafe apus_epitaph_record().pointee.rsp = scene.rsp
    unsafe apus_epitaph_record().pointee.rflags = scene.rflags
    unsafe apus_epitaph_record().pointee.cr2 = scene.cr2
    unsafe apus_epitaph_record().pointee.cr3 = apus_read_cr3()
    unsafe apus_epitaph_record().pointee.task = Processor.block.pointee.task
    unsafe apus_epitaph_record().pointee.tsc = apus_cycles()
    unsafe withUnsafeMutableBytes(of: &apus_epitaph_record().pointee.backtrace) { bytes in
      for index in 0..<trace.count {
        unsafe bytes.storeBytes(of: trace[index], toByteOffset: 8 * index, as: UInt64.self)
      }
    }
    unsafe withUnsafeMutableBytes(of: &apus_epitaph_record().pointee.message) { bytes in
      let text = unsafe message.text.utf8Span.span
      for index in 0..<min(text.count, 39) { unsafe bytes[index] = text[index] }
      let rest = unsafe message.bytes
      for index in 0..<min(rest.count, 39) { unsafe bytes[index] = rest[index] }
    }
    unsafe withUnsafeMutableBytes(of: &apus_epitaph_record().pointee.magic) { bytes in
      let text = "APUSDEAD".utf8Span.span
      for index in 0..<8 { unsafe bytes[index] = text[index] }
    }
  }
}

/// From the stubs: an NMI is counted (or stops this CPU when another one dies); everything else is the end.
@c(apus_exception) public func exceptionEntry(_ frame: UnsafeMutablePointer<apus_exception_frame>) {
  if unsafe frame.pointee.vector == UInt64(Vector.nonMaskable) {
    if Death.isElsewhere { Death.park() }
    _ = unsafe apus_increment64(&apus_live_words().pointee.nmi_count)
    return
  }
  if unsafe !Traps.answer(frame) { unsafe Death.exception(frame) }
}

/// For putchar.
@c(apus_console_put) public func consolePut(_ byte: UInt8) { unsafe platform?.write(byte) }
