// BenchPlot: the distributions of a run as SVG: one panel per metric on a logarithmic axis, labelled in place.
import Foundation
import Latency

/// Draws a run.
public struct BenchPlot: Sendable {
  private let file: BenchFile
  private let numbers: BenchNumbers
  private static let width = 460.0
  private static let height = 210.0
  private static let columns = 3
  private static let left = 16.0
  private static let right = 16.0
  private static let top = 46.0
  private static let bottom = 34.0
  private static let bins = 96

  /// The plot of a run.
  public init(_ file: BenchFile) {
    self.file = file
    numbers = BenchNumbers(file)
  }

  /// The picture, complete by itself.
  public var svg: String {
    let metrics = file.metrics.filter { ["ticks", "instructions"].contains($0.unit) && $0.warm.n > 1 }
    let rows = (metrics.count + Self.columns - 1) / Self.columns
    let width = Self.width * Double(Self.columns)
    let height = Self.height * Double(rows) + 44
    var out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(n(width)) \(n(height))\" font-family=\"sans-serif\">\n"
    out += "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    out += text(
      Self.left, 20,
      "\(file.board): task latency, \(numbers.unit("ticks")), logarithmic; commit \(file.commit)", 15,
      "#111", "start")
    out += text(Self.left, 36, file.statement, 11, "#555", "start")
    for (index, metric) in metrics.enumerated() {
      let x = Double(index % Self.columns) * Self.width
      let y = Double(index / Self.columns) * Self.height + 44
      out += "<g transform=\"translate(\(n(x)) \(n(y)))\">\n" + panel(metric) + "</g>\n"
    }
    return out + "</svg>\n"
  }

  private func panel(_ metric: BenchFile.Metric) -> String {
    guard let histogram = metric.warm.decodedHistogram else { return "" }
    let floor = metric.floor.flatMap { file[$0] }
    let values = [metric.warm.min, metric.warm.max, metric.cold?.min, metric.cold?.p99, floor?.warm.p50]
      .compactMap { $0 }.map { Swift.max(1, Double($0)) }
    // Whole powers of two around everything that is drawn.
    let low = (log2(values.min() ?? 1)).rounded(.down)
    let high = Swift.max(low + 1, (log2((values.max() ?? 2) + 1)).rounded(.up))
    let axis = Axis(low: low, high: high, left: Self.left, width: Self.width - Self.left - Self.right)
    let base = Self.height - Self.bottom
    // A long one in smaller letters, so that it stays within its panel.
    let title = "\(metric.key)  \(metric.title)"
    var out = text(Self.left, 16, title, Swift.min(12, 12 * 66 / title.count), "#111", "start")
    out += text(
      Self.left, 31,
      "n \(metric.warm.n), p50 \(label(metric.warm.p50, metric.unit)), p99 \(label(metric.warm.p99, metric.unit)), max \(label(metric.warm.max, metric.unit))"
        + (metric.instructions.map { ", \(BenchNumbers.text($0)) instr" } ?? ""), 10, "#555", "start")
    out += shape(histogram, axis, fill: "#4878a8", stroke: "none")
    if let cold = metric.cold?.decodedHistogram {
      out += shape(cold, axis, fill: "none", stroke: "#c0504d")
      if let value = metric.cold?.p50 {
        out += text(axis.x(Double(value)), Self.top + 22, "cold", 10, "#c0504d", "middle")
      }
    }
    out +=
      "<line x1=\"\(n(Self.left))\" y1=\"\(n(base))\" x2=\"\(n(Self.width - Self.right))\" y2=\"\(n(base))\" stroke=\"#888\"/>\n"
    var labelled = -Double.infinity
    let scale = numbers.value(1, unit: metric.unit)
    for value in roundNumbers(axis, scale) {
      let x = axis.x(value / scale)
      out += "<line x1=\"\(n(x))\" y1=\"\(n(base))\" x2=\"\(n(x))\" y2=\"\(n(base + 4))\" stroke=\"#888\"/>\n"
      if x < labelled + 36 { continue }
      labelled = x
      // At the edges inwards: beside this panel is another one.
      let anchor = x < Self.left + 20 ? "start" : x > Self.width - Self.right - 20 ? "end" : "middle"
      out += text(x, base + 16, label(units: value, metric.unit), 10, "#555", anchor)
    }
    // The median's name left of its line and the tail's right of its own, so that they never meet.
    out += mark(metric.warm.p50, "p50", axis, base, 0, "#111", "end")
    if metric.warm.p99 > metric.warm.p50 {
      out += mark(metric.warm.p99, "p99", axis, base, 0, "#111", "start")
    }
    if let floor { out += mark(floor.warm.p50, "floor", axis, base, 12, "#2c8a3c", "end") }
    return out
  }

  /// Round numbers on the axis: as many as there is room for, fewer to a power of ten the more powers there are; `scale`
  /// is how many of what the labels count (nanoseconds or instructions) a reading's unit has.
  private func roundNumbers(_ axis: Axis, _ scale: Double) -> [Double] {
    let range = exp2(axis.low) * scale...exp2(axis.high) * scale
    for steps in [[1.0, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], [1.0, 2.0, 5.0], [1.0]] {
      var found: [Double] = []
      for decade in -3...18 {
        found += steps.map { $0 * pow(10, Double(decade)) }.filter(range.contains)
      }
      if found.count <= 8 || steps.count == 1 { return found }
    }
    return []
  }

  /// Counts in bins of equal width on the axis; heights are square roots, so that a tail of one in a thousand shows.
  private func shape(_ histogram: Histogram, _ axis: Axis, fill: String, stroke: String) -> String {
    var bins = [Double](repeating: 0, count: Self.bins)
    histogram.forEach { index, count in
      let values = Histogram.values(of: index)
      let middle = (Double(values.lowerBound) + Double(values.upperBound)) / 2
      bins[axis.bin(middle, of: Self.bins)] += Double(count)
    }
    let most = bins.max() ?? 0
    guard most > 0 else { return "" }
    let base = Self.height - Self.bottom
    let room = base - Self.top - 26
    var path = "M\(n(axis.left)) \(n(base))"
    for (bin, count) in bins.enumerated() {
      let x = axis.left + axis.width * Double(bin) / Double(Self.bins)
      let y = base - room * (count / most).squareRoot()
      path += "L\(n(x)) \(n(y))L\(n(x + axis.width / Double(Self.bins))) \(n(y))"
    }
    path += "L\(n(axis.left + axis.width)) \(n(base))"
    return "<path d=\"\(path)\" fill=\"\(fill)\" stroke=\"\(stroke)\"/>\n"
  }

  private func mark(
    _ value: UInt64, _ name: String, _ axis: Axis, _ base: Double, _ drop: Double, _ colour: String,
    _ side: String
  ) -> String {
    let x = axis.x(Double(value))
    // No room left of the first value, nor right of the last.
    let anchor = x < Self.left + 6 ? "start" : x > Self.width - Self.right - 24 ? "end" : side
    return
      "<line x1=\"\(n(x))\" y1=\"\(n(Self.top + drop))\" x2=\"\(n(x))\" y2=\"\(n(base))\" stroke=\"\(colour)\" stroke-dasharray=\"3 3\"/>\n"
      + text(x + (anchor == "end" ? -3 : 3), Self.top + drop + 4, name, 10, colour, anchor)
  }

  private func label(_ reading: UInt64, _ unit: String) -> String {
    label(units: numbers.value(Double(reading), unit: unit), unit)
  }

  private func label(units value: Double, _ unit: String) -> String {
    if numbers.unit(unit) == "instr" {
      return value >= 1_000_000
        ? "\(BenchNumbers.text((value / 100_000).rounded() / 10))M" : BenchNumbers.text(value)
    }
    if value >= 1_000_000 { return "\(BenchNumbers.text((value / 100_000).rounded() / 10)) ms" }
    if value >= 1_000 { return "\(BenchNumbers.text((value / 100).rounded() / 10)) µs" }
    return "\(BenchNumbers.text((value * 10).rounded() / 10)) ns"
  }

  private func text(
    _ x: Double, _ y: Double, _ words: String, _ size: Int, _ colour: String, _ anchor: String
  ) -> String {
    "<text x=\"\(n(x))\" y=\"\(n(y))\" font-size=\"\(size)\" fill=\"\(colour)\" text-anchor=\"\(anchor)\">"
      + Markup.escaped(words) + "</text>\n"
  }

  private func n(_ value: Double) -> String { String(format: "%.1f", value) }
}

/// A logarithmic axis between two powers of two.
private struct Axis {
  let low: Double
  let high: Double
  let left: Double
  let width: Double

  func x(_ value: Double) -> Double { left + width * part(value) }
  func bin(_ value: Double, of count: Int) -> Int { min(count - 1, Int(part(value) * Double(count))) }
  private func part(_ value: Double) -> Double { min(1, max(0, (log2(max(1, value)) - low) / (high - low))) }
}

/// Text inside XML and HTML.
enum Markup {
  static func escaped(_ text: String) -> String {
    var out = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      default: if character.value >= 32 { out.unicodeScalars.append(character) }
      }
    }
    return out
  }
}
