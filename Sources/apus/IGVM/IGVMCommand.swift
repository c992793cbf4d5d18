// IGVMCommand: `apus igvm` and its subcommands.
import IGVM

extension Commands {
  static let igvm = Command(
    name: "igvm", summary: "Builds, inspects, verifies, measures and signs IGVM files.",
    usage: "apus igvm COMMAND ...", subcommands: [igvmBuild, igvmInspect, igvmVerify, igvmMeasure, igvmSign])
}

/// A platform by the name that options and layouts use.
enum PlatformName {
  static let all: [(name: String, type: PlatformType)] = [("native", .native), ("snp", .snp), ("tdx", .tdx)]

  static func type(_ name: String) -> PlatformType? { all.first { $0.name == name }?.type }
}

/// A file that was read and found valid.
struct LoadedFile {
  let path: String
  let bytes: [UInt8]

  /// Reads `path`; throws for a file that breaks a rule of the format.
  init(_ path: String) throws(Failure) {
    self.path = path
    bytes = try Files.read(path, what: "the file")
    do throws(Violation) {
      try Verifier.validate(bytes.span, strict: false)
    } catch {
      throw Failure(error, in: path)
    }
  }

  /// Its platforms.
  func platforms() throws(Failure) -> [SupportedPlatform] {
    do throws(Violation) {
      var reader = try HeaderReader(bytes.span)
      var platforms: [SupportedPlatform] = []
      while let located = try reader.next(bytes.span) {
        guard case .supportedPlatform(let platform) = located.header else { break }
        platforms.append(platform)
      }
      return platforms
    } catch {
      throw Failure(error, in: path)
    }
  }
}
