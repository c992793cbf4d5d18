// RunLength: how long the long tests run, and from which seeds.
import Foundation

/// The counts and seeds of property tests and fuzzers.
public enum RunLength {
  /// Whether the counts that the project's issues name are asked for (`APUS_FULL=1`, `ci/test --full`).
  public static var isFull: Bool { ProcessInfo.processInfo.environment["APUS_FULL"] == "1" }

  /// `full`, or one in a hundred of it.
  public static func scaled(_ full: Int) -> Int { isFull ? full : max(1, full / 100) }

  /// A fixed seed and one new one; both are printed under the name of what runs.
  public static func seeds(_ name: String) -> [UInt64] {
    let fresh = UInt64.random(in: 1 ... .max)
    print("\(name): seeds 1 and \(fresh)")
    return [1, fresh]
  }
}
