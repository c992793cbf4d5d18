// BenchFile: the JSON file of one run of the latency suite on one board.
import Foundation
import Latency

/// Why a benchmark file can't be used.
public struct BenchError: Error, Equatable, Sendable {
  /// In one sentence.
  public let reason: String
  /// An error.
  public init(_ reason: String) { self.reason = reason }
}

/// One run of the suite.
public struct BenchFile: Codable, Sendable {
  /// What the counter counted.
  public enum Counter: String, Codable, Sendable {
    /// A time-stamp counter on a real CPU.
    case hardware
    /// The emulated counter of QEMU's TCG: times mean nothing beside hardware's.
    case tcg
    /// Instructions, exactly (`-icount shift=0`).
    case instructions
  }
  /// A distribution, in the metric's unit.
  public struct Series: Codable, Sendable, Equatable {
    /// How many readings.
    public var n: UInt64
    /// The smallest.
    public var min: UInt64
    /// Half of the readings are at most this.
    public var p50: UInt64
    /// 90 % are.
    public var p90: UInt64
    /// 99 % are.
    public var p99: UInt64
    // swift-format-ignore: AlwaysUseLowerCamelCase
    /// 99.9 % are. (The name of the JSON field.)
    public var p99_9: UInt64
    // swift-format-ignore: AlwaysUseLowerCamelCase
    /// 99.99 % are. (The name of the JSON field.)
    public var p99_99: UInt64
    /// The largest.
    public var max: UInt64
    /// Which one that was, from 0.
    public var maxIndex: UInt64
    /// The mean, exact.
    public var mean: Double
    /// The standard deviation, from the histogram.
    public var sd: Double
    /// Pairs of counter and count, 32 bits each, little-endian, base64 (`Histogram` says what a counter is).
    public var histogram: String
  }
  /// One metric.
  public struct Metric: Codable, Sendable {
    /// Number of runtime.md §6 and variant.
    public var key: String
    /// What begins and ends a reading.
    public var title: String
    /// `ticks`, `instructions`, `bytes`, `count` or `basisPoints`.
    public var unit: String
    /// The metric that is its floor in the same image.
    public var floor: String?
    /// What was subtracted from every reading.
    public var probeMinimum: UInt64
    /// One operation in ticks, from the best of five batches: finer than a single reading can be.
    public var batch: Double?
    /// Instructions of one operation.
    public var instructions: Double?
    /// Locked instructions among them.
    public var lockedInstructions: Double?
    /// In steady state.
    public var warm: Series
    /// With the caches emptied before each reading.
    public var cold: Series?
    /// The empty probe in the same place.
    public var probe: Series?
  }
  /// A metric that was not measured.
  public struct Skipped: Codable, Sendable, Equatable {
    /// Its key.
    public var key: String
    /// Why not.
    public var reason: String
    /// A line.
    public init(key: String, reason: String) {
      self.key = key
      self.reason = reason
    }
  }
  /// A program of `ci/peers`, measured in the same run.
  public struct Peer: Codable, Sendable, Equatable {
    /// Which one; `Apus` for our own figure of the same run.
    public var peer: String
    /// What it did.
    public var metric: String
    /// Nanoseconds an operation, the best of several processes.
    public var nanoseconds: Double
    // swift-format-ignore: AlwaysUseLowerCamelCase
    /// Apus's figure divided by this one. (The name of the JSON field.)
    public var apus_by_peer: Double?
    /// A figure.
    public init(peer: String, metric: String, nanoseconds: Double, apus_by_peer: Double?) {
      self.peer = peer
      self.metric = metric
      self.nanoseconds = nanoseconds
      self.apus_by_peer = apus_by_peer
    }
  }

  /// The value of `format`.
  public static var formatName: String { "apus-bench" }
  /// The value of `version` that this tool reads and writes.
  public static var currentVersion: Int { 1 }

  /// Always `apus-bench`.
  public var format = BenchFile.formatName
  /// The schema's version.
  public var version = BenchFile.currentVersion
  /// The board.
  public var board: String
  /// What the counter counted.
  public var counter: Counter
  /// What that means for a reader.
  public var statement: String
  /// The source's commit.
  public var commit: String
  /// The compiler.
  public var toolchain: String
  /// Compiler flags and options of the run.
  public var flags: String
  /// The CPU that ran it.
  public var cpuModel: String
  /// Ticks of the counter in a millisecond.
  public var ticksPerMillisecond: UInt64
  /// CPUs.
  public var cpus: Int
  /// `off`, `counters` or `full`.
  public var observability: String
  /// What was measured.
  public var metrics: [Metric]
  /// What was not.
  public var skipped: [Skipped]
  /// Programs beside it.
  public var peers: [Peer]

  /// The text, the same for the same contents.
  public func json() throws(BenchError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do { return [UInt8](try encoder.encode(self)) + [0x0A] } catch {
      throw BenchError("it cannot be written as JSON")
    }
  }

  /// Reads and checks a file.
  public init(json: [UInt8]) throws(BenchError) {
    let head: Head
    do { head = try JSONDecoder().decode(Head.self, from: Data(json)) } catch {
      throw BenchError("it is truncated or not JSON of this kind")
    }
    guard head.format == Self.formatName else { throw BenchError("it is not a benchmark file of Apus") }
    guard head.version == Self.currentVersion else {
      throw BenchError("its schema version is \(head.version), this tool knows \(Self.currentVersion)")
    }
    do { self = try JSONDecoder().decode(BenchFile.self, from: Data(json)) } catch {
      throw BenchError("a field is missing or of the wrong kind")
    }
    guard ticksPerMillisecond > 0, !metrics.isEmpty else { throw BenchError("it holds no measurement") }
    for metric in metrics {
      for series in [metric.warm, metric.cold, metric.probe] {
        guard let series else { continue }
        guard let histogram = series.decodedHistogram, histogram.total == series.n else {
          throw BenchError("the histogram of \(metric.key) is damaged")
        }
      }
    }
  }

  private struct Head: Codable {
    var format: String
    var version: Int
  }

  /// The metric with this key.
  public subscript(key: String) -> Metric? { metrics.first { $0.key == key } }
}

extension BenchFile.Series {
  /// The readings; nil if the text is not a histogram.
  public var decodedHistogram: Histogram? {
    guard let data = Data(base64Encoded: histogram), data.count % 8 == 0 else { return nil }
    var result = Histogram()
    let bytes = [UInt8](data)
    for start in stride(from: 0, to: bytes.count, by: 8) {
      guard result.add(Self.word(bytes, start + 4), at: Int(Self.word(bytes, start))) else { return nil }
    }
    return result
  }

  private static func word(_ bytes: [UInt8], _ start: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
  }
}
