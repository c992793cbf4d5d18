// CommandSession: one entry of a command's authorization area.
import Crypto

/// TPMS_AUTH_COMMAND and what the checks found out about it.
struct CommandSession {
  var handle: UInt32
  var nonceCaller: Digest
  var attributes: UInt8
  var hmac: Digest
  /// The handle it authorizes.
  var associated: UInt32?

  var isPassword: Bool { handle == Handle.password }
  func has(_ attribute: UInt8) -> Bool { attributes & attribute != 0 }
  var index: Int { Int(handle & 0xFFFFFF) }
}

/// A command while it runs: its row, handles and sessions.
///
/// A class: every handler is given it, and a copy for each would fill a kernel's stack.
final class Context {
  let info: CommandInfo
  var handles: InlineArray<3, UInt32> = [0, 0, 0]
  var sessions: [CommandSession] = []
  /// Whether one of them is no password.
  var hasSessions = false
  var decryptSession: Int?
  var encryptSession: Int?
  var auditSession: Int?
  /// Where the parameters begin in the command.
  var parameters = 0
  /// The sequence object that is gone once the answer is built.
  var flushes: UInt32?
  /// The first handle's entity no longer exists when the answer is built.
  var isFirstHandleGone = false
  var responseHandle: UInt32?

  init(info: CommandInfo) { self.info = info }
}

/// A command that is done but for its response sessions.
final class PendingAnswer {
  let context: Context
  /// Where its response parameters begin and end.
  let start: Int
  let end: Int
  /// The sessions' new nonces, once they are drawn.
  var nonces: InlineArray<3, Digest>?
  var isEncrypted = false

  init(_ context: Context, _ start: Int, _ end: Int) {
    self.context = context
    self.start = start
    self.end = end
  }
}
