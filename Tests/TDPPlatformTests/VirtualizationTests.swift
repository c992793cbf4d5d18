// Tests of the #VE handler over the model: who is asked, in which order, and what is believed.
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct VirtualizationTests {
  private func handler(_ machine: ModelTD) -> VirtualizationHandler<ModelTD> {
    VirtualizationHandler(
      machine, console: TDPConsole(machine, port: 0x3F8), sharedMask: 1 << 47, processorCount: 4)
  }

  private func frame(_ registers: [Int: UInt64] = [:]) -> TrapFrame {
    var frame = TrapFrame()
    for index in 0..<16 { frame.registers[index] = 0xA5A5_0000_0000_0000 | UInt64(index) }
    for (number, value) in registers { frame.registers[number] = value }
    frame.rip = 0x7F80_0810_1000
    return frame
  }

  // G.16
  @Test func theFirstThingIsVEInfoWhateverTheInstruction() {
    let causes: [(L1Instruction, [Int: UInt64])] = [
      (.io(qualification: VEInfo.portQualification(port: 0x60, byteCount: 1, isInput: true)), [:]),
      (.cpuid(leaf: 2, subleaf: 0), [0: 2, 1: 0]), (.rdmsr(0x1B), [1: 0x1B]),
      (.wrmsr(0x830, 5), [0: 5, 1: 0x830, 2: 0]), (.trapped(.hlt), [:]), (.trapped(.wbinvd), [:]),
      (.trapped(.mwait), [:]), (.trapped(.vmcall), [:]),
    ]
    for (instruction, registers) in causes {
      let machine = ModelTD()
      #expect(machine.raise(instruction))
      machine.steps = []
      var frame = frame(registers)
      _ = handler(machine).handle(20, &frame)
      #expect(machine.steps.first == .module(TDGLeaf.veInfoGet.rawValue))
      #expect(machine.count(.veInfoGet) == 1)
      // The information is taken: the next #VE is one again, not a #DF.
      #expect(machine.raise(.trapped(.hlt)))
    }
  }

  // G.16: the length comes from R10, and only for instructions.
  @Test func anInstructionIsPassedByItsLength() {
    let machine = ModelTD()
    #expect(machine.raise(.trapped(.wbinvd), length: 3))
    var frame = frame()
    #expect(handler(machine).handle(20, &frame))
    #expect(frame.rip == 0x7F80_0810_1003)
  }

  @Test func aSpuriousVEIsTheEnd() {
    let machine = ModelTD()
    var frame = frame()
    #expect(!handler(machine).handle(20, &frame))
  }

  // G.17
  @Test func hostValuesAreUsedInTheHypervisorsLeavesOnly() {
    for (leaf, isHosts) in [
      (UInt32(0x4000_0000), true), (0x4FFF_FFFF, true), (0x4000_000C, true), (2, false), (6, false),
      (0x16, false), (0x8000_0002, false), (0x5000_0000, false), (0x3FFF_FFFF, false),
      (UInt32.max, false),
    ] {
      let machine = ModelTD()
      machine.host = { registers in
        for number in 11...15 { registers[number] = 0xBAD0_0000_0000_0666 }
        registers.r10 = 0
      }
      #expect(machine.raise(.cpuid(leaf: leaf, subleaf: 0)))
      var frame = frame([0: UInt64(leaf), 1: 0])
      #expect(handler(machine).handle(20, &frame))
      #expect(machine.hostCalls.contains(10) == isHosts)
      for number in [0, 3, 1, 2] { #expect(frame.registers[number] == (isHosts ? 0x666 : 0)) }
    }
  }

  @Test func topologyIsOurOwn() {
    let machine = ModelTD()
    machine.vcpu = 3
    #expect(machine.raise(.cpuid(leaf: 0xB, subleaf: 1)))
    var frame = frame([0: 0xB, 1: 1])
    #expect(handler(machine).handle(20, &frame))
    #expect(frame.registers[0] == 2)
    #expect(frame.registers[3] == 4)
    #expect(frame.registers[1] == 0x201)
    #expect(frame.registers[2] == 3)
    #expect(machine.hostCalls.isEmpty)
  }

  @Test func aLeafThatTheHostRefusesIsZero() {
    let machine = ModelTD()
    machine.host = { $0.r10 = 1 << 63 }
    #expect(machine.raise(.cpuid(leaf: 0x4000_0000, subleaf: 0)))
    var frame = frame([0: 0x4000_0000, 1: 0])
    #expect(handler(machine).handle(20, &frame))
    #expect(frame.registers[0] | frame.registers[1] | frame.registers[2] | frame.registers[3] == 0)
  }

  @Test func portsGoToTheHostAndReadTheirWidth() {
    for (byteCount, expected) in [
      (UInt8(1), UInt64(0xA5A5_0000_0000_00CD)), (2, 0xA5A5_0000_0000_ABCD), (4, 0x1234_ABCD),
    ] {
      let machine = ModelTD()
      machine.host = { registers in
        #expect(registers.r12 == UInt64(byteCount) && registers.r13 == 0 && registers.r14 == 0x60)
        registers.r10 = 0
        registers.r11 = 0xFFFF_FFFF_1234_ABCD
      }
      let qualification = VEInfo.portQualification(port: 0x60, byteCount: byteCount, isInput: true)
      #expect(machine.raise(.io(qualification: qualification)))
      var frame = frame()
      #expect(handler(machine).handle(20, &frame))
      #expect(frame.registers[0] == expected)
    }
    let machine = ModelTD()
    machine.host = { registers in
      #expect(registers.r12 == 2 && registers.r13 == 1 && registers.r14 == 0x1234 && registers.r15 == 0x77)
      registers.r10 = 0
    }
    #expect(
      machine.raise(
        .io(qualification: VEInfo.portQualification(port: 0x1234, byteCount: 2, isInput: false))))
    var frame = frame([0: 0xFFFF_0077 & ~0xFF00])
    #expect(handler(machine).handle(20, &frame))
  }

  @Test func stringPortInstructionsAreTheEnd() {
    let machine = ModelTD()
    let qualification = VEInfo.portQualification(port: 0x60, byteCount: 1, isInput: true, isString: true)
    #expect(machine.raise(.io(qualification: qualification)))
    var frame = frame()
    #expect(!handler(machine).handle(20, &frame))
  }

  @Test func onlyTheAPICsRegistersAreTheHosts() {
    for (number, isAllowed) in [
      (UInt32(0x1B), true), (0x802, true), (0x83E, true), (0x1A4, false), (0x8B, false),
    ] {
      let machine = ModelTD()
      machine.host = { registers in
        registers.r10 = 0
        registers.r11 = 0x1111_2222_3333_4444
      }
      #expect(machine.raise(.rdmsr(number)))
      var read = frame([1: UInt64(number)])
      #expect(handler(machine).handle(20, &read) == isAllowed)
      if isAllowed { #expect(read.registers[0] == 0x3333_4444 && read.registers[2] == 0x1111_2222) }
      #expect(machine.raise(.wrmsr(number, 0)))
      var write = frame([0: 0xFFFF_FFFF_0000_0001, 1: UInt64(number), 2: 2])
      #expect(handler(machine).handle(20, &write) == isAllowed)
      if isAllowed { #expect(machine.exits.last?.registers.r13 == 0x2_0000_0001) }
    }
  }

  @Test func haltSaysWhetherInterruptsAreOpen() {
    for (flags, blocked) in [(UInt64(0x202), UInt64(0)), (2, 1)] {
      let machine = ModelTD()
      #expect(machine.raise(.trapped(.hlt), length: 1))
      var frame = frame()
      frame.rflags = flags
      #expect(handler(machine).handle(20, &frame))
      #expect(machine.exits.last?.registers.r12 == blocked)
    }
  }

  // G.18: memory that went away is not taken back, and nothing is accepted.
  @Test func aViolationOnPrivateMemoryIsFatal() {
    let machine = ModelTD { $0.attributes = [] }
    machine.augment(100)
    #expect(machine.touch(100 << 12, .read))
    var frame = frame()
    #expect(!handler(machine).handle(20, &frame))
    #expect(machine.count(.pageAccept) == 0)
    #expect(frame.rip == 0x7F80_0810_1000)
    #expect(machine.hostCalls.allSatisfy { $0 == 30 })
  }

  private struct Move {
    var code: [UInt8]
    var isWrite: Bool
    var byteCount: UInt64
    /// What a write puts out, or the register after a read of 0x8182838485868788.
    var value: UInt64
    var register = 0
  }

  @Test func devicesAreReadAndWrittenByDecodedMoves() {
    let moves: [Move] = [
      Move(code: [0x8B, 0x02], isWrite: false, byteCount: 4, value: 0x8586_8788),  // mov eax,[rdx]
      Move(code: [0x48, 0x8B, 0x02], isWrite: false, byteCount: 8, value: 0x8182_8384_8586_8788),
      Move(code: [0x66, 0x8B, 0x02], isWrite: false, byteCount: 2, value: 0xA5A5_0000_0000_8788),
      Move(code: [0x8A, 0x02], isWrite: false, byteCount: 1, value: 0xA5A5_0000_0000_0088),
      Move(code: [0x8A, 0x22], isWrite: false, byteCount: 1, value: 0xA5A5_0000_0000_8800),  // mov ah,[rdx]
      Move(code: [0x0F, 0xB6, 0x02], isWrite: false, byteCount: 1, value: 0x88),
      Move(code: [0x0F, 0xB7, 0x42, 0x10], isWrite: false, byteCount: 2, value: 0x8788),
      Move(code: [0x48, 0x0F, 0xBE, 0x02], isWrite: false, byteCount: 1, value: 0xFFFF_FFFF_FFFF_FF88),
      Move(code: [0x0F, 0xBF, 0x02], isWrite: false, byteCount: 2, value: 0xFFFF_8788),
      Move(code: [0x48, 0x63, 0x02], isWrite: false, byteCount: 4, value: 0xFFFF_FFFF_8586_8788),
      Move(
        code: [0x4C, 0x8B, 0x0A], isWrite: false, byteCount: 8, value: 0x8182_8384_8586_8788, register: 9),
      // mov [rdx+rcx*4+x],eax
      Move(code: [0x89, 0x84, 0x8A, 1, 2, 3, 4], isWrite: true, byteCount: 4, value: 0),
      Move(code: [0x4D, 0x89, 0x08], isWrite: true, byteCount: 8, value: 0xA5A5_0000_0000_0009),
      Move(code: [0x88, 0x0A], isWrite: true, byteCount: 1, value: 1),
      Move(code: [0xC7, 0x02, 0x78, 0x56, 0x34, 0x12], isWrite: true, byteCount: 4, value: 0x1234_5678),
      Move(
        code: [0x48, 0xC7, 0x02, 0xFF, 0xFF, 0xFF, 0xFF], isWrite: true, byteCount: 8, value: .max),
      Move(code: [0xC6, 0x05, 1, 2, 3, 4, 0x5A], isWrite: true, byteCount: 1, value: 0x5A),
      Move(code: [0x89, 0x04, 0x25, 1, 2, 3, 4], isWrite: true, byteCount: 4, value: 0),
    ]
    for move in moves {
      let machine = ModelTD()
      machine.td.shared[GuestPage(rawValue: 200)] = .device
      machine.code = move.code
      machine.host = { registers in
        #expect(registers.r11 == 48 && registers.r12 == move.byteCount)
        #expect(registers.r13 == (move.isWrite ? 1 : 0) && registers.r14 == 1 << 47 | 200 << 12)
        if move.isWrite { #expect(registers.r15 == move.value) }
        registers.r10 = 0
        registers.r11 = 0x8182_8384_8586_8788
      }
      #expect(machine.touch(1 << 47 | 200 << 12, move.isWrite ? .write : .read))
      var frame = frame()
      #expect(handler(machine).handle(20, &frame))
      #expect(frame.rip == 0x7F80_0810_1000 + UInt64(move.code.count))
      if !move.isWrite { #expect(frame.registers[move.register] == move.value) }
      #expect(machine.hostCalls == [48])
    }
  }

  @Test func otherInstructionsOnDevicesAreTheEnd() {
    for code in [
      [0xA4], [0x01, 0x02], [0x8B, 0xC2], [0xFF, 0x02], [0x66, 0x66], [], [0xC7, 0x0A, 0, 0, 0, 0],
    ]
      as [[UInt8]]
    {
      let machine = ModelTD()
      machine.td.shared[GuestPage(rawValue: 200)] = .device
      machine.code = code
      #expect(machine.touch(1 << 47 | 200 << 12, .read))
      var frame = frame()
      #expect(!handler(machine).handle(20, &frame))
      #expect(!machine.hostCalls.contains(48))
    }
  }

  @Test func anAccessThatLeavesItsPageIsTheEnd() {
    let machine = ModelTD()
    machine.td.shared[GuestPage(rawValue: 200)] = .device
    machine.code = [0x48, 0x8B, 0x02]
    #expect(machine.touch(1 << 47 | 200 << 12 | 0xFFC, .read))
    var frame = frame()
    #expect(!handler(machine).handle(20, &frame))
  }
}
