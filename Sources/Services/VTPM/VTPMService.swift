// VTPMService: the vTPM protocol: a guest's TPM commands, each a resumable job that any CPU may advance.
import Crypto
public import RequestLoop
public import SVSMProtocol
public import Seams
import TaskRuntime
import Tasks

/// Protocol 2, version 1.
///
/// Source: AMD 58019, 8, through Linux `tpm_svsm.h` and COCONUT `vtpm.rs` (reference snp-svsm.md A.8, D.95 to D.103).
/// A command that takes more than a slice answers INCOMPLETE after each of them, so that the guest can take interrupts.
public struct VTPMService<Platform: GuestPlatform, Host: VTPMHost>: ProtocolService {
  private let state: VTPMState?
  private let host: Host
  private let buffer: GuestBuffer<Platform>

  /// The service over `state`, which all CPUs share; without one (no entropy) the protocol is absent.
  public init(_ state: VTPMState?, host: Host, buffer: GuestBuffer<Platform>) {
    self.state = state
    self.host = host
    self.buffer = buffer
  }

  /// vTPM.
  public var protocolID: ProtocolID { .vTPM }
  /// Version 1.
  public var versions: ProtocolVersions? {
    state == nil ? nil : ProtocolVersions(minimum: 1, maximum: 1)
  }

  /// QUERY and COMMAND.
  public nonisolated(nonsending) func serve(_ call: GuestCall) async -> CallReply {
    guard let state else { return CallReply(.unsupportedProtocol) }
    switch call.id {
    case .vTPMQuery:
      return CallReply(result: ResultCode.success.rawValue, rcx: VTPMRequest.platformCommands, rdx: 0)
    case .vTPMCommand:
      do throws(ResultCode) {
        try await perform(call, state)
        return CallReply(.success)
      } catch {
        return CallReply(error)
      }
    default: return CallReply(.unsupportedCall)
    }
  }

  /// Wipes the jobs of a deleted vCPU.
  public func forget(_ vcpu: VCPUHandle) { state?.forget(vcpu) }

  private nonisolated(nonsending) func perform(
    _ call: GuestCall, _ state: VTPMState
  ) async throws(ResultCode) {
    let address = call.registers.rcx
    guard address != 0 else { throw .invalidParameter }
    // The whole buffer, so that a bad place for the answer is found before anything is executed.
    try buffer.check(address, byteCount: UInt64(VTPMRequest.bufferByteCount))
    let command = try copyIn(address)
    let key = await key(of: command, call.vcpu, address)
    if !state.take() {
      // Another CPU works on a slice: wait as long as one takes.
      Executor.passSoon()
      await Leaf.yield()
      guard state.take() else { throw .busy }
    }
    let step = state.step(key, command, host)
    state.giveBack()
    switch step {
    case .unfinished: throw .incomplete
    case .busy: throw .busy
    case .answer(let bytes): try deliver(bytes, key, state)
    }
  }

  /// The key of a command: the longest takes 65 blocks of SHA-256, more than a slice, and the engine's slice comes behind.
  private nonisolated(nonsending) func key(
    of command: [UInt8], _ vcpu: VCPUHandle, _ address: UInt64
  ) async -> VTPMKey {
    var hasher = Hasher(.sha256)
    var slice = Slice()
    var done = 0
    while done < command.count {
      let end = min(done &+ 1024, command.count)
      hasher.update(command.span.extracting(done..<end))
      done = end
      await slice.rest()
    }
    return VTPMKey(vcpu: vcpu, address: address, digest: hasher.finalize())
  }

  /// The command, copied once.
  private func copyIn(_ address: UInt64) throws(ResultCode) -> [UInt8] {
    var header = InlineArray<9, UInt8>(repeating: 0)
    var place = header.mutableSpan
    try buffer.read(address, into: &place)
    let request = try VTPMRequest(header.span)
    var command = [UInt8](repeating: 0, count: request.commandByteCount)
    var body = command.mutableSpan
    try buffer.read(address &+ UInt64(VTPMRequest.headerByteCount), into: &body)
    return command
  }

  private func deliver(_ bytes: [UInt8], _ key: VTPMKey, _ state: VTPMState) throws(ResultCode) {
    guard bytes.count <= VTPMRequest.maximumResponseByteCount else { throw .invalidRequest }
    var message: [UInt8] = []
    message.reserveCapacity(VTPMRequest.responseOffset + bytes.count)
    for shift in [0, 8, 16, 24] { message.append(UInt8(truncatingIfNeeded: bytes.count >> shift)) }
    message.append(contentsOf: bytes)
    do throws(ResultCode) {
      try buffer.write(message.span, key.address)
    } catch {
      // The command is executed: whoever asks again must get this answer and not run it twice.
      if error == .busy, state.take() {
        state.keep(bytes, for: key)
        state.giveBack()
        throw .busy
      }
      throw error == .busy ? .invalidRequest : error
    }
  }
}
