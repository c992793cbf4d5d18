// RunEnding: how a run ended, and what that means under an honest and under a hostile host.

public import Seams

/// The end of a run.
public enum RunEnding: Equatable, Sendable {
  /// The guest gave its verdict.
  case verdict(Verdict)
  /// The guest switched itself off.
  case poweredOff
  /// The guest asked to be ended: GHCB termination, ReportFatalError.
  case terminated
  /// The hardware stopped an access, or the entry of a vCPU, that the host had made impossible.
  case denied
  /// The guest still ran, or waited, when the time was over: a host can always refuse service.
  case stillRunning
  /// A rule of the model was broken.
  case breach
  /// Triple fault, or an exit that no guest of ours should cause.
  case crashed

  /// Whether a guest may end so under a hostile host.
  public var isDefined: Bool {
    switch self {
    case .verdict(let verdict): verdict != .violation
    case .poweredOff, .terminated, .denied, .stillRunning: true
    case .breach, .crashed: false
    }
  }

  /// The byte for the verdict port; a hostile host's run passes if the guest ended in a defined way and leaked nothing.
  public func verdict(isHostile: Bool, isLeaked: Bool) -> Verdict {
    if isLeaked { return .violation }
    switch self {
    case .verdict(let verdict): return isHostile && isDefined ? .pass : verdict
    case .poweredOff: return .pass
    case .terminated, .crashed: return isHostile && isDefined ? .pass : .panic
    case .denied: return isHostile ? .pass : .violation
    case .stillRunning: return isHostile ? .pass : .fail
    case .breach: return .violation
    }
  }

  /// A few words for the report.
  public var description: String {
    switch self {
    case .verdict(.pass): "the guest passed"
    case .verdict(.panic): "the guest gave up with a report"
    case .verdict: "the guest failed its tests"
    case .poweredOff: "the guest switched itself off"
    case .terminated: "the guest ended itself"
    case .denied: "the hardware stopped an access"
    case .stillRunning: "the guest still ran when its time was over"
    case .breach: "a rule of the model was broken"
    case .crashed: "it ended in no defined way"
    }
  }
}

/// A triple fault is the guest's own defect, unless the host has left it nothing to take an exception with: no IDT yet, or
/// pages that are gone.
func tripleFaultEnding(_ cpu: borrowing some CPUState & ~Copyable, _ host: HostileHost) -> RunEnding {
  guard host.script != nil else { return .crashed }
  return host.hasTakenMemory || cpu.segment(VMCB.idtr).base == 0 ? .denied : .crashed
}

extension MonitorHardware {
  /// Reports where a vCPU stood when its run ended: `world` names what `number` counts, a VM or a VMPL.
  func report(
    _ reason: String, vcpu: Int, _ world: String, _ number: UInt64, _ cpu: borrowing PageCPU<Self>
  ) {
    write("monitor: ")
    write(reason)
    write(": vcpu ")
    write(decimal: UInt64(vcpu))
    write(world)
    write(decimal: number)
    write(" rip ")
    write(hex: cpu[VMCB.rip])
    write(" exit ")
    write(hex: cpu[VMCB.exitCode])
    write(" info ")
    write(hex: cpu[VMCB.exitInfo1])
    write(" ")
    write(hex: cpu[VMCB.exitInfo2])
    endLine()
  }

  /// Reports what a hostile host did and how it went, and ends the machine; `leak` is where a secret lies, bytes.
  func conclude(_ ending: RunEnding, _ host: HostileHost, leak: UInt64?) -> Never {
    if let leak {
      write("monitor: violation: a secret lies in shared memory at ")
      write(hex: leak)
      endLine()
    }
    if let script = host.script {
      write("monitor: hostile ")
      write(script.name)
      write(" seed ")
      write(decimal: host.seed)
      write(" struck ")
      write(decimal: host.strikeCount)
      write(": ")
      write(ending.isDefined ? "defined end: " : "UNDEFINED END: ")
      write(ending.description)
      line(leak == nil ? "; no secret in shared memory" : "; A SECRET IS IN SHARED MEMORY")
    }
    end(ending.verdict(isHostile: host.script != nil, isLeaked: leak != nil))
  }
}
