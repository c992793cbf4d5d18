// Tests of the L2's driver: launch, entry, exits, faults, calls; the model is the module.
import Model
import Seams
import TDPPlatform
import TDX
import Testing
import X86

@Suite struct GuestTests {
  // E.3 step 18, B.4: image and calling areas are the L2's, nothing else is.
  @Test func theGuestGetsItsImageAndACallingAreaForEachCPU() throws {
    let world = try GuestWorld()
    for page in [512, 513, 0x1FE, 0x1FD] as [UInt64] {
      #expect(world.machine.rights(page) == .full)
    }
    for page in [1, 8, 40, 60, 0x1FC, 514] as [UInt64] {
      #expect(world.machine.rights(page)?.isPresent != true)
    }
    let image = PhysicalAddress(GuestWorld.image)
    func field(_ offset: UInt64) -> UInt64 { world.memory.load(UInt64.self, at: image.advanced(by: offset)) }
    #expect(field(0x30) == 2 && field(0x38) == 0 && field(0x40) == 2)
    #expect(field(0x48) == 0x1000 && field(0x50) == 63 << 12 && field(0x58) == 16 << 20)
    #expect(field(0x60) == 0x1F_E000 && field(0x200) == 1 << 32)
    #expect(field(0x100) == 0x7473_6574_666C_6573)
    #expect(world.memory.load(UInt64.self, at: PhysicalAddress(0x1F_E000)) == 0)
  }

  @Test func thePlanLeavesTheKernelsRangeOut() throws {
    let plan = try #require(try GuestWorld().platform.guest)
    #expect(plan.memory.count == 2)
    #expect(plan.memory[0]?.bytes == 0x1000)
    #expect(plan.memory[1]?.start == PhysicalAddress(0x4_0000))
    #expect(plan.own == MemoryRegion(start: PhysicalAddress(0x3_8000), bytes: 0x8000, kind: .reserved))
    #expect(!plan.contains(0x1000, bytes: 1) && plan.contains(0x20_0000, bytes: 0xE0_0000))
    #expect(!plan.contains(0x20_0000, bytes: 0xE0_0001))
  }

  // B.3: every vCPU's own CPU gives the module its state, all four mask and shadow fields among it.
  @Test func theFirstEntryHasTheStateThatTheGuestIsPromised() throws {
    let world = try GuestWorld()
    var seen: [L2EnterState] = []
    world.machine.program = { _, state in
      seen.append(state)
      return .exit(L2Exit(.hlt, length: 1))
    }
    for index in 0..<UInt32(2) {
      #expect(try world.enter(index) == .refused)
      #expect(world.machine.l2(.cr0) == 0x8001_0031)
      #expect(world.machine.l2(.cr3) == GuestWorld.root)
      #expect(world.machine.l2(.cr4) & 0x20 != 0)
      #expect(world.machine.l2(.efer) == 0xD01)
      #expect(world.machine.l2(.cr4Mask) == 0x2000 && world.machine.l2(.cr4Shadow) == 0)
      #expect(world.machine.l2(.cr0Shadow) == 0x8000_0001)
      #expect(world.machine.l2(.csAccessRights) == 0xA09B)
      #expect(world.machine.td.vcpus[Int(index)].l2[0].controls == 1)
    }
    #expect(seen.map(\.rip) == [GuestWorld.image, GuestWorld.image])
    #expect(seen.map(\.registers.rdi) == [0, 1])
    #expect(seen.map(\.registers.rsi) == [0x1F_E000, 0x1F_D000])
    #expect(seen.allSatisfy { $0.rflags == 2 })
  }

  // B.2: what the L2 reads and writes without L1.
  @Test func theBitmapHasHolesForSwitchedMSRsOnly() throws {
    let world = try GuestWorld()
    _ = try world.enter()
    let l2 = world.machine.td.vcpus[0].l2[0]
    for msr in [0xC000_0100, 0xC000_0101, 0xC000_0102, 0xC000_0082, 0x174, 0x277, 0xDA0] as [UInt32] {
      #expect(!l2.intercepts(msr: msr, isWrite: false) && !l2.intercepts(msr: msr, isWrite: true))
    }
    for msr in [0x10, 0xC000_0080] as [UInt32] {
      #expect(!l2.intercepts(msr: msr, isWrite: false) && l2.intercepts(msr: msr, isWrite: true))
    }
    for msr in [0x1B, 0x802, 0x830, 0x1A0, 0xC000_0083, 0xDA1] as [UInt32] {
      #expect(l2.intercepts(msr: msr, isWrite: false) && l2.intercepts(msr: msr, isWrite: true))
    }
  }

  // G.17 for an L2, F.2: the module's answers and our own, no host's word, and no TD to be seen.
  @Test(
    arguments: [
      (0x21, 0, 0, 0), (0x4000_0000, 0x4000_0000, 0x7375_7041, 0x4D53_5653), (0x4000_0001, 0, 0, 0),
      (2, 0, 0, 0),
      (0xB, 0, 1, 0x100), (6, 0, 0, 0),
    ] as [(UInt64, UInt64, UInt64, UInt64)])
  func cpuidIsTheModulesOrOurs(_ leaf: UInt64, _ eax: UInt64, _ ebx: UInt64, _ ecx: UInt64) throws {
    let world = try GuestWorld()
    world.once(L2Exit(.cpuid, length: 2)) { state in
      state.registers.rax = leaf
      state.registers.rcx = 0
    }
    #expect(try world.enter() == .refused)
    #expect(try world.register(0) == eax && world.register(3) == ebx && world.register(1) == ecx)
    #expect(try world.rip() == GuestWorld.image + 3)
    #expect(world.machine.hostCalls.isEmpty)
    #expect(world.machine.entries.count == 2)
  }

  @Test func aHaltedGuestIsNotEnteredUntilSomethingHappens() throws {
    let world = try GuestWorld()
    #expect(try world.enter() == .refused)
    let count = world.machine.entries.count
    #expect(try world.enter() == .refused)
    #expect(world.machine.entries.count == count)
  }

  @Test func portsAreTheHosts() throws {
    let world = try GuestWorld()
    var written: [UInt64] = []
    world.machine.host = { registers in
      written = [registers.r12, registers.r13, registers.r14, registers.r15]
      registers.r10 = 0
      registers.r11 = 0xFFFF_FFFF_FFFF_FF5A
    }
    // OUT 0x3F8, AL; then IN AX, 0x60 (SDM 3C, table 28-5).
    world.once(L2Exit(.io, length: 2, qualification: 0x03F8_0000)) { $0.registers.rax = 0x1234_5641 }
    #expect(try world.enter() == .refused)
    #expect(written == [1, 1, 0x3F8, 0x41])
    let second = try GuestWorld()
    second.machine.host = world.machine.host
    second.once(L2Exit(.io, length: 1, qualification: 0x0060_0009)) {
      $0.registers.rax = 0xAAAA_BBBB_CCCC_DDDD
    }
    #expect(try second.enter() == .refused)
    #expect(written == [2, 0, 0x60, 0])
    #expect(try second.register(0) == 0xAAAA_BBBB_CCCC_FF5A)
    // A string form, or a size that does not exist, is a fault and no host call.
    for qualification in [0x0060_0018, 0x0060_0002] as [UInt64] {
      let third = try GuestWorld()
      third.once(L2Exit(.io, length: 1, qualification: qualification))
      #expect(try third.enter() == .refused)
      #expect(third.machine.hostCalls.isEmpty)
      #expect(third.machine.l2(.entryInterruptionInformation) == 0x8000_0B0D)
    }
  }

  @Test(
    arguments: [
      (0x1B, true, 0xFEE0_0D00), (0x802, true, 0), (0x1A0, true, 1), (0x6E0, true, 0), (0x8FF, false, 0),
      (0x830, true, 0), (0x832, true, 0x1_0000), (0x80D, true, 1),
      (0xC000_0083, false, 0),
      (0xFFFF_FFFF, false, 0),
    ] as [(UInt64, Bool, UInt64)])
  func anMSRIsReadOrRaisesGeneralProtection(_ msr: UInt64, _ exists: Bool, _ value: UInt64) throws {
    let world = try GuestWorld()
    world.once(L2Exit(.rdmsr, length: 2)) { $0.registers.rcx = msr }
    #expect(try world.enter() == .refused)
    #expect(world.machine.hostCalls.isEmpty)
    if exists {
      #expect(try world.register(0) == value & 0xFFFF_FFFF && world.register(2) == value >> 32)
      #expect(world.machine.l2(.entryInterruptionInformation) == 0)
    } else {
      #expect(world.machine.l2(.entryInterruptionInformation) == 0x8000_0B0D)
      #expect(world.machine.l2(.entryExceptionErrorCode) == 0)
      #expect(try world.rip() == GuestWorld.image + 1)
    }
  }

  // B.1, G.66: an L2 cannot clear NXE; a write that tries is a fault and no field error.
  @Test func eferKeepsNXE() throws {
    for (value, isTaken) in [(0xD01, true), (0xD00, true), (0x501, false), (0x1D01, false), (0xC01, false)]
      as [(UInt64, Bool)]
    {
      let world = try GuestWorld()
      world.once(L2Exit(.wrmsr, length: 2)) {
        $0.registers.rcx = 0xC000_0080
        $0.registers.rax = value
        $0.registers.rdx = 0
      }
      #expect(try world.enter() == .refused)
      #expect((world.machine.l2(.entryInterruptionInformation) == 0) == isTaken)
      #expect(world.machine.l2(.efer) == (isTaken ? value : 0xD01))
    }
  }

  // G.66: LMA and the IA-32e control follow CR0.PG, both before the next entry.
  @Test func longModeFollowsPaging() throws {
    let world = try GuestWorld()
    var deeds: [(UInt64, UInt64)] = [(0x1_0031, 0), (0x8001_0031, 0)]
    var seen: [(UInt64, UInt64, UInt64)] = []
    world.machine.program = { machine, state in
      seen.append((machine.l2(.cr0) >> 31, machine.l2(.efer) >> 10 & 1, machine.l2(.entryControls) >> 9 & 1))
      guard !deeds.isEmpty else { return .exit(L2Exit(.hlt, length: 1)) }
      state.registers.rax = deeds.removeFirst().0
      return .exit(L2Exit(.crAccess, length: 3))
    }
    #expect(try world.enter() == .refused)
    #expect(seen.map(\.0) == [1, 0, 1] && seen.map(\.1) == [1, 0, 1] && seen.map(\.2) == [1, 0, 1])
    // PG without PE, and VMXE, are faults.
    for (value, number) in [(0x8001_0030, 0), (0x2020, 4)] as [(UInt64, UInt64)] {
      let world = try GuestWorld()
      world.once(L2Exit(.crAccess, length: 3, qualification: number)) { $0.registers.rax = value }
      #expect(try world.enter() == .refused)
      #expect(world.machine.l2(.entryInterruptionInformation) == 0x8000_0B0D)
    }
  }

  // B.1, B.6: XCR0 takes what XFAM allows and the manual finds consistent; SDM 1, 13.3.
  @Test(
    arguments: [
      (3, 3, 0, 0x4_0000, 0, 0), (3, 1, 0, 0x4_0000, 0, 0), (3, 7, 0, 0x4_0000, 0, 13),
      (3, 2, 0, 0x4_0000, 0, 13),
      (0x602E7, 5, 0, 0x4_0000, 0, 13), (0x602E7, 0xE7, 0, 0x4_0000, 0, 0),
      (0x602E7, 0x67, 0, 0x4_0000, 0, 13),
      (0x602E7, 0xE3, 0, 0x4_0000, 0, 13), (0x602E7, 0x20003, 0, 0x4_0000, 0, 13),
      (0x602E7, 0x60003, 0, 0x4_0000, 0, 0), (0x602E7, 0x203, 0, 0x4_0000, 0, 0),
      (0x1803, 0x1803, 0, 0x4_0000, 0, 13),
      (3, 3, 1, 0x4_0000, 0, 13), (3, 3, 0, 0, 0, 6), (3, 3, 0, 0x4_0000, 3, 13),
      (3, 1 << 62 | 3, 0, 0x4_0000, 0, 13),
    ] as [(UInt64, UInt64, UInt64, UInt64, UInt8, UInt64)])
  func xsetbvTakesWhatTheTDMayHave(
    _ xfam: UInt64, _ value: UInt64, _ number: UInt64, _ cr4: UInt64, _ cpl: UInt8, _ fault: UInt64
  ) throws {
    let world = try GuestWorld(xfam: xfam)
    world.once(L2Exit(.xsetbv, length: 3, cpl: cpl)) { state in
      _ = world.machine.td.withL2(0, vm: 1) { $0[.cr4] |= cr4 }
      state.registers.rcx = number
      state.registers.rax = value & 0xFFFF_FFFF
      state.registers.rdx = value >> 32
    }
    #expect(try world.enter() == .refused)
    let isTaken = world.machine.steps.contains(.extendedControl(value))
    #expect(isTaken == (fault == 0))
    #expect(world.machine.l2(.entryInterruptionInformation) & 0xFF == fault)
    #expect(try world.rip() == GuestWorld.image + (isTaken ? 4 : 1))
  }

  // Design, "Guest conventions": RIP is behind the TDCALL before the reply; R9's place is never written.
  @Test func aCallGoesToTheRequestLoop() throws {
    let world = try GuestWorld()
    world.once(L2Exit(.tdcall, length: 4)) { state in
      state.registers.rax = 0
      state.registers.rcx = 0xFC00
      for (number, value) in [0x4D53_5653, 0x1_0002, 3, 4, 5, 6].enumerated() {
        state.registers[10 + number] = UInt64(value)
      }
    }
    #expect(try world.enter() == .returned)
    let context = try world.context()
    #expect(world.driver.exitedByCall(context))
    #expect(
      world.driver.callRegisters(context) == CallRegisters(rax: 0x1_0002, rcx: 3, rdx: 4, r8: 5, r9: 6))
    world.driver.write(CallReply(result: 0x8000_0001, rcx: 9), to: context)
    #expect(try world.register(0) == 0 && world.register(10) == 0x8000_0001 && world.register(12) == 9)
    #expect(try world.register(13) == 4 && world.register(14) == 5 && world.register(15) == 6)
    #expect(try world.rip() == GuestWorld.image + 4)
    #expect(try world.enter() == .refused)
    #expect(!world.driver.exitedByCall(context))
  }

  // F.2: what a TD's kernel asks; G.2: unknown leaves.
  @Test func otherCallsHaveTheModulesAnswers() throws {
    func answer(
      _ rax: UInt64, cpl: UInt8 = 0, _ change: @escaping (inout GeneralRegisters) -> Void = { _ in }
    ) throws -> GuestWorld {
      let world = try GuestWorld()
      world.once(L2Exit(.tdcall, length: 4, cpl: cpl)) { state in
        state.registers.rax = rax
        change(&state.registers)
      }
      #expect(try world.enter() == .refused)
      return world
    }
    for leaf in [31, 2, 0x1_0006, 1 << 24, 25, 24, 6] as [UInt64] {
      #expect(try answer(leaf).register(0) == 0xC000_0100_0000_0000)
    }
    let information = try answer(1)
    #expect(try information.register(0) == 0 && information.register(1) == 48)
    #expect(try information.register(2) & 1 << 28 != 0 && information.register(8) == 0x2_0000_0002)
    #expect(try information.register(9) == 0 && information.rip() == GuestWorld.image + 5)
    #expect(try answer(3).register(0) == 0xC000_0704_0000_0000)
    #expect(try answer(8) { $0.rdx = 0x9100_0000_0000_0010 }.register(0) == 0)
    let user = try answer(1, cpl: 3)
    #expect(user.machine.l2(.entryInterruptionInformation) == 0x8000_0B0D)
    #expect(try user.rip() == GuestWorld.image + 1)
    // TDVMCALL of a sub-function that there is not.
    let unknown = try answer(0) { registers in
      registers.r10 = 0
      registers.r11 = 0x10001
    }
    #expect(try unknown.register(0) == 0 && unknown.register(10) == 0x8000_0000_0000_0000)
    #expect(unknown.machine.hostCalls.isEmpty)
  }

  // A page without alias raises #VE in the L2, which can ask what it is about, once.
  @Test func aMissingPageIsAVirtualizationException() throws {
    let world = try GuestWorld()
    var step = 0
    world.machine.program = { machine, state in
      step += 1
      switch step {
      case 1:
        var exit = L2Exit(.eptViolation, length: 0, qualification: 0x182)
        exit.guestAddress = 0x30_0123
        exit.linearAddress = 0x7777
        return .exit(exit)
      case 2, 3:
        if step == 2 { #expect(machine.l2(.entryInterruptionInformation) == 0x8000_0314) }
        if step == 3 { #expect(state.registers[9] == 0x30_0123 && state.registers.rcx == 48) }
        state.registers.rax = 3
        return .exit(L2Exit(.tdcall, length: 4))
      default: return .exit(L2Exit(.hlt, length: 1))
      }
    }
    #expect(try world.enter() == .refused)
    #expect(step == 4)
    #expect(try world.register(0) == 0xC000_0704_0000_0000)
  }

  @Test func aVCPUThatEndsTakesNobodyWithIt() throws {
    for reason in [VMXExitReason.tripleFault, .entryFailureGuestState] {
      let world = try GuestWorld()
      world.once(L2Exit(reason))
      #expect(try world.enter() == .dead)
      let count = world.machine.entries.count
      #expect(try world.enter() == .dead)
      #expect(world.machine.entries.count == count)
      world.machine.program = { _, _ in .exit(L2Exit(.hlt, length: 1)) }
      #expect(try world.enter(1) == .refused)
    }
  }
}
