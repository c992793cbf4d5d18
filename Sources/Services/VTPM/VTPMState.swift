// VTPMState: the TPM that all vCPUs share: the engine, the command it works on, answers not yet collected.
import Crypto
public import RequestLoop
public import SVSMProtocol
public import TPM
import Tasks

/// Time and randomness for the TPM.
public protocol VTPMHost: Sendable {
  /// Milliseconds of any steady clock.
  func milliseconds() -> UInt64
  /// 48 random bytes; nil if there are none now.
  func entropy() -> InlineArray<48, UInt8>?
}

/// Which command of which vCPU: the same key again continues it, or collects its answer.
public struct VTPMKey: Equatable, Sendable {
  /// The calling vCPU.
  public let vcpu: VCPUHandle
  /// The address of its buffer in bytes.
  public let address: UInt64
  /// SHA-256 of the command as it was copied, as words.
  private let digest: (UInt64, UInt64, UInt64, UInt64)

  /// The key of the command whose SHA-256 is `digest`.
  init(vcpu: VCPUHandle, address: UInt64, digest bytes: Digest) {
    self.vcpu = vcpu
    self.address = address
    func word(_ first: Int) -> UInt64 {
      var word: UInt64 = 0
      for index in first..<(first &+ 8) { word = word << 8 | UInt64(bytes[index]) }
      return word
    }
    digest = (word(0), word(8), word(16), word(24))
  }

  /// Equal when all three are.
  public static func == (left: VTPMKey, right: VTPMKey) -> Bool {
    left.vcpu == right.vcpu && left.address == right.address && left.digest == right.digest
  }
}

/// How far one slice came.
public enum VTPMStep: Equatable, Sendable {
  /// The answer to the caller's command.
  case answer([UInt8])
  /// The caller's command is begun and not finished.
  case unfinished
  /// Another vCPU's command was advanced instead and is not finished.
  case busy
}

/// The engine and its job records, worked on by one CPU at a time for one slice at a time.
///
/// `take` is tried, never waited for; nothing is held across an await or a guest entry.
///
/// ```
///   none ──1 begin──▶ unfinished ──2 slices──▶ finished ──3 collect──▶ none
///                          └──────4 abort: another command of the same vCPU, or it is deleted──▶ none
/// ```
public final class VTPMState: @unchecked Sendable {
  /// Answers kept that nobody has collected; one for each vCPU, the oldest goes first.
  public static var maximumAnswers: Int { 64 }
  /// Records of vCPUs that can be marked as deleted.
  private static var markedRecords: Int { 4096 }

  private enum Job: Equatable {
    case command(VTPMKey)
    case endorsementKey
  }

  private struct Answer {
    var key: VTPMKey
    var bytes: [UInt8]
  }

  // Word 0: whether a CPU works here; 8: whether a record is marked; from 16 on the marks.
  private let words = SharedWords(count: 16 + markedRecords / 64)
  // Everything below belongs to the CPU that has taken word 0.
  private var engine: TPMEngine
  private var running: Job?
  private var answers: [Answer] = []
  // TPMT_PUBLIC; empty if it could not be made.
  private var endorsement: [UInt8]?
  // The command under way is TPM2_ChangeEPS.
  private var isChangingSeed = false

  /// A TPM that is on, with fresh seeds of `host`; nil if that has no entropy.
  ///
  /// It forgets everything with the machine: there is no store for its state yet. (No initialiser: Embedded Swift has
  /// no generic ones in classes.)
  @inline(never)
  public static func make<Host: VTPMHost>(_ host: Host) -> VTPMState? {
    guard let entropy = host.entropy() else { return nil }
    return VTPMState(TPMEngine(entropy: entropy.span), milliseconds: host.milliseconds())
  }

  /// A TPM that is on; `engine` is nobody else's.
  public init(_ engine: TPMEngine, milliseconds: UInt64) {
    self.engine = engine
    self.engine.powerOn(milliseconds: milliseconds)
    answers.reserveCapacity(Self.maximumAnswers)
  }

  /// Takes the TPM for a slice; false if another CPU has it.
  public func take() -> Bool {
    guard words[0].compareExchange(expected: 0, desired: 1) == 0 else { return false }
    forgetMarked()
    return true
  }

  /// Gives it up.
  public func giveBack() {
    words[0].storeRelease(0)
    AtomicCell.fence()
    // A vCPU may have been deleted while this CPU had the TPM.
    guard words[8].loadRelaxed() != 0, words[0].compareExchange(expected: 0, desired: 1) == 0 else { return }
    forgetMarked()
    words[0].storeRelease(0)
  }

  /// Wipes what belongs to a deleted vCPU, at once or before anybody works here again; from any CPU.
  public func forget(_ vcpu: VCPUHandle) {
    guard vcpu.index < Self.markedRecords else { return }
    let cell = words[16 + vcpu.index / 64]
    let bit: UInt64 = 1 << UInt64(vcpu.index & 63)
    var old = cell.loadRelaxed()
    // Each failure is another CPU's mark in the same word.
    while true {
      let seen = cell.compareExchange(expected: old, desired: old | bit)
      if seen == old { break }
      old = seen
    }
    _ = words[8].exchange(1)
    if take() { giveBack() }
  }

  private func forgetMarked() {
    guard words[8].loadRelaxed() != 0 else { return }
    _ = words[8].exchange(0)
    for word in 0..<(Self.markedRecords / 64) where words[16 + word].loadRelaxed() != 0 {
      let marks = words[16 + word].exchange(0)
      func isMarked(_ key: VTPMKey) -> Bool {
        key.vcpu.index / 64 == word && marks >> UInt64(key.vcpu.index & 63) & 1 != 0
      }
      if case .command(let key) = running, isMarked(key) { abort() }
      dropAnswers(isMarked)
    }
  }

  private func abort() {
    engine.abort()
    running = nil
  }

  private func dropAnswers(_ isDropped: (VTPMKey) -> Bool) {
    var index = 0
    while index < answers.count {
      if isDropped(answers[index].key) {
        wipe(index)
        answers.remove(at: index)
      } else {
        index &+= 1
      }
    }
  }

  private func wipe(_ index: Int) {
    for byte in answers[index].bytes.indices { answers[index].bytes[byte] = 0 }
  }

  /// Works for at most one slice: first on whatever is unfinished, then on the caller's command.
  ///
  /// *Requires*: the caller has taken the TPM.
  public func step<Host: VTPMHost>(_ key: VTPMKey, _ command: [UInt8], _ host: Host) -> VTPMStep {
    if let index = answers.firstIndex(where: { $0.key == key }) {
      return .answer(answers.remove(at: index).bytes)
    }
    dropAnswers { $0.vcpu == key.vcpu }
    if let other = running, other != .command(key) {
      if case .command(let old) = other, old.vcpu == key.vcpu {
        abort()
      } else {
        guard engine.advance() else { return .busy }
        finish(other)
        begin(key, command, host)
        return .unfinished
      }
    }
    if running == nil { begin(key, command, host) }
    guard engine.advance() else { return .unfinished }
    return .answer(takeResponse())
  }

  /// The answer of the command that has just ended.
  private func takeResponse() -> [UInt8] {
    running = nil
    let response = engine.response
    // Another seed, another key.
    if isChangingSeed, response.count >= 10, response[6] | response[7] | response[8] | response[9] == 0 {
      endorsement = nil
    }
    return response
  }

  private func finish(_ job: Job) {
    running = nil
    switch job {
    case .command(let key): keep(takeResponse(), for: key)
    case .endorsementKey: endorsement = engine.endorsementKey ?? []
    }
  }

  private func begin<Host: VTPMHost>(_ key: VTPMKey, _ command: [UInt8], _ host: Host) {
    if engine.wantsEntropy, let entropy = host.entropy() { engine.stir(entropy.span) }
    isChangingSeed =
      command.count >= 10 && command[6] == 0 && command[7] == 0 && command[8] == 1 && command[9] == 0x24
    engine.begin(command, locality: 0, milliseconds: host.milliseconds())
    running = .command(key)
  }

  /// TPMT_PUBLIC of the endorsement key, which the attestation manifest names.
  ///
  /// Made when it is first asked for, in slices: INCOMPLETE after each, from whichever vCPU; BUSY while another CPU
  /// works here or another command was advanced; INVALID_REQUEST from a TPM in failure mode.
  public func endorsementKey() throws(ResultCode) -> [UInt8] {
    guard take() else { throw .busy }
    defer { giveBack() }
    if let endorsement {
      guard !endorsement.isEmpty else { throw .invalidRequest }
      return endorsement
    }
    if let job = running, job != .endorsementKey {
      if engine.advance() { finish(job) }
      throw .busy
    }
    if running == nil {
      engine.beginEndorsementKey()
      running = .endorsementKey
    }
    if engine.advance() { finish(.endorsementKey) }
    throw .incomplete
  }

  /// Keeps an answer until its vCPU's next command.
  ///
  /// *Requires*: the caller has taken the TPM.
  public func keep(_ bytes: [UInt8], for key: VTPMKey) {
    if answers.count >= Self.maximumAnswers {
      wipe(0)
      answers.remove(at: 0)
    }
    answers.append(Answer(key: key, bytes: bytes))
  }
}
