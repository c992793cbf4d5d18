// TraceError: why a trace can't be read, and in which line.

/// Why a trace can't be read.
public struct TraceError: Error, Equatable, Sendable {
  /// What is wrong.
  public enum Reason: Equatable, Sendable {
    /// A character that base64 does not have, or a length that isn't a multiple of four.
    case base64
    /// The checksum differs.
    case checksum
    /// A frame is shorter or longer than its fields, or of an unknown kind or version.
    case malformed
    /// Frames are missing, or stand in the wrong order.
    case order
    /// The trace stops before its last frame.
    case truncated
  }
  /// What is wrong.
  public let reason: Reason
  /// In which line of the trace, from 1; the number of lines + 1 if the trace stops too soon.
  public let line: Int
  /// An error in `line`.
  public init(_ reason: Reason, line: Int) {
    self.reason = reason
    self.line = line
  }
}
