// ProcessorCaller: starts and stops the kernel's other CPUs by GHCB AP creation, and kicks them by #HV.
import SNP
public import Seams
public import X86

/// AP creation for the CPUs of a list: INIT prepares a CPU's VMSA, start-up offers it to the host.
///
/// The boot CPU calls; kicks come from every CPU.
public final class ProcessorCaller<Hardware: SNPHardware>: StartCaller, Waker, @unchecked Sendable {
  private enum Step: UInt8 {
    case none, ready, offered, withdrawn
  }
  private let ghcb: GHCB<Hardware>
  private let list: ProcessorList
  private let features: SEVFeatures
  private let first: Frame
  private var steps = InlineArray<120, UInt8>(repeating: 0)

  /// A caller of the CPUs in `list` whose VMSAs lie from `first` on.
  init(_ ghcb: GHCB<Hardware>, list: ProcessorList, features: SEVFeatures, first: Frame) {
    self.ghcb = ghcb
    self.list = list
    self.features = features
    self.first = first
  }

  /// The page of a CPU's VMSA among `first` and as many more as there are CPUs: one on a 2 MiB boundary is left out,
  /// because hosts refuse it (reference B.1.2).
  public static func statePage(of cpu: CPUIndex, first: Frame) -> PhysicalAddress {
    let firstAligned = (first.number &+ 511) & ~511
    let number = first.number &+ UInt64(cpu.rawValue)
    return Frame(number: number >= firstAligned ? number &+ 1 : number).start
  }

  /// Writes the VMSA of `cpu`.
  func prepare(
    _ cpu: CPUIndex, _ registers: StartRegisters, virtualTOM: UInt64, memory: some PhysicalMemory
  ) {
    guard cpu.rawValue < UInt32(truncatingIfNeeded: steps.count) else { return }
    let page = Self.statePage(of: cpu, first: first)
    ProcessorState.write(registers, features: features, virtualTOM: virtualTOM, to: page, memory: memory)
    steps[Int(cpu.rawValue)] = Step.none.rawValue
  }

  private func step(of cpu: CPUIndex) -> Step? {
    guard cpu.rawValue < UInt32(truncatingIfNeeded: steps.count) else { return nil }
    return Step(rawValue: steps[Int(cpu.rawValue)])
  }

  private func set(_ cpu: CPUIndex, _ step: Step) { steps[Int(cpu.rawValue)] = step.rawValue }

  // The VMSA bit needs a target below VMPL0; it gets no rights (reference B.1.2, "Making a VMSA page").
  private func mark(_ cpu: CPUIndex, isVMSA: Bool) -> Bool {
    let page = Self.statePage(of: cpu, first: first)
    let operand = RMPAdjustOperand(target: .vmpl1, permissions: .none, isVMSA: isVMSA)
    return ghcb.hardware.rmpadjust(page, .size4K, operand) == .success
  }

  private func create(_ cpu: CPUIndex, _ operation: APCreation.Operation) -> Bool {
    guard let id = list[cpu] else { return false }
    var request = GHCBRequest(
      .apCreation, info1: APCreation(operation, vmpl: .vmpl0, apicID: id.rawValue).rawValue,
      info2: Self.statePage(of: cpu, first: first).rawValue)
    if operation != .destroy { request.rax = features.rawValue }
    return (try? ghcb.perform(request)) != nil
  }

  /// Makes the prepared page a VMSA.
  public func sendInit(_ cpu: CPUIndex) {
    if step(of: cpu) == Step.none, mark(cpu, isVMSA: true) { set(cpu, .ready) }
  }

  /// Offers the VMSA to the host, once.
  public func sendStartUp(_ cpu: CPUIndex) {
    if step(of: cpu) == .ready, create(cpu, .create) { set(cpu, .offered) }
  }

  /// Takes the VMSA back: the host is told, and the page is one no longer unless the CPU runs on it.
  public func withdraw(_ cpu: CPUIndex) {
    guard let now = step(of: cpu), now == .ready || now == .offered else { return }
    if now == .offered { _ = create(cpu, .destroy) }
    _ = mark(cpu, isVMSA: false)
    set(cpu, .withdrawn)
  }

  /// A fixed interrupt by NAE event HV_IPI, which becomes #HV at the target.
  public func kick(_ cpu: CPUIndex) {
    guard let id = list[cpu] else { return }
    let command = UInt64(id.rawValue) << 32 | 0x4000 | UInt64(Vector.kick)
    _ = try? ghcb.perform(GHCBRequest(.hvIPI, info1: command))
  }
}
