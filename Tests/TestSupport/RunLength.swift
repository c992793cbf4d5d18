// RunLength: how long the long tests run, and with which seeds.
import Glibc

/// How long the property tests run.
public enum RunLength {
  /// Whether the whole count is asked for (`APUS_FULL=1`).
  public static var isFull: Bool {
    guard let value = unsafe getenv("APUS_FULL") else { return false }
    return unsafe value[0] == 49
  }

  /// `full`, or one in a hundred of it.
  public static func scaled(_ full: Int) -> Int { isFull ? full : max(1, full / 100) }

  /// A fixed seed and one new one, which is printed.
  public static func seeds(_ name: String) -> [UInt64] {
    let fresh = UInt64.random(in: 1...UInt64.max)
    print("\(name): seeds 1 and \(fresh)")
    return [1, fresh]
  }
}
