// Files: whole files in and out; an output appears complete or not at all.
import Foundation

enum Files {
  /// The largest input that is read, bytes.
  static let maximumInput = 1 << 32

  /// The bytes of a regular file.
  static func read(_ path: String, what: String) throws(Failure) -> [UInt8] {
    let manager = FileManager.default
    switch kind(resolved(path)) {
    case nil: throw Failure("cannot read \(what) \(path): no such file", fix: "check the path")
    case .typeDirectory?: throw Failure("cannot read \(what) \(path): it is a directory", fix: "name a file")
    default: break
    }
    do {
      let size = try manager.attributesOfItem(atPath: resolved(path))[.size] as? UInt64 ?? 0
      guard size < maximumInput else {
        throw Failure("\(what) \(path) has \(size) bytes", fix: "at most 4 GiB are read")
      }
      return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure("cannot read \(what) \(path): \(reason(error))", fix: "check its permissions")
    }
  }

  /// Writes a file: into a temporary file beside it, then renamed, so that no partial file is ever left.
  static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
    if let kind = kind(resolved(path)), kind != .typeRegular {
      throw Failure(
        "cannot write \(path): it is \(kind == .typeDirectory ? "a directory" : "not a regular file")",
        fix: "name a file")
    }
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: resolved(path)), options: .atomic)
    } catch {
      throw Failure(
        "cannot write \(path): \(reason(error))", fix: "check the directory, its permissions and free space")
    }
  }

  /// What lies at a path, nil if nothing does.
  private static func kind(_ path: String) -> FileAttributeType? {
    (try? FileManager.default.attributesOfItem(atPath: path))?[.type] as? FileAttributeType
  }

  /// The file behind symbolic links, so that writing replaces the file and not the link.
  private static func resolved(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().path
  }

  /// The system's reason in an error, in lower case.
  static func reason(_ error: any Error) -> String {
    let outer = error as NSError
    let inner = outer.userInfo[NSUnderlyingErrorKey] as? NSError ?? outer
    if inner.domain == NSPOSIXErrorDomain, let code = POSIXErrorCode(rawValue: Int32(inner.code)) {
      switch code {
      case .ENOSPC: return "no space left on the device"
      case .EACCES, .EPERM: return "permission denied"
      case .EROFS: return "the file system is read-only"
      case .ENOENT: return "no such directory"
      case .ENOTDIR: return "a part of the path is not a directory"
      case .EPIPE: return "the reader has gone"
      default: return "system error \(inner.code)"
      }
    }
    switch (error as? CocoaError)?.code {
    case .fileWriteNoPermission, .fileReadNoPermission: return "permission denied"
    case .fileWriteOutOfSpace: return "no space left on the device"
    case .fileNoSuchFile, .fileReadNoSuchFile: return "no such directory"
    case .fileWriteVolumeReadOnly: return "the file system is read-only"
    default: return "system error \(outer.code)"
    }
  }
}
