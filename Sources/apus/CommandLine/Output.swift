// Output: writes to standard output and error, and notices when that fails.
import Foundation

enum Output {
  /// Writes text to standard output; a full disk or a closed pipe is a failure, not silence.
  static func write(_ text: String) throws(Failure) {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw Failure("cannot write to standard output: \(Files.reason(error))", fix: "check where it goes")
    }
  }

  /// Writes one line to standard error.
  static func error(_ line: String) {
    try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
  }
}
