// Dialects: raw and simulator-framed commands, swtpm's control channel, the simulator's platform port.
import Glibc

extension TPMServer {
  /// Takes whole commands off a data connection.
  ///
  /// False closes it.
  func data(_ connection: inout SocketServer.Connection) -> Bool {
    while true {
      let input = connection.input
      guard input.count >= 4 else { return true }
      let first = word(input, 0)
      if first == 8 {
        // TPM_SEND_COMMAND of the simulator: locality, length, command.
        guard input.count >= 9 else { return true }
        let length = Int(word(input, 5))
        guard length <= 4096 else { return false }
        guard input.count >= 9 + length else { return true }
        let answer = answer(Array(input[9..<(9 + length)]), input[4])
        connection.input.removeFirst(9 + length)
        sockets.send(connection.descriptor, big(UInt32(answer.count)) + answer + big(0))
        continue
      }
      if first == 20 { return false }
      if first == 21 {
        sockets.isStopped = true
        return false
      }
      if first == 15 && options.isSimulator {
        // Handshake: version and flags back.
        guard input.count >= 8 else { return true }
        connection.input.removeFirst(8)
        sockets.send(connection.descriptor, big(1) + big(3) + big(0))
        continue
      }
      guard input.count >= 10 else { return true }
      let length = Int(word(input, 2))
      guard length >= 10, length <= 4096 else {
        let answer = answer(input, locality)
        connection.input = []
        sockets.send(connection.descriptor, answer)
        continue
      }
      guard input.count >= length else { return true }
      let answer = answer(Array(input[..<length]), locality)
      connection.input.removeFirst(length)
      sockets.send(connection.descriptor, answer)
    }
  }

  private func answer(_ command: [UInt8], _ locality: UInt8) -> [UInt8] {
    guard isPowered else { return [0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 1] }
    return execute(command, locality: locality)
  }

  /// The simulator's platform port: each command is a word, answered by a zero word.
  func platform(_ connection: inout SocketServer.Connection) -> Bool {
    while connection.input.count >= 4 {
      let command = word(connection.input, 0)
      var taken = 4
      switch command {
      case 1: if !isPowered { powerOn() }
      case 2:
        isPowered = false
        engine.abort()
      case 5: engine.hashStart()
      case 6:
        guard connection.input.count >= 8 else { return true }
        let length = Int(word(connection.input, 4))
        guard length <= 4096 else { return false }
        guard connection.input.count >= 8 + length else { return true }
        engine.hashData(Array(connection.input[8..<(8 + length)]))
        taken = 8 + length
      case 7: engine.hashEnd()
      case 17: powerOn()
      case 18: powerOn()
      case 20: return false
      case 21:
        sockets.isStopped = true
        return false
      default: break
      }
      connection.input.removeFirst(taken)
      sockets.send(connection.descriptor, big(0))
    }
    return true
  }

  /// swtpm's control channel (reference §3.1).
  ///
  /// Every answer begins with a result word.
  func control(_ connection: inout SocketServer.Connection) -> Bool {
    while connection.input.count >= 4 {
      let command = word(connection.input, 0)
      guard connection.input.count >= 4 + Self.argumentSize(command) else { return true }
      let arguments = Array(connection.input.dropFirst(4))
      if command == 7 {
        let length = Int(word(arguments, 0))
        guard length <= 4096 else { return false }
        guard arguments.count >= 4 + length else { return true }
      }
      // As in swtpm one message is one command: QEMU sends whole unions, padding included.
      connection.input = []
      sockets.send(connection.descriptor, perform(command, arguments))
      if sockets.isStopped { return false }
    }
    return true
  }

  private static func argumentSize(_ command: UInt32) -> Int {
    switch command {
    case 2: 4
    case 5: 1
    case 7: 4
    case 0xB: 1
    case 0xC, 0xD: 12
    case 0x11: 4
    case 0x12: 16
    case 0x13: 4
    default: 0
    }
  }

  private func perform(_ command: UInt32, _ arguments: [UInt8]) -> [UInt8] {
    switch command {
    // Everything but state blobs (bits 8 and 9).
    case 1: return big(0) + big(0x3CFF)
    case 2:
      shutDownOrderly()
      powerOn()
      return big(0)
    case 3:
      sockets.isStopped = true
      return big(0)
    case 4: return big(0) + [established ? 1 : 0, 0, 0, 0]
    case 5:
      guard arguments[0] <= 4 else { return big(0x3D) }
      locality = arguments[0]
      return big(0)
    case 6:
      engine.hashStart()
      established = true
      return big(0)
    case 7:
      let length = Int(word(arguments, 0))
      engine.hashData(Array(arguments[4..<(4 + length)]))
      return big(0)
    case 8:
      engine.hashEnd()
      return big(0)
    case 9: return big(0)
    case 0xA: return big(0)
    case 0xB:
      established = false
      return big(0)
    case 0xE:
      shutDownOrderly()
      isPowered = false
      return big(0)
    case 0xF: return big(0) + big(0)
    case 0x10: return big(0)
    case 0x11:
      let wanted = word(arguments, 0)
      if wanted != 0 { bufferSize = min(max(wanted, 0xAF8), 3968) }
      return big(0) + big(bufferSize) + big(0xAF8) + big(4096)
    case 0x13: return big(0)
    default: return big(0x0A)
    }
  }
}
