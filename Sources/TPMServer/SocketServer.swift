// SocketServer: a poll loop over listening and connected sockets, one request at a time.
import Foundation
import Glibc

/// What a connection speaks.
enum Role: Equatable {
  case data
  case control
  case platform
}

/// Accepts connections on a few listeners and hands complete requests to the dialects.
final class SocketServer {
  struct Connection {
    var descriptor: Int32
    var role: Role
    var input: [UInt8] = []
  }

  private var listeners: [(descriptor: Int32, role: Role)] = []
  private(set) var connections: [Connection] = []
  var isStopped = false

  func listenTCP(_ address: String, _ port: UInt16, _ role: Role) throws(ServerFailure) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var one: Int32 = 1
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(4))
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    guard unsafe inet_pton(AF_INET, address == "localhost" ? "127.0.0.1" : address, &name.sin_addr) == 1
    else {
      throw ServerFailure("\(address) is not an IPv4 address", fix: "write one such as 127.0.0.1")
    }
    let result = unsafe withUnsafePointer(to: &name) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0, listen(descriptor, 8) == 0 else {
      throw ServerFailure("port \(port) is taken or not allowed", fix: "name another port")
    }
    listeners.append((descriptor, role))
  }

  func listenUnix(_ path: String, _ role: Role) throws(ServerFailure) {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < 108 else {
      throw ServerFailure("\(path) is too long for a socket", fix: "name a shorter path")
    }
    unsafe withUnsafeMutableBytes(of: &name.sun_path) { target in
      for (index, byte) in bytes.enumerated() { unsafe target[index] = byte }
    }
    unsafe unlink(path)
    let result = unsafe withUnsafePointer(to: &name) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0, listen(descriptor, 8) == 0 else {
      throw ServerFailure("there can be no socket at \(path)", fix: "name another path")
    }
    listeners.append((descriptor, role))
  }

  func adopt(_ descriptor: Int32, _ role: Role) {
    connections.append(Connection(descriptor: descriptor, role: role))
  }

  func send(_ descriptor: Int32, _ bytes: [UInt8]) {
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(
          descriptor, $0.baseAddress?.advanced(by: offset), bytes.count - offset, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      offset += count
    }
  }

  /// Runs until stopped; `handle` takes requests off a connection's input and says whether it stays open.
  ///
  /// `received` is given descriptors that came along, `ended` the role of each connection that closed.
  func run(
    _ handle: (inout Connection) -> Bool, received: (Int32) -> Void, ended: (Role) -> Void
  ) {
    while !isStopped {
      var descriptors = listeners.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
      descriptors += connections.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
      guard unsafe poll(&descriptors, nfds_t(descriptors.count), -1) > 0 else { continue }
      let accepted = listeners.count
      var closed: [Int32] = []
      for index in connections.indices.reversed() where descriptors[accepted + index].revents != 0 {
        if !receive(index, received) || !handle(&connections[index]) {
          closed.append(connections[index].descriptor)
        }
      }
      for descriptor in closed {
        close(descriptor)
        for connection in connections where connection.descriptor == descriptor { ended(connection.role) }
        connections.removeAll { $0.descriptor == descriptor }
      }
      for index in 0..<accepted where descriptors[index].revents != 0 {
        let descriptor = accept(listeners[index].descriptor, nil, nil)
        guard descriptor >= 0 else { continue }
        var one: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
        connections.append(Connection(descriptor: descriptor, role: listeners[index].role))
      }
    }
  }

  /// Reads what is there; a file descriptor that came along is handed to `received` (SCM_RIGHTS).
  private func receive(_ index: Int, _ received: (Int32) -> Void) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 8192)
    var control = [UInt64](repeating: 0, count: 8)
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe control.withUnsafeMutableBytes { space in
        var part = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        return unsafe withUnsafeMutablePointer(to: &part) { part in
          var message = unsafe msghdr()
          unsafe message.msg_iov = part
          unsafe message.msg_iovlen = 1
          unsafe message.msg_control = space.baseAddress
          unsafe message.msg_controllen = space.count
          return unsafe recvmsg(connections[index].descriptor, &message, 0)
        }
      }
    }
    guard count > 0 else { return false }
    // cmsghdr: length u64, level i32, type i32, then the descriptor.
    if control[0] >= 20, control[1] == UInt64(SOL_SOCKET) | 1 << 32 {
      received(Int32(truncatingIfNeeded: control[2]))
    }
    connections[index].input += buffer[..<count]
    return true
  }
}
