// DeathScene: the registers at the moment of death, and the way back from there.
import Boot
import Seams
import X86

/// What the CPU was doing.
struct DeathScene {
  var vector: UInt64 = 0
  var error: UInt64 = 0
  var rip: UInt64 = 0
  var rsp: UInt64 = 0
  var rflags: UInt64 = 0
  var cr2: UInt64 = 0
  var rbp: UInt64 = 0
  private var registers: apus_exception_frame?

  init(_ frame: apus_exception_frame, cr2: UInt64) {
    vector = frame.vector
    error = frame.error
    rip = frame.rip
    rsp = frame.rsp
    rflags = frame.rflags
    rbp = frame.rbp
    registers = frame
    self.cr2 = cr2
  }

  /// A scene without an exception: the caller's frame is where the way back begins.
  init(framePointer: UInt64) { rbp = framePointer }

  var cause: CauseOfDeath {
    if vector == UInt64(Vector.invalidOpcode) { return .trap }
    if vector == UInt64(Vector.doubleFault) || vector == UInt64(Vector.pageFault), isGuard(cr2) {
      return .stackOverflow
    }
    return .exception
  }

  var vectorName: String {
    switch UInt8(truncatingIfNeeded: vector) {
    case Vector.divideError: " (#DE divide error)"
    case Vector.invalidOpcode: " (#UD invalid opcode)"
    case Vector.doubleFault: " (#DF double fault)"
    case Vector.generalProtection: " (#GP general protection)"
    case Vector.pageFault: " (#PF page fault)"
    case Vector.machineCheck: " (#MC machine check)"
    case Vector.hypervisorInjection: " (#HV)"
    case Vector.vmmCommunication: " (#VC)"
    default: ""
    }
  }

  // The page below any stack: the boot stack's in the image, or one in a CPU's slot.
  private func isGuard(_ address: UInt64) -> Bool {
    if address >= apus_boot_stack_guard_address(), address < apus_boot_stack_address() { return true }
    guard address >= KernelLayout.processors else { return false }
    let offset = (address &- KernelLayout.processors) % ProcessorSlot.stride
    let index = (address &- KernelLayout.processors) / ProcessorSlot.stride
    guard index < UInt64(Processor.count) else { return false }
    if offset < 0x1000 { return true }
    return offset >= 0x9000 && offset < 0x19000 && (offset &- 0x9000) % 0x3000 < 0x1000
  }

  func print(_ console: PanicConsole) {
    field(console, "rip ", rip)
    field(console, " rsp ", rsp)
    field(console, " rflags ", rflags)
    field(console, " error ", error)
    console.endLine()
    field(console, "cr2 ", cr2)
    field(console, " cr3 ", apus_read_cr3())
    field(console, " cr4 ", apus_read_cr4())
    console.endLine()
    guard let r = registers else { return }
    line(console, ("rax ", r.rax), ("rbx ", r.rbx), ("rcx ", r.rcx), ("rdx ", r.rdx))
    line(console, ("rsi ", r.rsi), ("rdi ", r.rdi), ("rbp ", r.rbp), ("r8  ", r.r8))
    line(console, ("r9  ", r.r9), ("r10 ", r.r10), ("r11 ", r.r11), ("r12 ", r.r12))
    line(console, ("r13 ", r.r13), ("r14 ", r.r14), ("r15 ", r.r15), ("ss  ", r.ss))
  }

  private typealias Named = (String, UInt64)

  private func line(_ console: PanicConsole, _ a: Named, _ b: Named, _ c: Named, _ d: Named) {
    field(console, a.0, a.1)
    console.write(" ")
    field(console, b.0, b.1)
    console.write(" ")
    field(console, c.0, c.1)
    console.write(" ")
    field(console, d.0, d.1)
    console.endLine()
  }

  private func field(_ console: PanicConsole, _ name: String, _ value: UInt64) {
    console.write(name)
    console.write(hex: value, width: 16)
  }
}

/// The return addresses on the way back, at most 16, by frame pointers that stay on this CPU's stack.
struct Backtrace {
  private var addresses = InlineArray<16, UInt64>(repeating: 0)
  private(set) var count = 0
  private let startsAtFault: Bool

  init(from scene: DeathScene) {
    startsAtFault = scene.rip != 0
    if startsAtFault { append(scene.rip) }
    var frame = scene.rbp
    var lowest = UInt64(0)
    while count < 16, frame > lowest, frame % 8 == 0, isStack(frame), isStack(frame &+ 15) {
      // UNSAFETY: 16 bytes on one of our mapped stacks, checked just now.
      guard let words = unsafe UnsafePointer<UInt64>(bitPattern: UInt(frame)) else { return }
      let back = unsafe words[1]
      guard back >= apus_image_start_address(), back < apus_text_end_address() else { return }
      append(back)
      lowest = frame
      frame = unsafe words[0]
    }
  }

  subscript(_ index: Int) -> UInt64 { index >= 0 && index < count ? addresses[index] : 0 }

  private mutating func append(_ address: UInt64) {
    addresses[count] = address
    count += 1
  }

  private func isStack(_ address: UInt64) -> Bool {
    if address >= apus_boot_stack_address(), address < apus_boot_stack_top_address() { return true }
    let block = unsafe Processor.block
    return unsafe address >= block.pointee.stack_bottom && address < block.pointee.stack_top
  }

  // One address a line, "in" for the instruction that faulted, "at" for return addresses: `boards/run` names them.
  func print(_ console: PanicConsole) {
    for index in 0..<count {
      console.write(index == 0 && startsAtFault ? "  in " : "  at ")
      console.write(hex: addresses[index], width: 16)
      console.endLine()
    }
  }
}
