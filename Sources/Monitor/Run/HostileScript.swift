// HostileScript: the attacks that the monitor plays on demand, each with a name.

/// One kind of hostile host (issue 4 "Hostile host, on demand").
///
/// Its effect lies in the personality; what it needs from the model is an operation that a real host has too.
public struct HostileScript: RawRepresentable, Hashable, Sendable {
  /// The place in `all`.
  public let rawValue: UInt8
  /// The script numbered `rawValue`.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A private page is taken back and given again: its contents are lost.
  public static let remap = HostileScript(rawValue: 0)
  /// Two private pages change places.
  public static let swap = HostileScript(rawValue: 1)
  /// One system page stands behind two guest pages.
  public static let doubleMap = HostileScript(rawValue: 2)
  /// Page-state changes are refused.
  public static let refusePageState = HostileScript(rawValue: 3)
  /// Page-state changes are done halfway and reported as done.
  public static let halfPageState = HostileScript(rawValue: 4)
  /// The answer of the previous exchange is given again.
  public static let replayReply = HostileScript(rawValue: 5)
  /// Answers have random bits changed.
  public static let corruptReply = HostileScript(rawValue: 6)
  /// #VC or #VE that no instruction caused.
  public static let forgeExit = HostileScript(rawValue: 7)
  /// CPUID answers lie.
  public static let lyingCPUID = HostileScript(rawValue: 8)
  /// Interrupts are dropped.
  public static let dropInterrupts = HostileScript(rawValue: 9)
  /// Interrupts are delivered twice.
  public static let duplicateInterrupts = HostileScript(rawValue: 10)
  /// Interrupts or #HV at every exit.
  public static let floodInterrupts = HostileScript(rawValue: 11)
  /// A vCPU is started twice.
  public static let startTwice = HostileScript(rawValue: 12)
  /// Another VMPL runs than was asked for.
  public static let switchOutOfTurn = HostileScript(rawValue: 13)
  /// Guest messages are answered BUSY.
  public static let throttleMessages = HostileScript(rawValue: 14)
  /// One CPU is stalled.
  public static let stallCPU = HostileScript(rawValue: 15)
  /// The IGVM parameters lie.
  public static let lyingParameters = HostileScript(rawValue: 16)
  /// Any of the above, chosen anew at random moments by the seed.
  public static let random = HostileScript(rawValue: 17)

  /// Every script.
  public static let all: [HostileScript] = (0...17).map { HostileScript(rawValue: $0) }

  /// Whether it takes pages that the guest holds.
  var takesMemory: Bool {
    switch self {
    case .remap, .swap, .doubleMap, .halfPageState: true
    default: false
    }
  }

  /// Whether its chances are single requests of a guest, not every exit or exchange.
  var comesRarely: Bool {
    switch self {
    case .refusePageState, .halfPageState, .lyingCPUID, .dropInterrupts, .throttleMessages: true
    default: false
    }
  }

  /// What `script` lies about in the parameters: one to four of the four lies, by the seed.
  public static func lies(_ script: HostileScript?, seed: UInt64) -> ParameterLies {
    guard script == .lyingParameters || script == .random && seed & 1 == 1 else { return [] }
    return ParameterLies(rawValue: UInt8(truncatingIfNeeded: seed % 15) &+ 1)
  }

  /// The name on the command line.
  public var name: String {
    switch rawValue {
    case 0: "remap"
    case 1: "swap"
    case 2: "double-map"
    case 3: "refuse-page-state"
    case 4: "half-page-state"
    case 5: "replay-reply"
    case 6: "corrupt-reply"
    case 7: "forge-exit"
    case 8: "lying-cpuid"
    case 9: "drop-interrupts"
    case 10: "duplicate-interrupts"
    case 11: "flood-interrupts"
    case 12: "start-twice"
    case 13: "switch-out-of-turn"
    case 14: "throttle-messages"
    case 15: "stall-cpu"
    case 16: "lying-parameters"
    case 17: "random"
    default: "unknown"
    }
  }
}
