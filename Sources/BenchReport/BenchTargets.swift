// BenchTargets: what the suite is to reach, held against a run: published either way.
import Foundation

/// One promise and what became of it.
public struct BenchTarget: Sendable, Equatable {
  /// What was promised.
  public let what: String
  /// What was measured.
  public let figure: String
  /// Whether the promise is kept.
  public let isMet: Bool
}

/// The promises that a run can be held against.
public enum BenchTargets {
  /// Every promise of which the run has the figures.
  public static func judge(_ file: BenchFile) -> [BenchTarget] {
    exact(file) + floors(file) + scaling(file) + memory(file) + observability(file) + peers(file)
  }

  private static func limit(_ what: String, _ value: Double?, _ most: Double, _ unit: String) -> [BenchTarget]
  {
    guard let value else { return [] }
    let figure = unit == "x" ? String(format: "%.2f", value) : BenchNumbers.text(value)
    return [BenchTarget(what: what, figure: "\(figure) \(unit)", isMet: value <= most)]
  }

  private static func exact(_ file: BenchFile) -> [BenchTarget] {
    func p50(_ key: String) -> Double? { file[key].map { Double($0.warm.p50) } }
    return limit("L3 in at most 110 instructions", file["L3"]?.instructions, 110, "instructions")
      + limit("L3 without a locked instruction", file["L3"]?.lockedInstructions, 0, "locked")
      + limit(
        "L10 Core query of a guest in at most 300 instructions", p50("L10/guest/query"), 300, "instructions")
      + limit("L5 sends with one locked instruction", file["L5"]?.lockedInstructions, 1, "locked")
  }

  private static func floors(_ file: BenchFile) -> [BenchTarget] {
    // Times of an emulator are no promise's (and instructions are no times).
    guard file.counter == .hardware else { return [] }
    return ["L6", "L7", "L8"].flatMap { key -> [BenchTarget] in
      guard let metric = file[key], let floor = metric.floor.flatMap({ file[$0] }), floor.warm.p50 > 0 else {
        return []
      }
      return limit(
        "\(key) p50 at most 1.25 x its floor", Double(metric.warm.p50) / Double(floor.warm.p50), 1.25, "x")
    }
  }

  private static func scaling(_ file: BenchFile) -> [BenchTarget] {
    var targets: [BenchTarget] = []
    let timers = file.metrics.filter { $0.key.hasPrefix("L8/") }.compactMap(\.instructions)
    if let first = timers.first, let most = timers.max(), timers.count > 1 {
      targets += limit(
        "L8 insert and cancel flat: at most 1.25 x of one armed timer", most / first, 1.25, "x")
    }
    if file.counter == .hardware, let scaling = file["L12/scaling"] {
      let share = Double(scaling.warm.p90) / 100
      targets.append(
        BenchTarget(
          what: "L12 at least 90 % of one CPU's throughput on each", figure: "\(BenchNumbers.text(share)) %",
          isMet: share >= 90))
    }
    return targets
  }

  private static func memory(_ file: BenchFile) -> [BenchTarget] {
    limit("L13 at most 1 KiB per task", file["L13"].map { Double($0.warm.max) }, 1024, "bytes")
      + limit("L13 no heap call in steady state", file["L13/heap"].map { Double($0.warm.max) }, 0, "calls")
      + limit(
        "L17 counters of equal tasks differ by at most 1", file["L17/spread"].map { Double($0.warm.max) }, 1,
        "")
  }

  private static func observability(_ file: BenchFile) -> [BenchTarget] {
    guard let off = file["L3"]?.instructions, let counters = file["L15/counters"]?.instructions else {
      return []
    }
    return limit("L15 counters cost at most 30 instructions", counters - off, 30, "instructions")
  }

  private static func peers(_ file: BenchFile) -> [BenchTarget] {
    file.peers.flatMap { peer -> [BenchTarget] in
      guard let ratio = peer.apus_by_peer,
        ["wake to run", "yield (1)", "yield (1000)", "channel round trip"].contains(peer.metric)
      else { return [] }
      let what = "\(peer.metric) against \(peer.peer)"
      if ["Swift", "embassy", "tokio"].contains(where: peer.peer.hasPrefix) {
        return limit("\(what): at most a quarter", ratio, 0.25, "x")
      }
      if peer.peer.hasPrefix("stackful") || peer.peer.hasPrefix("atomics-free") {
        return limit("\(what): at most 1.7 x", ratio, 1.7, "x")
      }
      return []
    }
  }
}
