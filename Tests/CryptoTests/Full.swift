// Full: whether the long counts were asked for.
import Foundation

enum Full {
  /// APUS_FULL=1 runs the counts that the project's issues name; otherwise one percent of them.
  static var isSet: Bool { ProcessInfo.processInfo.environment["APUS_FULL"] != nil }
}
