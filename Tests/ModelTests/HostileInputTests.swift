// HostileInputTests: nothing that a guest or host writes makes a model trap or run without bound.

import Model
import SNP
import TDX
import TestSupport
import Testing

@Suite struct HostileInputTests {
  @Test func randomGHCBsAndMSRsAreAlwaysAnswered() {
    for seed in RunLength.seeds("GHCB") {
      var random = SeededRandom(seed: seed)
      let machine = SNPTestMachine()
      let page = SystemPage(rawValue: SNPTestMachine.ghcb)
      let events: [UInt64] = [
        0x27, 0x37, 0x6E, 0x72, 0x76, 0x7B, 0x7C, 0x81, 0x8A, 0x8000_0001, 0x8000_0004, 0x8000_0010,
        0x8000_0011, 0x8000_0012, 0x8000_0013, 0x8000_0014, 0x8000_0015, 0x8000_0017, 0x8000_0018,
        0x8000_FFFD, 0x8000_FFFE, 0x8000_FFFF,
      ]
      var answers = 0
      let count = RunLength.scaled(200_000)
      for _ in 0..<count {
        func word() -> UInt64 {
          switch random.below(4) {
          case 0: UInt64(random.below(2048)) << 12
          case 1: UInt64(random.below(16))
          case 2: random.next()
          default: UInt64(random.below(2048)) << 12 | UInt64(random.below(4096))
          }
        }
        // The guest may have made its own GHCB private; give it back so that the run stays deep.
        if !machine.hostMayWrite(SNPTestMachine.ghcb) { _ = machine.release(SNPTestMachine.ghcb) }
        if machine.machine.vcpus[0].next == nil {
          machine.machine.offerVMSA(GuestPage(rawValue: 40), vcpu: 0, vmpl: .vmpl0)
        }
        _ = machine.machine.hostSwitch(0, to: .vmpl0)
        machine.register(SNPTestMachine.ghcb)
        for offset in [0x800, 0x808, 0x810, 0x818] { machine.memory.store(page, offset, word()) }
        let answer = machine.nae(
          random.chance(90) ? random.pick(events) : random.next(), info1: word(), info2: word(),
          rax: word(), rbx: UInt64(random.below(8)),
          scratch: random.chance(70) ? SNPTestMachine.ghcb << 12 | 0x800 : word())
        if answer.action == .answered, machine.hostMayWrite(SNPTestMachine.ghcb),
          machine.machine.vcpus[0].next != nil
        {
          answers += 1
          #expect(answer.info1 == 0 || answer.info1 == 2, "no answer for \(answer)")
        }
        _ = machine.msr(random.chance(50) ? word() | UInt64(random.below(0x101)) : random.next())
        _ = machine.run(VMPL(rawValue: UInt8(random.below(5))), vcpu: random.below(3))
        for vcpu in 0..<2 { machine.exit(vcpu: vcpu) }
        // Whatever was asked for, the launched pages still belong to the guest or are lost to it.
        for number in [0, 5, 40] as [UInt64] where machine.hostMayWrite(number) {
          #expect(machine.entry(number)?.isValidated == false)
        }
      }
      #expect(answers > count / 4, "the run was not deep: \(answers) of \(count)")
    }
  }

  @Test func randomTDCALLsAreAlwaysAnswered() {
    for seed in RunLength.seeds("TDCALL") {
      var random = SeededRandom(seed: seed)
      let machine = TDTestMachine(l2Count: 3, translationCapacity: 8)
      for _ in 0..<RunLength.scaled(500_000) {
        let vcpu = random.below(4)
        func word() -> UInt64 {
          switch random.below(5) {
          case 0: UInt64(random.below(64)) << 12
          case 1: UInt64(random.below(64)) << 12 | UInt64(random.below(4)) << 52
          case 2: random.next()
          case 3: 0x2420_0003_0000_2012 &+ UInt64(random.below(0x5000)) | UInt64(random.below(3)) << 59
          default: UInt64(1) << UInt64(random.below(64))
          }
        }
        let leaf = random.chance(95) ? UInt64(random.below(31)) : random.next()
        let outcome = machine.call(
          leaf, rcx: random.chance(40) ? 0 : word(), rdx: word(), r8: word(), r9: word(), vcpu: vcpu,
          isInterruptPending: random.chance(5))
        switch outcome {
        case .exited, .exitedAfter: machine.enter(vcpu)
        case .enteredL2:
          let reason = VMXExitReason(rawValue: UInt32(random.below(78)))
          _ = machine.exitL2(L2Exit(reason), vcpu: vcpu) { $0.registers.rcx = word() }
          machine.enter(vcpu, rcx: TrustDomain.resumeL1Flag)
          if case .running(let vm) = machine.td.vcpus[vcpu].mode, vm > 0 {
            _ = machine.exitL2(L2Exit(.cpuid), vcpu: vcpu)
          }
        case .completed:
          // A status is never one that only the host may see (A.2: 10b and 11b, or no error).
          let status = TDXStatus(rawValue: machine.registers.rax)
          #expect(status.rawValue >> 62 != 1, "\(leaf): \(status)")
        case .raised, .interrupted: break
        }
        if machine.td.vcpus[vcpu].mode == .out { machine.enter(vcpu) }
      }
    }
  }
}
