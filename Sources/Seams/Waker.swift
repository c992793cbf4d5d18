// Waker: how one CPU gets another to look into its inbox.

/// Interrupts a CPU that halts or is in its guest.
///
/// A kick is only a hint: it may come late, twice or never,
/// and nothing a guest sees may depend on it.
public protocol Waker {
  /// Kicks `cpu`. A CPU that is not running the kernel is ignored.
  func kick(_ cpu: CPUIndex)
}
