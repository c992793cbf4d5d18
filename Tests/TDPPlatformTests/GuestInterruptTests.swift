// Tests of the L2's interrupts: commands between vCPUs, its timer, halts that end, and the registers behind them.
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct GuestInterruptTests {
  /// The vectors requested in the virtual-APIC page of vCPU `index`, and RVI in its state.
  private func requests(_ world: GuestWorld, of index: UInt32 = 0) throws -> (vectors: [UInt8], rvi: UInt8) {
    let state = try world.context(index).address
    var vectors: [UInt8] = []
    for register in UInt64(0)..<8 {
      let place = state.advanced(by: 0x1000 + 0x200 + 16 * register)
      let bits = world.memory.load(UInt32.self, at: place)
      for bit in 0..<32 where bits >> UInt32(bit) & 1 == 1 { vectors.append(UInt8(32 * Int(register) + bit)) }
    }
    return (vectors, world.memory.load(UInt8.self, at: state.advanced(by: 0x98)))
  }

  /// The guest writes MSRs, one at each entry, and then halts.
  private func writes(_ world: GuestWorld, _ list: [(UInt64, UInt64)], flags: UInt64 = 0x202) {
    var rest = list
    world.machine.program = { _, state in
      state.rflags = flags
      guard !rest.isEmpty else { return .exit(L2Exit(.hlt, length: 1)) }
      let (msr, value) = rest.removeFirst()
      state.registers.rcx = msr
      state.registers.rax = value & 0xFFFF_FFFF
      state.registers.rdx = value >> 32
      return .exit(L2Exit(.wrmsr, length: 2))
    }
  }

  // SDM 3A, 11.6.1, 11.12.9: shorthands and destinations; one's own goes to the page, others' to their CPUs.
  @Test(
    arguments: [
      (0x4_0041, [0x41], []), (0x8_0041, [0x41], [0x41]), (0xC_0041, [], [0x41]),
      (1 << 32 | 0x41, [], [0x41]),
      (0xFFFF_FFFF_0000_0041, [0x41], [0x41]), (2 << 32 | 0x841, [], [0x41]), (0x41, [0x41], []),
      (7 << 32 | 0x41, [], []), (0x4_000F, [], []), (0x4_0541, [], []),
    ] as [(UInt64, [UInt8], [UInt8])])
  func aCommandReachesThoseItNames(_ command: UInt64, _ own: [UInt8], _ other: [UInt8]) throws {
    let world = try GuestWorld()
    writes(world, [(0x830, command)], flags: 2)
    #expect(try world.enter() == .refused)
    #expect(try requests(world).vectors == own)
    #expect(try requests(world).rvi == own.first ?? 0)
    #expect(try requests(world, of: 1).vectors == [])
    world.machine.program = { _, _ in .exit(L2Exit(.hlt, length: 1)) }
    _ = try world.enter(1)
    #expect(try requests(world, of: 1).vectors == other)
  }

  @Test func aHaltEndsWithAnInterruptAboveThePriority() throws {
    let world = try GuestWorld()
    writes(world, [], flags: 0x202)
    #expect(try world.enter(1) == .refused)
    let count = world.machine.entries.count
    #expect(try world.enter(1) == .refused && world.machine.entries.count == count)
    // Another vCPU sends one; the halted CPU has it when it looks.
    writes(world, [(0x830, 1 << 32 | 0x60)])
    #expect(try world.enter(0) == .refused)
    // The model's CPU delivers nothing: the guest is entered again and again, until the executor has its turn.
    writes(world, [])
    #expect(try world.enter(1) == .handled && world.machine.entries.count > count + 2)
    // With interrupts closed, none.
    let closed = try GuestWorld()
    writes(closed, [], flags: 2)
    #expect(try closed.enter(1) == .refused)
    let before = closed.machine.entries.count
    writes(closed, [(0x830, 1 << 32 | 0x60)], flags: 2)
    #expect(try closed.enter(0) == .refused)
    let after = closed.machine.entries.count
    #expect(try closed.enter(1) == .refused && closed.machine.entries.count == after && after > before)
  }

  // SDM 3A, 11.5.4: once, periodic, deadline; the module's deadline ends the stay (B.7).
  @Test func theTimerFiresWhenItIsDue() throws {
    let world = try GuestWorld()
    // One crystal tick is 100 counter ticks here; divide by 1; 50 ticks.
    writes(world, [(0x832, 0x50), (0x83E, 0xB), (0x838, 50)], flags: 2)
    #expect(try world.enter() == .refused)
    let deadline = world.machine.td.vcpus[0].l2[0].tscDeadline
    #expect(deadline != .max && deadline > 5000)
    #expect(try requests(world).vectors == [])
    world.machine.ticks = deadline
    #expect(try world.enter() == .refused)
    #expect(try requests(world).vectors == [0x50] && requests(world).rvi == 0x50)
    let second = try GuestWorld()
    writes(second, [(0x832, 0x4_0051), (0x6E0, 1_000_000)], flags: 2)
    #expect(try second.enter() == .refused)
    #expect(second.machine.td.vcpus[0].l2[0].tscDeadline == 1_000_000)
    second.machine.ticks = 999_000
    #expect(try second.enter() == .refused)
    #expect(try requests(second).vectors == [0x51])
  }

  // G.73: a CPU that no kick reaches looks after its messages and flushes by the module's deadline (B.7).
  @Test func aCPUThatNoInterruptReachesIsInsideForAMillisecondAtMost() throws {
    let reached = try GuestWorld()
    writes(reached, [], flags: 2)
    #expect(try reached.enter() == .refused)
    #expect(reached.machine.td.vcpus[0].l2[0].tscDeadline == .max)
    let cutOff = try GuestWorld()
    let host = cutOff.machine.host
    cutOff.machine.host = { registers in
      registers.r10 = 0
      if registers.r11 == 31 { registers.r11 = registers.r12 == 0x1B ? 0xFEE0_0D00 : 7 }
    }
    cutOff.platform.enableController(.boot)
    cutOff.machine.host = host
    writes(cutOff, [], flags: 2)
    let before = cutOff.machine.ticks
    #expect(try cutOff.enter() == .refused)
    let deadline = cutOff.machine.td.vcpus[0].l2[0].tscDeadline
    let longest = TDPClock(cutOff.machine).ticks(microseconds: 1000)
    #expect(deadline > before && deadline <= cutOff.machine.ticks + longest)
  }

  // SDM 3A, 11.12.1: reserved bits and registers that are not there are faults.
  @Test(
    arguments: [
      (0x802, 1), (0x80D, 1), (0x828, 1), (0x830, 0x2000), (0x832, 1 << 20), (0x838, 1 << 32), (0x83E, 4),
      (0x839, 0),
      (0x80E, 0), (0x840, 0),
    ] as [(UInt64, UInt64)])
  func reservedBitsAreFaults(_ msr: UInt64, _ value: UInt64) throws {
    let world = try GuestWorld()
    writes(world, [(msr, value)], flags: 2)
    #expect(try world.enter() == .refused)
    #expect(world.machine.l2(.entryInterruptionInformation) == 0x8000_0B0D)
  }
}
