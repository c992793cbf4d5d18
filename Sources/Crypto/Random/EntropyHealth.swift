// EntropyHealth: the continuous tests of SP 800-90B on words from a hardware entropy source.

/// The repetition count and adaptive proportion tests (SP 800-90B §4.4) on 64-bit samples.
///
/// RDSEED claims full entropy; the cut-offs assume only one bit of min-entropy per byte
/// (H = 8 per sample) and a false-alarm rate of 2^-30.
public struct EntropyHealth: Sendable {
  /// Equal samples in a row that fail: 1 + ⌈30 / H⌉ (§4.4.1).
  public static var repetitionCutoff: Int { 5 }
  /// Samples of a window (§4.4.2, non-binary source).
  public static var window: Int { 512 }
  /// Occurrences of the window's first sample that fail (§4.4.2 for H = 8, binomial critical value).
  public static var proportionCutoff: Int { 25 }

  private var last: UInt64 = 0
  private var run = 0
  private var first: UInt64 = 0
  private var seen = 0
  private var matches = 0
  /// Whether a test failed since the start; it stays failed.
  public private(set) var hasFailed = false

  /// A source of which nothing has been seen.
  public init() {}

  /// Takes in one sample; false if the source must not be used.
  public mutating func accept(_ sample: UInt64) -> Bool {
    if run > 0 && sample == last {
      run &+= 1
      if run >= Self.repetitionCutoff { hasFailed = true }
    } else {
      last = sample
      run = 1
    }
    if seen == 0 {
      first = sample
      matches = 1
    } else if sample == first {
      matches &+= 1
      if matches >= Self.proportionCutoff { hasFailed = true }
    }
    seen = seen &+ 1 == Self.window ? 0 : seen &+ 1
    return !hasFailed
  }
}
