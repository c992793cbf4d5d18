// CommandTable: every offered command with its handles, authorizations and flags.

/// What a handle of a command may be (Part 3 tables; TPMI types of Part 2 §9).
enum HandleKind: UInt8 {
  case object
  case objectOrNull
  case parent
  case hierarchy
  case baseHierarchy
  case clear
  case hierarchyAuth
  case hierarchyPolicy
  case lockout
  case endorsement
  case platform
  case provision
  case nvAuth
  case nvIndex
  case pcr
  case pcrOrNull
  case entity
  case entityOrNull
  case policySession
  case hmacSession
  case context
}

/// The authorization a handle needs (Part 1 §19.2).
enum Role: UInt8 {
  case none
  case user
  case admin
  case duplicate
}

/// One command's row.
struct CommandInfo {
  var code: UInt32
  var handles: InlineArray<3, HandleKind> = [.object, .object, .object]
  var roles: InlineArray<3, Role> = [.none, .none, .none]
  var handleCount = 0
  var flags: Flags = []

  struct Flags: OptionSet {
    let rawValue: UInt8
    static let nv = Flags(rawValue: 1)
    static let extensive = Flags(rawValue: 2)
    static let flushed = Flags(rawValue: 4)
    static let responseHandle = Flags(rawValue: 8)
    static let decrypt = Flags(rawValue: 16)
    static let encrypt = Flags(rawValue: 32)
    static let noSessions = Flags(rawValue: 64)
    static let trial = Flags(rawValue: 128)
  }

  /// TPMA_CC (Part 2 §8.9).
  var attributes: UInt32 {
    var out = code
    if flags.contains(.nv) { out |= 1 &<< 22 }
    if flags.contains(.extensive) { out |= 1 &<< 23 }
    if flags.contains(.flushed) { out |= 1 &<< 24 }
    if flags.contains(.responseHandle) { out |= 1 &<< 28 }
    // Clients count FlushContext's handle as one although it travels as a parameter.
    return out | UInt32(handleCount) &<< 25
  }
}

enum CommandTable {
  static let first: UInt32 = 0x11F
  static let last: UInt32 = 0x193

  private static func row(
    _ code: UInt32, _ flags: CommandInfo.Flags, _ first: HandleKind? = nil, _ firstRole: Role = .none,
    _ second: HandleKind? = nil, _ secondRole: Role = .none, _ third: HandleKind? = nil
  ) -> CommandInfo {
    var info = CommandInfo(code: code)
    info.flags = flags
    if let first {
      info.handles[0] = first
      info.roles[0] = firstRole
      info.handleCount = 1
    }
    if let second {
      info.handles[1] = second
      info.roles[1] = secondRole
      info.handleCount = 2
    }
    if let third {
      info.handles[2] = third
      info.handleCount = 3
    }
    return info
  }

  /// The row of a command code; nil for a command that is not offered.
  static func info(_ code: UInt32) -> CommandInfo? {
    let de: CommandInfo.Flags = [.decrypt, .encrypt]
    switch code {
    case 0x11F: return row(code, .nv, .nvIndex, .admin, .platform, .user)
    case 0x120: return row(code, .nv, .provision, .user, .object)
    case 0x121: return row(code, [.nv, .extensive], .baseHierarchy, .user)
    case 0x122: return row(code, .nv, .provision, .user, .nvIndex)
    case 0x124, 0x125: return row(code, [.nv, .extensive], .platform, .user)
    case 0x126: return row(code, [.nv, .extensive], .clear, .user)
    case 0x127: return row(code, .nv, .clear, .user)
    case 0x128: return row(code, .nv, .provision, .user)
    case 0x129: return row(code, [.nv, .decrypt], .hierarchyAuth, .user)
    case 0x12A: return row(code, [.nv, .decrypt], .provision, .user)
    case 0x12B: return row(code, .nv, .platform, .user)
    case 0x12C: return row(code, [.nv, .decrypt], .platform, .user)
    case 0x12D: return row(code, .nv, .platform, .user)
    case 0x12E: return row(code, [.nv, .decrypt], .hierarchyPolicy, .user)
    case 0x130: return row(code, [], .provision, .user)
    case 0x131: return row(code, [.responseHandle, .decrypt, .encrypt], .hierarchy, .user)
    case 0x132: return row(code, .nv, .provision, .user)
    case 0x133: return row(code, [.nv, .decrypt, .encrypt], .endorsement, .user, .objectOrNull, .user)
    case 0x134: return row(code, .nv, .nvAuth, .user, .nvIndex)
    case 0x135: return row(code, .nv, .nvAuth, .user, .nvIndex)
    case 0x136, 0x137: return row(code, [.nv, .decrypt], .nvAuth, .user, .nvIndex)
    case 0x138: return row(code, .nv, .nvAuth, .user, .nvIndex)
    case 0x139, 0x13A: return row(code, .nv, .lockout, .user)
    case 0x13B: return row(code, [.nv, .decrypt], .nvIndex, .admin)
    case 0x13C: return row(code, [.nv, .decrypt], .pcrOrNull, .user)
    case 0x13D: return row(code, .nv, .pcr, .user)
    case 0x13E: return row(code, [.flushed, .decrypt, .encrypt], .object, .user)
    case 0x13F: return row(code, .nv, .platform, .user)
    case 0x140: return row(code, .nv, .provision, .user)
    case 0x142, 0x143: return row(code, .nv)
    case 0x144: return row(code, [.nv, .noSessions])
    case 0x145: return row(code, .nv)
    case 0x146: return row(code, [.nv, .decrypt])
    case 0x147: return row(code, de, .object, .admin, .object, .user)
    case 0x148: return row(code, de, .object, .admin, .objectOrNull, .user)
    case 0x149: return row(code, [.decrypt, .trial], .nvAuth, .user, .nvIndex, .none, .policySession)
    case 0x14A: return row(code, de, .objectOrNull, .user, .object)
    case 0x14B: return row(code, de, .object, .duplicate, .objectOrNull)
    case 0x14C: return row(code, de, .endorsement, .user, .objectOrNull, .user)
    case 0x14D: return row(code, de, .endorsement, .user, .objectOrNull, .user, .hmacSession)
    case 0x14E: return row(code, .encrypt, .nvAuth, .user, .nvIndex)
    case 0x14F: return row(code, .nv, .nvAuth, .user, .nvIndex)
    case 0x150: return row(code, de, .object, .admin, .object)
    case 0x151: return row(code, [.decrypt, .encrypt, .trial], .entity, .user, .policySession)
    case 0x152: return row(code, de, .objectOrNull, .user, .objectOrNull)
    case 0x153: return row(code, de, .object, .user)
    case 0x154: return row(code, de, .object, .user)
    case 0x155: return row(code, de, .object, .user)
    case 0x156: return row(code, de, .object, .user)
    case 0x157: return row(code, [.responseHandle, .decrypt, .encrypt], .object, .user)
    case 0x158: return row(code, de, .objectOrNull, .user)
    case 0x159: return row(code, de, .object, .user)
    case 0x15B: return row(code, [.responseHandle, .decrypt], .object, .user)
    case 0x15C: return row(code, .decrypt, .object, .user)
    case 0x15D: return row(code, .decrypt, .object, .user)
    case 0x15E: return row(code, .encrypt, .object, .user)
    case 0x160: return row(code, [.decrypt, .encrypt, .trial], .object, .none, .policySession)
    case 0x161: return row(code, [.responseHandle, .noSessions])
    case 0x162: return row(code, .noSessions, .context)
    case 0x163: return row(code, .encrypt, .object)
    case 0x164: return row(code, .encrypt, .object, .user)
    case 0x165: return row(code, .noSessions)
    case 0x167: return row(code, [.responseHandle, .decrypt, .encrypt])
    case 0x168: return row(code, de, .object)
    case 0x169: return row(code, .encrypt, .nvIndex)
    case 0x16A, 0x16D, 0x16E, 0x170, 0x172, 0x17F, 0x188, 0x190:
      return row(code, [.decrypt, .trial], .policySession)
    case 0x16B, 0x16C, 0x16F, 0x171, 0x180, 0x187, 0x18C, 0x18F: return row(code, .trial, .policySession)
    case 0x173: return row(code, .encrypt, .object)
    case 0x174: return row(code, de, .object)
    case 0x176: return row(code, [.responseHandle, .decrypt, .encrypt], .objectOrNull, .none, .entityOrNull)
    case 0x177: return row(code, .decrypt, .object)
    case 0x178: return row(code, [])
    case 0x17A: return row(code, [])
    case 0x17B: return row(code, .encrypt)
    case 0x17C: return row(code, .encrypt)
    case 0x17D: return row(code, de)
    case 0x17E: return row(code, [])
    case 0x181: return row(code, [])
    case 0x182: return row(code, .nv, .pcrOrNull, .user)
    case 0x183: return row(code, .decrypt, .pcr, .user)
    case 0x184: return row(code, de, .objectOrNull, .user, .nvAuth, .user, .nvIndex)
    case 0x185: return row(code, [.nv, .flushed, .decrypt], .pcrOrNull, .user, .object, .user)
    case 0x186: return row(code, [.responseHandle, .decrypt])
    case 0x189: return row(code, [.encrypt, .trial], .policySession)
    case 0x18A: return row(code, [])
    case 0x18B: return row(code, de, .object, .user)
    case 0x18D: return row(code, de, .object, .user)
    case 0x18E: return row(code, .encrypt)
    case 0x191: return row(code, [.responseHandle, .decrypt, .encrypt], .parent, .user)
    case 0x192: return row(code, .trial, .nvAuth, .user, .nvIndex, .none, .policySession)
    case 0x193: return row(code, de, .object, .user)
    default: return nil
    }
  }

  /// How many commands are offered.
  static var count: Int {
    var total = 0
    for code in first...last where info(code) != nil { total &+= 1 }
    return total
  }
}
