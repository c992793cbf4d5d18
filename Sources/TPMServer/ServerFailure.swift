// ServerFailure: why the TPM server can't start, and what to do about it.

/// The one error of the server.
public struct ServerFailure: Error {
  /// What is wrong.
  public let cause: String
  /// What to do.
  public let fix: String

  init(_ cause: String, fix: String) {
    self.cause = cause
    self.fix = fix
  }
}
