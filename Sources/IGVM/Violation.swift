// Violation: a broken rule and the place in the file where it was broken.

/// What is wrong with a file: thrown by the reader at the first, listed by the verifier as many as it finds.
public struct Violation: Error, Equatable, Sendable {
  /// The rule.
  public let rule: Rule
  /// Where, in bytes from the start of the file: the field or the header concerned.
  public let offset: UInt64
  /// The offending value, in the unit that the rule's text names.
  public let value: UInt64

  /// A violation of `rule` at byte `offset`, with the value that broke it.
  public init(_ rule: Rule, at offset: UInt64, _ value: UInt64 = 0) {
    self.rule = rule
    self.offset = offset
    self.value = value
  }
}
