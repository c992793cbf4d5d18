// TPMEngine: a TPM 2.0 as a value: commands go in, answers and state blobs come out.
import Crypto

/// A TPM 2.0 (library specification 1.59) without I/O: time, entropy and storage are the caller's.
///
/// A command is begun, then advanced slice by slice until its answer is there, so that no call runs for
/// long: RSA key generation is thousands of slices, most commands are one. The engine never traps on
/// input; what it finds inconsistent within itself turns into failure mode. One owner keeps it and never
/// copies it: it holds secrets. (Not `~Copyable`: the 6.3 move checker then takes minutes to compile it.)
public struct TPMEngine {
  var persistent = Persistent()
  var volatile = Volatile()
  var drbg: RandomPool
  var job: Job
  var out = Writer(reserving: Limits.responseSize)
  /// Milliseconds since power-on.
  var time: UInt64 = 0
  /// The caller's clock at power-on.
  var powerOnTime: UInt64 = 0
  /// The TPM clock at power-on.
  var clockBase: UInt64 = 0
  /// Whether persistent state changed since the caller last stored it.
  public internal(set) var needsStore = true
  var isManufactured = true

  /// A new TPM with fresh seeds, not yet started; `entropy` holds at least 48 random bytes.
  ///
  /// `banks` are the PCR banks allocated at first; PCR_Allocate changes them.
  public init(entropy: borrowing Span<UInt8>, banks: BankSet = .strong) {
    persistent.banks = banks.rawValue & 0b1111
    persistent.activeBanks = persistent.banks
    let none = InlineArray<1, UInt8>(repeating: 0)
    drbg = RandomPool(HMACDRBG(entropy: entropy, nonce: none.span, personalization: none.span))
    job = Job(drbg)
    persistent.owner.seed = drbg.bytes(48)
    persistent.owner.proof = drbg.bytes(32)
    persistent.endorsement.seed = drbg.bytes(48)
    persistent.endorsement.proof = drbg.bytes(32)
    persistent.platform.seed = drbg.bytes(48)
    persistent.platform.proof = drbg.bytes(32)
  }

  /// The answer of the last command, 10 to 3968 bytes.
  public var response: [UInt8] { out.bytes }

  /// Mixes fresh entropy into the generator; call it at power-on and every 2^16 requests.
  public mutating func stir(_ entropy: borrowing Span<UInt8>) {
    let none = InlineArray<1, UInt8>(repeating: 0)
    drbg.reseed(entropy: entropy, additional: none.span.extracting(first: 0))
  }

  /// Whether the generator's reseed interval has passed.
  public var wantsEntropy: Bool { drbg.isReseedDue }

  /// Power comes on (or _TPM_Init): everything volatile is lost.
  ///
  /// `milliseconds` is any steady clock.
  public mutating func powerOn(milliseconds: UInt64) {
    abort()
    wipeVolatile()
    volatile = Volatile()
    drbg.drop()
    volatile.timeEpoch = UInt32(drbg.bytes(4).span)
    powerOnTime = milliseconds
    time = 0
    clockBase = persistent.clock
  }

  /// Whether Startup was received.
  public var isStarted: Bool { volatile.isStarted }

  /// Wipes and drops a command that was begun and not finished.
  public mutating func abort() {
    // Executed, but its sessions not answered: with their old nonces the same command would be good once more.
    if let answer = job.answer {
      for entry in answer.context.sessions where !entry.isPassword { flush(session: entry.handle) }
    }
    job.wipe()
    job = Job(drbg)
  }

  mutating func wipeVolatile() {
    for index in 0..<volatile.slots.count { clear(slot: index) }
    for index in 0..<volatile.sessions.count {
      volatile.sessions[index] = .free
    }
    volatile.null.wipe()
    volatile.commitments.secret.wipe()
  }

  mutating func clear(slot index: Int) {
    volatile.slots[index] = .empty
  }

  /// Runs a whole command.
  public mutating func execute(_ command: [UInt8], locality: UInt8 = 0, milliseconds: UInt64) -> [UInt8] {
    begin(command, locality: locality, milliseconds: milliseconds)
    while !advance() {}
    return response
  }

  /// Takes in a command; `advance` runs it.
  ///
  /// The bytes are copied by the caller once, from memory nobody else can change meanwhile.
  public mutating func begin(_ command: [UInt8], locality: UInt8, milliseconds: UInt64) {
    job = Job(drbg)
    job.command = command
    job.locality = locality
    let elapsed = milliseconds >= powerOnTime ? milliseconds &- powerOnTime : 0
    time = max(time, elapsed)
    updateClock()
  }

  /// The budget of one slice, which then takes at most 250,000 instructions (design.md, "The runtime").
  public static var slice: Int { 200_000 }

  /// Does work of about `budget` instructions; true when `response` holds the answer.
  ///
  /// A slice is either one run of the command's handler, from its checks to its answer or to the next long
  /// operation, or as many steps of a long operation as the budget has room for, and at least one.
  @inline(never)
  public mutating func advance(budget: Int = slice) -> Bool {
    if let operation = job.operation {
      var left = budget
      repeat {
        left &-= operation.cost
        if operation.step() {
          job.results.append(operation.result)
          operation.wipe()
          job.operation = nil
          return false
        }
      } while left >= operation.cost
      return false
    }
    job.cursor = 0
    drbg = job.drbg
    do throws(Stop) {
      try process()
    } catch {
      switch error {
      case .pending: return false
      case .code(let code): fail(code)
      }
    }
    job.wipe()
    // What it drew must not be found in the copy that it began with.
    job.drbg = drbg
    return true
  }

  private mutating func fail(_ code: ResponseCode) {
    out.wipe()
    out.u16(0x8001)
    out.u32(10)
    out.u32(code.rawValue)
  }

  /// Says that persistent state changed.
  mutating func touch() {
    needsStore = true
    persistent.generation &+= 1
  }

  /// Called by whoever stored the blob of the present state.
  public mutating func stored() { needsStore = false }

  /// Makes the TPM answer only GetCapability and GetTestResult until the next power-on: for a caller that
  /// found it cannot keep the state.
  public mutating func enterFailureMode() { volatile.isFailed = true }
}

/// PCR banks by their hashes.
public struct BankSet: OptionSet, Sendable {
  /// Bit n: the bank of hash n.
  public let rawValue: UInt8

  /// A set of bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// SHA-1.
  public static let sha1 = BankSet(rawValue: 1)
  /// SHA-256.
  public static let sha256 = BankSet(rawValue: 2)
  /// SHA-384.
  public static let sha384 = BankSet(rawValue: 4)
  /// SHA-512.
  public static let sha512 = BankSet(rawValue: 8)
  /// SHA-256 and SHA-384.
  public static let strong: BankSet = [.sha256, .sha384]
}

/// The command under way.
struct Job {
  var command: [UInt8] = []
  var locality: UInt8 = 0
  /// The generator as the command found it: a handler that runs again draws the same bytes.
  var drbg: RandomPool
  var operation: LongOperation?
  var results: [LongResult] = []
  /// The next result to hand out.
  var cursor = 0
  /// How many sessions have been authorized.
  var authorized = 0
  /// The answer whose sessions are still to be answered.
  var answer: PendingAnswer?
  /// No command: the endorsement key is computed.
  var isEndorsementKey = false

  init(_ drbg: RandomPool) { self.drbg = drbg }

  mutating func wipe() {
    command.wipe()
    operation?.wipe()
    operation = nil
    for index in results.indices { results[index].wipe() }
    results = []
    answer = nil
  }
}

extension FixedWidthInteger where Self: UnsignedInteger {
  /// The big-endian integer of the first bytes.
  init(_ span: borrowing Span<UInt8>) {
    self = 0
    for index in span.indices where index < Self.bitWidth / 8 {
      self = self << 8 | Self(truncatingIfNeeded: span[index])
    }
  }
}
