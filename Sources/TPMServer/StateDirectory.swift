// StateDirectory: keeps a TPM's state blob in a directory, old or new whatever happens.
import Foundation
import Glibc

/// One file, replaced atomically: written beside, synced, renamed.
struct StateDirectory {
  let path: String

  private var file: String { path + "/apus-tpm.state" }
  private var keyFile: String { path + "/apus-tpm.key" }

  /// The blob, nil if there is none yet.
  func load() -> [UInt8]? { FileManager.default.contents(atPath: file).map { [UInt8]($0) } }

  /// The key that authenticates the blob: made once, readable by the owner only.
  ///
  /// It guards against
  /// accidents, not against whoever may read the directory.
  func key() -> [UInt8]? {
    if let data = FileManager.default.contents(atPath: keyFile), data.count == 32 { return [UInt8](data) }
    guard load() == nil else { return nil }
    let key = Entropy.bytes(32)
    return write(key, to: keyFile) ? key : nil
  }

  func store(_ blob: [UInt8]) -> Bool { write(blob, to: file) }

  func remove() { unsafe unlink(file) }

  private func write(_ bytes: [UInt8], to target: String) -> Bool {
    // Exclusive and without following links: nobody can have put something there (CVE-2020-28407).
    let temporary = target + ".new"
    unsafe unlink(temporary)
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return false }
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: offset), bytes.count - offset)
      }
      guard count > 0 else {
        close(descriptor)
        return false
      }
      offset += count
    }
    let isSynced = fsync(descriptor) == 0
    close(descriptor)
    guard isSynced else { return false }
    return unsafe rename(temporary, target) == 0
  }
}

/// Random bytes of the operating system.
enum Entropy {
  static func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}
