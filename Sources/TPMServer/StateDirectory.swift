// StateDirectory: keeps a TPM's state blob in a directory, old or new whatever happens.
import Foundation
import Glibc

/// One file, replaced atomically: written beside, synced, renamed.
package struct StateDirectory {
  let path: String

  /// The directory at `path`.
  package init(path: String) { self.path = path }

  private var file: String { path + "/apus-tpm.state" }
  private var keyFile: String { path + "/apus-tpm.key" }

  /// The blob, nil if there is none yet.
  package func load() -> [UInt8]? { FileManager.default.contents(atPath: file).map { [UInt8]($0) } }

  /// The key that authenticates the blob: made once, readable by the owner only.
  ///
  /// It guards against
  /// accidents, not against whoever may read the directory.
  package func key() -> [UInt8]? {
    if let data = FileManager.default.contents(atPath: keyFile), data.count == 32 { return [UInt8](data) }
    guard load() == nil else { return nil }
    let key = Entropy.bytes(32)
    return write(key, to: keyFile) ? key : nil
  }

  package func store(_ blob: [UInt8]) -> Bool { write(blob, to: file) }

  /// The steps of a write in their order; whatever the last one done is, the old or the new file is whole.
  package enum Step: Int, CaseIterable {
    case removed
    case made
    case halfWritten
    case written
    case synced
    case renamed
    case kept
  }

  /// Does what `store` does up to and with `step`, as if power were cut then; for tests.
  package func store(_ blob: [UInt8], cutAfter step: Step) { _ = write(blob, to: file, cutAfter: step) }

  private func write(_ bytes: [UInt8], to target: String, cutAfter last: Step = .kept) -> Bool {
    // Exclusive and without following links: nobody can have put something there (CVE-2020-28407).
    let temporary = target + ".new"
    unsafe unlink(temporary)
    if last == .removed { return false }
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    if last == .made { return false }
    let half = bytes.count / 2
    guard Self.write(bytes[..<half], descriptor), last != .halfWritten else { return false }
    guard Self.write(bytes[half...], descriptor), last != .written else { return false }
    guard fsync(descriptor) == 0, last != .synced else { return false }
    guard unsafe rename(temporary, target) == 0, last != .renamed else { return false }
    // The name is in the directory, which has to reach the disk as well.
    let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return false }
    defer { close(folder) }
    return fsync(folder) == 0
  }

  private static func write(_ bytes: ArraySlice<UInt8>, _ descriptor: Int32) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: offset), bytes.count - offset)
      }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }
}

/// Random bytes of the operating system.
enum Entropy {
  static func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}
