// TDXMachine+Run: from an exit to the next entry.

import Bits
import Model
import SNP
import Seams
import TDX

extension TDXMachine {
  /// The first step of a CPU, and the one after a halt.
  public func next(_ cpu: Int) -> NextStep {
    guard cpu < processors.count else { return .wait(until: nil) }
    let now = hardware.timeStamp()
    if !hasRun { startTime = now }
    hasRun = true
    guard let delay = options.schedule.firstEntry(cpu) else { return .wait(until: nil) }
    let start = startTime &+ options.ticksPerSecond / 1_000_000 &* delay
    if now < start { return .wait(until: start) }
    processors[cpu].clock.exited(now)
    return resume(cpu)
  }

  /// The step after an exit.
  public func exited(_ index: Int) -> NextStep {
    processors[index].clock.exited(hardware.timeStamp())
    processors[index].exitCount &+= 1
    let vm = domain.vcpus[index].currentVM
    settleOffer(index, vm)
    // CR8 is V_TPR while a guest runs (APM 2, 15.21.1).
    let virtual = UInt8(truncatingIfNeeded: cpu(index, vm: vm)[VMCB.virtualInterrupt] & 15)
    if vm == 0, virtual != processors[index].interrupts.taskPriority >> 4 {
      processors[index].interrupts.taskPriority = virtual << 4
    }
    if options.measuresFloor, vm == 0 { measureFloor(index) }
    if vm == 0 { exitedL1(index) } else { exitedL2(index, vm) }
    checkBreaches(index)
    return resume(index)
  }

  /// What an exit costs without us: the guest's CPUID exits again and again, and nobody deals with it.
  private func measureFloor(_ index: Int) {
    let cpu = cpu(index)
    guard !hasMeasuredFloor, cpu[VMCB.exitCode] & 0xFFFF_FFFF == SVMExitCode.cpuid.rawValue else { return }
    hasMeasuredFloor = true
    let count: UInt64 = 10_000
    var best = UInt64.max
    for _ in 0..<5 {
      let start = hardware.timeStamp()
      for _ in 0..<count { hardware.run(cpu: index, vmcb: cpu.vmcbPage, registers: cpu.registersPage) }
      best = min(best, hardware.timeStamp() &- start)
    }
    hardware.write("monitor: nanoseconds of a bare exit ")
    hardware.write(decimal: best &* 1000 / max(1, options.ticksPerSecond / 1_000_000) / count)
    hardware.endLine()
  }

  /// Brings a vCPU back into the TD and prepares its VMRUN, or says what it waits for.
  private func resume(_ index: Int) -> NextStep {
    if let step = play(index) { return step }
    if let vector = processors[index].timer.expire(now: guestTime(index)) {
      post(vector, to: index, from: index)
    }
    if processors[index].isStopped { return pause(index) }
    if let call = processors[index].pendingCall {
      switch call {
      case .halt(let isBlocked, let registers):
        guard !isBlocked, processors[index].interrupts.deliverable != nil else { return pause(index) }
        processors[index].pendingCall = nil
        processors[index].answer = registers
      case .mapGPA: continueMapGPA(index)
      }
    }
    if case .out = domain.vcpus[index].mode { enter(index) }
    return prepare(index)
  }

  /// Converts pages until all are done, giving the other vCPUs the time to leave the TD.
  private func continueMapGPA(_ index: Int) {
    var round = 0
    while case .mapGPA(let call, let registers) = processors[index].pendingCall {
      if round & 63 == 0 {
        for other in 0..<processors.count where other != index { hardware.kick(other) }
      }
      round &+= 1
      hardware.unlock()
      for _ in 0..<32 { hardware.pause() }
      hardware.lock()
      // Asking again costs more than waiting.
      if !domain.isTracked, round & 63 != 0 { continue }
      processors[index].pendingCall = nil
      hostCall(index, call, registers)
    }
  }

  private func pause(_ index: Int) -> NextStep {
    account(index)
    processors[index].alarm = nil
    return .wait(until: nextDeadline(index))
  }

  /// TDH.VP.ENTER with what the host answers.
  private func enter(_ index: Int) {
    var answer = processors[index].answer ?? GeneralRegisters()
    processors[index].answer = nil
    answer.rax = 0
    let before = domain.vcpus[index].currentVM
    answer.rcx = processors[index].resumesL1 && before > 0 ? TrustDomain.resumeL1Flag : 0
    processors[index].resumesL1 = false
    switch domain.enterFromHost(index, answer, stack: cpu(index)[VMCB.rsp], &hardware) {
    case .refused: stop(.panic, index, "the module refused TDH.VP.ENTER")
    case .running(let vm, let registers):
      if vm == 0, before > 0 { leaveVMCB(index, before) }
      guard let registers else { return }
      var cpu = cpu(index, vm: vm)
      cpu.registers = registers
    }
  }

  /// Time that the monitor took is not the guest's.
  func account(_ index: Int) { processors[index].clock.account(hardware.timeStamp()) }

  /// The time-stamp counter as the guest sees it.
  func guestTime(_ index: Int) -> UInt64 { processors[index].clock.guestTime(hardware.timeStamp()) }

  /// Events, interrupts and time of the entry.
  private func prepare(_ index: Int) -> NextStep {
    var vm = domain.vcpus[index].currentVM
    restoreShadow(index, vm)
    if vm > 0, !prepareL2(index, vm) {
      vm = 0
      restoreShadow(index, vm)
    }
    var cpu = cpu(index, vm: vm)
    if vm == 0 {
      if processors[index].nmi.isOpen(cpu), processors[index].isNMIPending {
        processors[index].isNMIPending = false
        processors[index].nmi.inject(&cpu)
      }
      let vector = processors[index].interrupts.deliverable
      let priority = UInt64(processors[index].interrupts.taskPriority >> 4)
      if processors[index].offer.prepare(&cpu, priority: priority, vector: vector), let vector {
        processors[index].interrupts.offer(vector)
      }
    }
    setAlarm(index)
    account(index)
    cpu[VMCB.tscOffset] = 0 &- processors[index].clock.offset
    return .run(vmcb: cpu.vmcbPage, registers: cpu.registersPage)
  }

  private func restoreShadow(_ index: Int, _ vm: Int) {
    var cpu = cpu(index, vm: vm)
    cpu.restoreShadow(words, markBit: domain.configuration.sharedMask)
  }

  /// When something of a vCPU's is due, in physical ticks.
  func nextDeadline(_ index: Int) -> UInt64? {
    var first = processors[index].timer.deadline.map { $0 &+ processors[index].clock.offset } ?? .max
    first = min(first, host.limit ?? .max)
    let vm = domain.vcpus[index].currentVM
    // An L2's deadline counts while the L2 runs, not while the host has the vCPU.
    if vm > 0, domain.vcpus[index].mode == .running(vm: vm) {
      let due = domain.vcpus[index].l2[vm - 1].tscDeadline
      if due != .max { first = min(first, due &+ processors[index].clock.offset) }
    }
    return first == .max ? nil : first
  }

  /// A guest that computes must be interrupted when its time is up.
  private func setAlarm(_ index: Int) {
    let deadline = nextDeadline(index)
    guard deadline != processors[index].alarm else { return }
    processors[index].alarm = deadline
    hardware.setAlarm(deadline)
  }

  /// Makes `vector` wait for vCPU `target`, and sees to it that the vCPU notices.
  func post(_ vector: UInt8, to target: Int, from index: Int) {
    guard target < processors.count, !host.strikes(.dropInterrupts) else { return }
    processors[target].lastVector = vector
    guard processors[target].interrupts.post(vector) else { return }
    if target != index { hardware.kick(target) }
  }

  /// The exception that the model wants the vCPU to take in VM `vm`.
  func raise(_ index: Int, _ exception: TDException, vm: Int = 0) {
    var cpu = cpu(index, vm: vm)
    switch exception {
    case .invalidOpcode: cpu.inject(vector: 6, type: 3)
    case .generalProtection: cpu.inject(vector: 13, type: 3, errorCode: 0)
    case .doubleFault: cpu.inject(vector: 8, type: 3, errorCode: 0)
    case .virtualization: cpu.inject(vector: VEInfo.vector, type: 3)
    case .pageFault(let errorCode, let linearAddress):
      cpu[VMCB.cr2] = linearAddress
      cpu.inject(vector: 14, type: 3, errorCode: errorCode)
    }
  }

  /// What follows a fault that the model answered.
  func carryOut(_ index: Int, _ fault: TDFault) {
    switch fault {
    case .raise(let exception): raise(index, exception)
    case .exit(let exit): hostExit(index, exit)
    }
  }
}
