// StartMailbox: how a CPU is called, and the one word by which both sides agree whether it may join.
public import X86

/// The states of a CPU's start record; each change is one compare-exchange, so that exactly one side wins.
///
/// ```
///            boot CPU                    the CPU itself
/// empty ──────────────▶ go ─────────────────────▶ started ──────────▶ online
///                        │  boot, limit passed       │ boot, limit passed
///                        ▼                           ▼
///                     revoked                     expelled
/// ```
/// A CPU that loses parks for ever on a page that never changes. Before `started` it has touched nothing but its
/// mailbox; before `online` nothing but what was set aside for it, which is never taken back.
public struct StartState: Equatable, Sendable, RawRepresentable {
  /// The word in the mailbox.
  public let rawValue: UInt32
  /// The state with that word.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The CPU was not called.
  public static let empty = Self(rawValue: 0)
  /// The CPU may start.
  public static let go = Self(rawValue: 1)
  /// The CPU has taken the call and is setting itself up.
  public static let started = Self(rawValue: 2)
  /// The CPU runs the kernel.
  public static let online = Self(rawValue: 3)
  /// The call was taken back: a CPU that comes now parks.
  public static let revoked = Self(rawValue: 4)
  /// The CPU took the call but did not get through: if it ever does, it parks.
  public static let expelled = Self(rawValue: 5)
}

/// The mailbox that start records lie in.
public protocol StartMailbox {
  /// The state of `cpu`.
  func state(of cpu: CPUIndex) -> StartState
  /// Changes the state of `cpu` if it is `expected`; says what it was.
  func exchange(_ cpu: CPUIndex, expected: StartState, with desired: StartState) -> StartState
  /// Whether `cpu` came too late and has parked.
  func hasParked(_ cpu: CPUIndex) -> Bool
}

/// How a platform's other CPUs begin.
public enum StartMode: Sendable {
  /// In a page of code: below 1 MiB, where INIT and start-up lead, or in the image, where CPUs wait.
  case page
  /// In the kernel's own address space, with registers that the platform is given (SNP: a VMSA).
  case registers
}

/// The registers that a CPU begins with under `StartMode.registers`, interrupts off.
public struct StartRegisters: Equatable, Sendable {
  /// The first instruction.
  public var rip: UInt64 = 0
  /// The stack.
  public var rsp: UInt64 = 0
  /// The first argument: the CPU's start record.
  public var rdi: UInt64 = 0
  /// CR0.
  public var cr0: UInt64 = 0
  /// CR3, privacy bits included.
  public var cr3: UInt64 = 0
  /// CR4.
  public var cr4: UInt64 = 0
  /// EFER.
  public var efer: UInt64 = 0
  /// GS base, the CPU's block.
  public var gsBase: UInt64 = 0
  /// Base and limit of the GDT; the selectors are those of `Selector`.
  public var gdt: (base: UInt64, limit: UInt32) = (0, 0)
  /// Base and limit of the IDT.
  public var idt: (base: UInt64, limit: UInt32) = (0, 0)
  /// Base and limit of the task state segment.
  public var taskState: (base: UInt64, limit: UInt32) = (0, 0)
  /// All zero.
  public init() {}

  /// Field by field.
  public static func == (left: Self, right: Self) -> Bool {
    left.rip == right.rip && left.rsp == right.rsp && left.rdi == right.rdi && left.cr0 == right.cr0
      && left.cr3 == right.cr3 && left.cr4 == right.cr4 && left.efer == right.efer
      && left.gsBase == right.gsBase && left.gdt == right.gdt && left.idt == right.idt
      && left.taskState == right.taskState
  }
}

/// What the kernel has set aside for the start of the other CPUs.
public struct StartPlace {
  /// Page: the one with the code.
  ///
  /// Registers: the first of as many neighbouring pages as there are CPUs, and one
  /// more, for what the platform must keep of each CPU.
  public let page: Frame
  /// Registers: what each CPU begins with; nil for one that has nothing set aside.
  public let registers: (CPUIndex) -> StartRegisters?
  /// A place.
  public init(page: Frame, registers: @escaping (CPUIndex) -> StartRegisters? = { _ in nil }) {
    self.page = page
    self.registers = registers
  }
}

/// How the boot CPU calls another one.
public protocol StartCaller {
  /// Whether a CPU must be called; false where all wait on their records by themselves.
  static var calls: Bool { get }
  /// INIT to `cpu`.
  func sendInit(_ cpu: CPUIndex)
  /// Start-up to `cpu`, at the trampoline.
  func sendStartUp(_ cpu: CPUIndex)
  /// Takes the call back: `cpu` was revoked or expelled.
  func withdraw(_ cpu: CPUIndex)
}

extension StartCaller {
  /// Nothing to take back.
  public func withdraw(_ cpu: CPUIndex) {}
}

extension StartCaller {
  /// A CPU must be called.
  public static var calls: Bool { true }
}
