// TDXMachine+Call: TDCALL, and the host's answers to the calls that reach it.

import Bits
import Model
import Seams
import TDX

extension TDXMachine {
  /// TDCALL by L1.
  func tdcall(_ index: Int) {
    var cpu = cpu(index)
    var registers = cpu.registers
    let interrupts = processors[index].interrupts
    domain.setL1Interrupt(
      vcpu: index, requested: interrupts.requested.highest ?? 0, priority: interrupts.processorPriority)
    let context = TDCallContext(
      vcpu: index, is64Bit: cpu.codeSize == .bits64, cpl: cpu.cpl,
      isInterruptPending: interrupts.deliverable != nil && cpu[VMCB.rflags].bit(9),
      timeStamp: guestTime(index))
    let leaf = TDGLeaf(rawValue: UInt16(truncatingIfNeeded: registers.rax))
    let operand = PageOperandWord(registers.rcx)
    switch domain.tdcall(context, &registers, &hardware) {
    case .completed:
      cpu.registers = registers
      cpu.skip(TDGLeaf.instructionLength)
      if registers.rax >> 32 == 0 { follow(leaf, operand) }
    case .interrupted: cpu.registers = registers
    case .raised(let exception): raise(index, exception)
    case .exited(let exit): hostExit(index, exit)
    case .exitedAfter(let exit):
      cpu.skip(TDGLeaf.instructionLength)
      hostCall(index, exit.registers)
    case .enteredL2(let vm, let state):
      cpu.skip(TDGLeaf.instructionLength)
      enterL2(index, vm, state)
    }
  }

  /// Changes the tables where a leaf has changed the model.
  private func follow(_ leaf: TDGLeaf, _ operand: PageOperandWord) {
    guard leaf == .pageAccept || leaf == .pageAttrWrite else { return }
    for vm in 0..<tables.count { mapPrivate(operand.page, vm: vm) }
  }

  /// A TDVMCALL as the host sees it.
  func hostCall(_ index: Int, _ registers: GeneralRegisters) {
    do throws(TDHostCallRefusal) {
      let call = try TDHostCall(registers, domain.configuration)
      scanRegisters(registers)
      if !refuses(index, call, registers) { hostCall(index, call, registers) }
      distort(index, call)
    } catch {
      guard case .status(let status) = error else { return }
      answer(index, registers, status)
    }
  }

  /// Ends a host call with `status` in R10 and, if given, a result in R11.
  func answer(
    _ index: Int, _ registers: GeneralRegisters, _ status: TDVMCALLStatus, _ result: UInt64? = nil
  ) {
    var registers = registers
    registers.r10 = status.rawValue
    if let result { registers.r11 = result }
    processors[index].answer = registers
  }

  /// Performs a decoded call as an honest host (tdx.md C.2).
  func hostCall(_ index: Int, _ call: TDHostCall, _ registers: GeneralRegisters) {
    switch call {
    case .getInfo:
      var answer = registers
      answer.r10 = 0
      answer.r11 = 0
      answer.r12 = 0
      answer.r13 = 0
      answer.r14 = 0
      processors[index].answer = answer
    case .mapGPA(let address, let byteCount, let isShared):
      mapGPA(index, call, registers, address: address, byteCount: byteCount, isShared: isShared)
    case .getQuote(let address, _):
      // No quoting service: status 0x8000000000000001 at offset 8 of the buffer (tdx.md C.3).
      let page = GuestPage(containing: address & ~domain.configuration.sharedMask)
      if case .page(let system) = domain.shared[page] {
        hardware.store(system, 8, 0x8000_0000_0000_0001)
      }
      answer(index, registers, .success)
    case .fatalError(let code, _): fatalError(index, code, registers)
    case .notifyInterrupt, .wbinvd: answer(index, registers, .success)
    case .cpuid(let leaf, let subleaf): answer(index, registers, hostCPUID(index, leaf, subleaf))
    case .hlt(let isBlocked):
      var answer = registers
      answer.r10 = 0
      processors[index].pendingCall = .halt(isBlocked: isBlocked, answer)
    case .portRead(let port, let byteCount):
      answer(index, registers, .success, UInt64(Ports.read(port, byteCount, hardware)))
    case .portWrite(let port, let byteCount, let value):
      if let ending = DevicePolicy.ending(port: port, value) { conclude(ending) }
      Ports.write(port, byteCount, value, hardware)
      answer(index, registers, .success)
    case .rdmsr(let number):
      if let value = readHostMSR(index, number) {
        answer(index, registers, .success, value)
      } else {
        answer(index, registers, .invalidOperand)
      }
    case .wrmsr(let number, let value):
      answer(index, registers, writeHostMSR(index, number, value) ? .success : .invalidOperand)
    case .mmioRead: answer(index, registers, .success, .max)
    case .mmioWrite: answer(index, registers, .success)
    case .vendor: answer(index, registers, .invalidOperand)
    }
  }

  private func answer(_ index: Int, _ registers: GeneralRegisters, _ words: CPUIDAnswer) {
    var registers = registers
    registers.r10 = 0
    registers.r12 = UInt64(words.eax)
    registers.r13 = UInt64(words.ebx)
    registers.r14 = UInt64(words.ecx)
    registers.r15 = UInt64(words.edx)
    processors[index].answer = registers
  }

  private func hostCPUID(_ index: Int, _ leaf: UInt32, _ subleaf: UInt32) -> CPUIDAnswer {
    // No paravirtual interface: the hypervisor leaves are there and empty.
    if leaf >> 28 == 4 { return CPUIDAnswer(leaf == 0x4000_0000 ? leaf : 0, 0, 0, 0) }
    var words = platformCPUID(index, leaf, subleaf)
    // The x2APIC identifier.
    if leaf == 0xB || leaf == 0x1F { words.edx = apicID(index) }
    return words
  }

  /// Converts pages; other vCPUs have to leave the TD once before a private page may go.
  private func mapGPA(
    _ index: Int, _ call: TDHostCall, _ registers: GeneralRegisters, address: UInt64,
    byteCount: UInt64, isShared: Bool
  ) {
    let layout = memory
    let result = domain.mapGPA(address: address, byteCount: byteCount, isShared: isShared) { page in
      layout.isOrdinary(page) ? layout[page] : nil
    }
    var converted = byteCount
    if case .retry(let from) = result { converted = from &- address }
    if case .failed(let at) = result { converted = at &- address }
    let first = GuestPage(containing: address)
    for offset in 0..<min(converted >> 12, UInt64(TrustDomain.mapGPAPageLimit)) {
      let page = first.advanced(by: offset)
      if !isShared { scanShared(page) }
      // Contents are lost in both directions: the storage is the same, so it is wiped.
      if isShared, let system = memory[page], domain.sept.leaf(page) == nil { hardware.zero(system) }
      apply(page)
    }
    let mark = isShared ? domain.configuration.sharedMask : 0
    switch result {
    case .done: answer(index, registers, .success)
    case .failed(let at): answer(index, registers, .invalidOperand, at | mark)
    case .retry(let from):
      if converted >> 12 >= UInt64(TrustDomain.mapGPAPageLimit) {
        answer(index, registers, .retry, from | mark)
      } else {
        processors[index].pendingCall = .mapGPA(
          .mapGPA(address: from, byteCount: byteCount &- converted, isShared: isShared), registers)
      }
    }
  }

  /// ReportFatalError: the text, if any, then the end (tdx.md C.2).
  private func fatalError(_ index: Int, _ code: UInt64, _ registers: GeneralRegisters) {
    hardware.write("monitor: the guest reports a fatal error, code ")
    hardware.write(hex: code)
    hardware.write(" ")
    for value in [
      registers.r14, registers.r15, registers.rbx, registers.rdi, registers.rsi, registers.r8,
      registers.r9, registers.rdx,
    ] {
      for byte in 0..<8 {
        let character = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
        if character >= 0x20, character < 0x7F { hardware.write(character) }
      }
    }
    hardware.endLine()
    stop(.panic, index, "fatal error", .terminated)
  }
}

/// The page that RCX of ACCEPT and ATTR.WR names.
struct PageOperandWord {
  let page: GuestPage
  init(_ rcx: UInt64) { page = GuestPage(containing: rcx & 0x000F_FFFF_FFFF_F000) }
}
