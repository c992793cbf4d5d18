// InstructionDecoderTests: lengths and operands against what an assembler wrote.

import Monitor
import Testing

/// One assembled instruction: its bytes (by clang 64-bit), its operation, operand size and, if it has a
/// memory operand, the linear address with the registers of `operandCPU`.
private let assembled: [(text: String, bytes: [UInt8], operation: Operation, size: Int, address: UInt64?)] = [
  ("movl 32(%rbx), %ecx", [0x8B, 0x4B, 0x20], .load, 4, 0x3020),
  (
    "movl %r9d, 768(%r12,%rcx,4)", [0x45, 0x89, 0x8C, 0x8C, 0, 3, 0, 0], .store, 4,
    0xC000 + 4 * 0x1000 + 0x300
  ),
  ("movb %ah, (%rdx)", [0x88, 0x22], .store, 1, 0x2000),
  ("movb %sil, (%rdx)", [0x40, 0x88, 0x32], .store, 1, 0x2000),
  (
    "movq $-1, 16(%rsp)", [0x48, 0xC7, 0x44, 0x24, 0x10, 0xFF, 0xFF, 0xFF, 0xFF], .storeImmediate, 8, 0x4010
  ),
  (
    "movl $0x12345678, 0xfee00300", [0xC7, 0x04, 0x25, 0, 3, 0xE0, 0xFE, 0x78, 0x56, 0x34, 0x12],
    .storeImmediate, 4, 0xFFFF_FFFF_FEE0_0300
  ),
  ("movw $0x1234, (%rax)", [0x66, 0xC7, 0x00, 0x34, 0x12], .storeImmediate, 2, 0x0),
  ("movb $127, 1(%rbp)", [0xC6, 0x45, 0x01, 0x7F], .storeImmediate, 1, 0x5001),
  ("movq 4096(%rip), %rax", [0x48, 0x8B, 0x05, 0, 0x10, 0, 0], .load, 8, 0x10_0000 + 7 + 4096),
  ("movzbl (%rsi), %eax", [0x0F, 0xB6, 0x06], .loadZeroExtended, 4, 0x6000),
  ("movzwq 2(%r13), %r10", [0x4D, 0x0F, 0xB7, 0x55, 0x02], .loadZeroExtended, 8, 0xD002),
  ("movsbl (%rax), %ecx", [0x0F, 0xBE, 0x08], .loadSignExtended, 4, 0),
  ("movslq (%rax), %rcx", [0x48, 0x63, 0x08], .loadSignExtended, 8, 0),
  (
    "movabs %al, 0x1122334455667788", [0xA2, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], .store, 1,
    0x1122_3344_5566_7788
  ),
  (
    "movabs 0x1122334455667788, %rax", [0x48, 0xA1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], .load, 8,
    0x1122_3344_5566_7788
  ),
  ("rep stosq", [0xF3, 0x48, 0xAB], .storeString, 8, 0x7000),
  ("stosb", [0xAA], .storeString, 1, 0x7000),
  ("movsl", [0xA5], .moveString, 4, 0x6000),
  ("inb $96, %al", [0xE4, 0x60], .portAccess(isIn: true, port: 0x60), 1, nil),
  ("inl $16, %eax", [0xE5, 0x10], .portAccess(isIn: true, port: 0x10), 4, nil),
  ("outb %al, $244", [0xE6, 0xF4], .portAccess(isIn: false, port: 0xF4), 1, nil),
  ("inw %dx, %ax", [0x66, 0xED], .portAccess(isIn: true, port: nil), 2, nil),
  ("outl %eax, %dx", [0xEF], .portAccess(isIn: false, port: nil), 4, nil),
  ("rep outsb", [0xF3, 0x6E], .portString(isIn: false), 1, 0x6000),
  ("rep insw", [0xF3, 0x66, 0x6D], .portString(isIn: true), 2, 0x7000),
  ("cpuid", [0x0F, 0xA2], .cpuid, 4, nil), ("rdmsr", [0x0F, 0x32], .rdmsr, 4, nil),
  ("wrmsr", [0x0F, 0x30], .wrmsr, 4, nil), ("rdtsc", [0x0F, 0x31], .rdtsc, 4, nil),
  ("rdtscp", [0x0F, 0x01, 0xF9], .rdtscp, 4, nil), ("hlt", [0xF4], .hlt, 4, nil),
  ("pause", [0xF3, 0x90], .pause, 4, nil), ("wbinvd", [0x0F, 0x09], .wbinvd, 4, nil),
  ("wbnoinvd", [0xF3, 0x0F, 0x09], .wbinvd, 4, nil), ("ud2", [0x0F, 0x0B], .ud2, 4, nil),
  ("vmmcall", [0x0F, 0x01, 0xD9], .vmmcall, 4, nil), ("vmcall", [0x0F, 0x01, 0xC1], .vmcall, 4, nil),
  ("vmgexit", [0xF3, 0x0F, 0x01, 0xD9], .vmgexit, 4, nil),
  ("vmgexit, F2", [0xF2, 0x0F, 0x01, 0xD9], .vmgexit, 4, nil),
  ("movq %cr4, %rax", [0x0F, 0x20, 0xE0], .moveControl(isDebug: false, isWrite: false), 8, nil),
  ("movq %r9, %cr3", [0x41, 0x0F, 0x22, 0xD9], .moveControl(isDebug: false, isWrite: true), 8, nil),
  ("movq %rax, %dr7", [0x0F, 0x23, 0xF8], .moveControl(isDebug: true, isWrite: true), 8, nil),
  ("clts", [0x0F, 0x06], .clts, 4, nil), ("lmsw %ax", [0x0F, 0x01, 0xF0], .lmsw, 2, nil),
  ("lmsw (%rsi)", [0x0F, 0x01, 0x36], .lmsw, 2, 0x6000),
  ("lmsw %r9w", [0x41, 0x0F, 0x01, 0xF1], .lmsw, 2, nil),
  ("xsetbv", [0x0F, 0x01, 0xD1], .xsetbv, 4, nil), ("invlpgb", [0x0F, 0x01, 0xFE], .invlpgb, 4, nil),
  ("tlbsync", [0x0F, 0x01, 0xFF], .tlbsync, 4, nil),
  ("pvalidate", [0xF2, 0x0F, 0x01, 0xFF], .pvalidate, 4, nil),
  ("rmpadjust", [0xF3, 0x0F, 0x01, 0xFE], .rmpadjust, 4, nil),
  ("rmpquery", [0xF3, 0x0F, 0x01, 0xFD], .rmpquery, 4, nil),
  ("rmpupdate", [0xF2, 0x0F, 0x01, 0xFE], .rmpupdate, 4, nil),
  ("psmash", [0xF3, 0x0F, 0x01, 0xFF], .psmash, 4, nil),
  ("tdcall", [0x66, 0x0F, 0x01, 0xCC], .tdcall, 2, nil),
  ("seamcall", [0x66, 0x0F, 0x01, 0xCF], .seamcall, 2, nil),
  ("movl %eax, %gs:(%rdi)", [0x65, 0x89, 0x07], .store, 4, 0xA_0000_7000),
  ("movl (%edi), %eax", [0x67, 0x8B, 0x07], .load, 4, 0x7000),
  ("movl %eax, (,%rcx,8)", [0x89, 0x04, 0xCD, 0, 0, 0, 0], .store, 4, 0x8000),
]

/// A 64-bit CPU: RAX 0, RCX 0x1000, RDX 0x2000 and so on; RIP 1 MiB; GS base 0xA_0000_0000.
private func operandCPU() -> PlainCPU {
  var cpu = PlainCPU()
  for register in GeneralRegister.allCases { cpu[register] = UInt64(register.rawValue) << 12 }
  cpu[VMCB.rip] = 0x10_0000
  cpu[VMCB.efer] = 0xD00
  cpu.setSegment(VMCB.cs, Segment(selector: 8, attributes: 0xA9B, limit: .max, base: 0))
  cpu.setSegment(VMCB.gs, Segment(selector: 0, attributes: 0xC93, limit: .max, base: 0xA_0000_0000))
  return cpu
}

@Suite struct InstructionDecoderTests {
  @Test func `every assembled instruction has its length, operation, size and address`() throws {
    let cpu = operandCPU()
    for item in assembled {
      // What follows must not change the result.
      let bytes = InstructionBytes(item.bytes + [0x90, 0x90, 0x90])
      let found = try #require(InstructionDecoder.decode(bytes, .bits64), "\(item.text)")
      #expect(found.operation == item.operation, "\(item.text)")
      #expect(found.length == item.bytes.count, "\(item.text)")
      #expect(found.operandByteCount == item.size, "\(item.text)")
      #expect(found.linearAddress(cpu) == item.address, "\(item.text)")
    }
  }

  @Test func `every cut of every instruction decodes to nothing`() {
    for item in assembled where item.bytes.count > 1 {
      for count in 0..<item.bytes.count {
        let cut = Array(item.bytes.prefix(count))
        guard let found = InstructionDecoder.decode(InstructionBytes(cut), .bits64) else { continue }
        // A prefix alone is never an instruction, and no cut may claim more bytes than it has.
        #expect(found.length <= count, "\(item.text)")
      }
    }
  }

  @Test func `registers are cut, merged and extended as MOV does`() throws {
    var cpu = operandCPU()
    cpu[.rax] = 0x1122_3344_5566_7788
    let high = try #require(InstructionDecoder.decode(InstructionBytes([0x88, 0x22]), .bits64))
    #expect(high.isHighByte)
    #expect(high.registerValue(cpu) == 0x77)
    high.setRegister(0xAB, &cpu)
    #expect(cpu[.rax] == 0x1122_3344_5566_AB88)
    let sil = try #require(InstructionDecoder.decode(InstructionBytes([0x40, 0x88, 0x32]), .bits64))
    #expect(sil.register == .rsi && !sil.isHighByte)
    let ecx = try #require(InstructionDecoder.decode(InstructionBytes([0x8B, 0x4B, 0x20]), .bits64))
    cpu[.rcx] = .max
    ecx.setRegister(0x55, &cpu)
    #expect(cpu[.rcx] == 0x55)
    #expect(Instruction.merge(.max, 0x1234, byteCount: 2) == 0xFFFF_FFFF_FFFF_1234)
  }

  @Test func `16-bit code has 16-bit operands, addresses and a segment base`() throws {
    var cpu = operandCPU()
    cpu[VMCB.efer] = 0
    cpu.setSegment(VMCB.cs, Segment(selector: 0x800, attributes: 0x9B, limit: 0xFFFF, base: 0x8000))
    cpu.setSegment(VMCB.ds, Segment(selector: 0x900, attributes: 0x93, limit: 0xFFFF, base: 0x9000))
    #expect(cpu.codeSize == .bits16)
    cpu[.rbx] = 0x20
    cpu[.rsi] = 3
    let found = try #require(InstructionDecoder.decode(InstructionBytes([0x89, 0x40, 0x10]), cpu.codeSize))
    #expect(found.operandByteCount == 2)
    #expect(found.linearAddress(cpu) == 0x9033)
    let port = try #require(InstructionDecoder.decode(InstructionBytes([0x66, 0xEF]), .bits16))
    #expect(port.operandByteCount == 4)
  }

  @Test func `random bytes never trap and never claim more than 15 bytes`() {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0 ... .max, using: &generator)
    print("InstructionDecoder random seed \(seed)")
    for start in [UInt64(1), seed] {
      var state = start | 1
      for _ in 0..<20_000 {
        var bytes = InstructionBytes()
        for _ in 0..<15 {
          state ^= state << 13
          state ^= state >> 7
          state ^= state << 17
          bytes.append(UInt8(truncatingIfNeeded: state >> 24))
        }
        for size in [CodeSize.bits16, .bits32, .bits64] {
          if let found = InstructionDecoder.decode(bytes, size) { #expect((1...15).contains(found.length)) }
        }
      }
    }
  }
}
