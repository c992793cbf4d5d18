// HistogramTests: the counters of a histogram, and percentiles against sorted values.
import Latency
import Testing

@Suite struct HistogramTests {
  @Test func `every value lies in the range of its counter, to three digits`() {
    var value: UInt64 = 0
    while value < Histogram.limit {
      let range = Histogram.values(of: Histogram.index(of: value))
      #expect(range.contains(value))
      #expect((range.upperBound - range.lowerBound) * 1000 <= max(value, 1))
      value = value + 1 + value / 977
    }
  }

  @Test func `counters follow each other without gap or overlap up to the limit`() {
    var next: UInt64 = 0
    for index in 0..<Histogram.counters {
      let range = Histogram.values(of: index)
      #expect(range.lowerBound == next)
      #expect(Histogram.index(of: range.lowerBound) == index)
      #expect(Histogram.index(of: range.upperBound) == index)
      next = range.upperBound + 1
    }
    #expect(next == Histogram.limit + 1)
  }

  @Test func `values beyond the limit are counted at the limit`() {
    var histogram = Histogram()
    histogram.record(.max)
    #expect(histogram.count(at: Histogram.counters - 1) == 1)
  }

  @Test(arguments: [1, 2, 99] as [UInt64])
  func `percentiles are those of the sorted values, to three digits`(seed: UInt64) {
    var random = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var histogram = Histogram()
    var values: [UInt64] = []
    for _ in 0..<5000 {
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      let value = random >> (24 + random % 36)
      values.append(value)
      histogram.record(value)
    }
    values.sort()
    for parts in [1, 250_000, 500_000, 900_000, 990_000, 999_000, 999_900, 1_000_000] as [UInt64] {
      let rank = max(1, (UInt64(values.count) * parts + 999_999) / 1_000_000)
      let exact = values[Int(rank) - 1]
      #expect(
        histogram.percentile(millionths: parts) == Histogram.values(of: Histogram.index(of: exact)).upperBound
      )
    }
    #expect(histogram.total == 5000)
  }

  @Test func `an index that does not exist and a counter that would overflow are refused`() {
    var histogram = Histogram()
    let answers = [
      histogram.add(1, at: -1), histogram.add(1, at: Histogram.counters), histogram.add(.max, at: 7),
      histogram.add(1, at: 7),
    ]
    #expect(answers == [false, false, true, false])
    #expect(histogram.count(at: 7) == .max)
  }

  @Test func `a recorder subtracts its offset, never below zero, and knows its largest reading`() {
    let recorder = Recorder()
    recorder.offset = 50
    for ticks in [49, 60, 1050, 55] as [UInt64] { recorder.record(ticks) }
    #expect(recorder.minimum == 0)
    #expect(recorder.maximum == 1000)
    #expect(recorder.maximumIndex == 2)
    #expect(recorder.sum == 1015)
  }

  // sel4bench's rule (runtime.md §5): a probe whose readings vary too much makes the run worthless.
  @Test func `a probe with a tail is unstable, one without is stable`() {
    let recorder = Recorder()
    for _ in 0..<1000 { recorder.record(50) }
    #expect(recorder.isStable(limitPercent: 200))
    for _ in 0..<20 { recorder.record(101) }
    #expect(!recorder.isStable(limitPercent: 200))
    #expect(recorder.isStable(limitPercent: 300))
    #expect(!Recorder().isStable(limitPercent: 200))
  }
}
