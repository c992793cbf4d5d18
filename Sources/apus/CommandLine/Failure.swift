// Failure: why a command stopped, in one line, and what to do about it.
import IGVM
import ImageBuilder

/// The one error of the tool: cause, fix and exit status.
struct Failure: Error {
  /// Wrong usage or input (design: "Exit codes").
  static let usageStatus: Int32 = 2

  /// The command that failed.
  private(set) var command = "apus"
  /// What is wrong.
  let cause: String
  /// What to do.
  let fix: String
  /// The exit status.
  let status: Int32

  /// A failure with its cause and fix; control characters in them are shown as "?", so that it stays one line.
  init(_ cause: String, fix: String, status: Int32 = usageStatus) {
    self.cause = Self.oneLine(cause)
    self.fix = Self.oneLine(fix)
    self.status = status
  }

  /// A refusal of the image builder.
  init(_ error: ImageError) { self.init(error.cause, fix: error.fix) }

  /// A broken rule of a file.
  init(_ violation: Violation, in file: String) {
    self.init(
      "\(file) is not a valid IGVM file: \(violation.rule.name) at \(Number.hex(violation.offset)): "
        + "\(violation.rule.explanation): \(Number.hex(violation.value))",
      fix: "`apus igvm verify` lists all that is wrong")
  }

  /// The same failure, of `command`.
  func named(_ command: String) -> Failure {
    var copy = self
    copy.command = command
    return copy
  }

  private static func oneLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : $0 }))
  }
}
