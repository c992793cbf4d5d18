// ResponseCode: the codes of TPM 2.0 Part 2 §6.6 and how a command handler stops.

/// A response code (TPM 2.0 Part 2 §6.6.3); unknown values stay representable.
public struct ResponseCode: RawRepresentable, Equatable, Sendable {
  /// The code as it goes on the wire.
  public let rawValue: UInt32

  /// Any code.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  init(_ rawValue: UInt32) { self.rawValue = rawValue }

  static let success = ResponseCode(0)
  static let badTag = ResponseCode(0x01E)
  // Format one: a handle, parameter or session number may be added.
  static let asymmetric = ResponseCode(0x081)
  static let attributes = ResponseCode(0x082)
  static let hash = ResponseCode(0x083)
  static let value = ResponseCode(0x084)
  static let hierarchy = ResponseCode(0x085)
  static let keySize = ResponseCode(0x087)
  static let mode = ResponseCode(0x089)
  static let type = ResponseCode(0x08A)
  static let handle = ResponseCode(0x08B)
  static let kdf = ResponseCode(0x08C)
  static let range = ResponseCode(0x08D)
  static let authFail = ResponseCode(0x08E)
  static let nonce = ResponseCode(0x08F)
  static let pp = ResponseCode(0x090)
  static let scheme = ResponseCode(0x092)
  static let size = ResponseCode(0x095)
  static let symmetric = ResponseCode(0x096)
  static let tag = ResponseCode(0x097)
  static let selector = ResponseCode(0x098)
  static let insufficient = ResponseCode(0x09A)
  static let signature = ResponseCode(0x09B)
  static let key = ResponseCode(0x09C)
  static let policyFail = ResponseCode(0x09D)
  static let integrity = ResponseCode(0x09F)
  static let ticket = ResponseCode(0x0A0)
  static let reservedBits = ResponseCode(0x0A1)
  static let badAuth = ResponseCode(0x0A2)
  static let expired = ResponseCode(0x0A3)
  static let policyCC = ResponseCode(0x0A4)
  static let binding = ResponseCode(0x0A5)
  static let curve = ResponseCode(0x0A6)
  static let eccPoint = ResponseCode(0x0A7)
  // Format zero.
  static let initialize = ResponseCode(0x100)
  static let failure = ResponseCode(0x101)
  static let disabled = ResponseCode(0x120)
  static let exclusive = ResponseCode(0x121)
  static let authType = ResponseCode(0x124)
  static let authMissing = ResponseCode(0x125)
  static let policy = ResponseCode(0x126)
  static let pcr = ResponseCode(0x127)
  static let pcrChanged = ResponseCode(0x128)
  static let tooManyContexts = ResponseCode(0x12E)
  static let authUnavailable = ResponseCode(0x12F)
  static let commandSize = ResponseCode(0x142)
  static let commandCode = ResponseCode(0x143)
  static let authSize = ResponseCode(0x144)
  static let authContext = ResponseCode(0x145)
  static let nvRange = ResponseCode(0x146)
  static let nvSize = ResponseCode(0x147)
  static let nvLocked = ResponseCode(0x148)
  static let nvAuthorization = ResponseCode(0x149)
  static let nvUninitialized = ResponseCode(0x14A)
  static let nvSpace = ResponseCode(0x14B)
  static let nvDefined = ResponseCode(0x14C)
  static let badContext = ResponseCode(0x150)
  static let cpHash = ResponseCode(0x151)
  static let parent = ResponseCode(0x152)
  static let noResult = ResponseCode(0x154)
  static let sensitive = ResponseCode(0x155)
  // Warnings.
  static let contextGap = ResponseCode(0x901)
  static let objectMemory = ResponseCode(0x902)
  static let sessionMemory = ResponseCode(0x903)
  static let sessionHandles = ResponseCode(0x905)
  static let locality = ResponseCode(0x907)
  static let lockout = ResponseCode(0x921)
  static let nvUnavailable = ResponseCode(0x923)
  static func referenceHandle(_ number: Int) -> ResponseCode { ResponseCode(0x90F &+ UInt32(number & 7)) }
  static func referenceSession(_ index: Int) -> ResponseCode { ResponseCode(0x918 &+ UInt32(index & 7)) }

  private var isBareFormatOne: Bool { rawValue & 0x080 != 0 && rawValue & 0xF40 == 0 }

  /// The code with the number of a parameter (1...15), unless it has a number or takes none.
  func parameter(_ number: Int) -> ResponseCode {
    isBareFormatOne ? ResponseCode(rawValue &+ 0x40 &+ UInt32(number & 15) &<< 8) : self
  }

  /// The code with the number of a handle (1...7), unless it has a number or takes none.
  func handle(_ number: Int) -> ResponseCode {
    isBareFormatOne ? ResponseCode(rawValue &+ UInt32(number & 7) &<< 8) : self
  }

  /// The code with the number of a session (1...7), unless it has a number or takes none.
  func session(_ number: Int) -> ResponseCode {
    isBareFormatOne ? ResponseCode(rawValue &+ 0x800 &+ UInt32(number & 7) &<< 8) : self
  }
}

/// Why a handler stopped before its answer was ready.
enum Stop: Error {
  /// The command fails with a code.
  case code(ResponseCode)
  /// A long computation was begun; the handler runs again when its result is there.
  case pending

  @inline(never)
  static func parameter(_ code: ResponseCode, _ number: Int) -> Stop { .code(code.parameter(number)) }
  @inline(never)
  static func handle(_ code: ResponseCode, _ number: Int) -> Stop { .code(code.handle(number)) }
  @inline(never)
  static func session(_ code: ResponseCode, _ number: Int) -> Stop { .code(code.session(number)) }
}
