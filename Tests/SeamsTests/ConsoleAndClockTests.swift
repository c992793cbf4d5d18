// Tests of what the seams add to their implementations: number formats, tick arithmetic, bounded lists.
import Seams
import Testing
import X86

private final class Recorder: Console {
  var bytes: [UInt8] = []
  func write(_ byte: UInt8) { bytes.append(byte) }
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

private struct FixedClock: Clock {
  static var kind: ClockKind { .polled }
  let frequency: UInt64
  func now() -> Instant { Instant(ticks: 0) }
}

@Suite struct ConsoleAndClockTests {
  @Test(arguments: [0, 9, 10, 4096, UInt64.max]) func decimalsAreWrittenAsSwiftWritesThem(value: UInt64) {
    let console = Recorder()
    console.write(decimal: value)
    #expect(console.text == String(value))
  }

  @Test(arguments: [0, 1, 0xF, 0x10, 0xDEAD_BEEF, UInt64.max]) func hexadecimalsAreWrittenAsSwiftWritesThem(
    value: UInt64
  ) {
    let console = Recorder()
    console.write(hex: value)
    #expect(console.text == "0x" + String(value, radix: 16))
    let wide = Recorder()
    wide.write(hex: value, width: 16)
    #expect(wide.text.utf8.count == 18)
  }

  @Test func shortAndLongTextIsWrittenWhole() {
    let console = Recorder()
    console.line("short")
    console.line("a line that is longer than fifteen bytes, é")
    #expect(console.text == "short\na line that is longer than fifteen bytes, é\n")
  }

  @Test func ticksAreRoundedUpAndNeverWrap() {
    #expect(FixedClock(frequency: 1_000_000_000).ticks(microseconds: 10) == 10_000)
    #expect(FixedClock(frequency: 1).ticks(microseconds: 1) == 1)
    #expect(FixedClock(frequency: 1).ticks(microseconds: 1_000_001) == 2)
    #expect(FixedClock(frequency: 3).ticks(microseconds: 0) == 0)
    #expect(FixedClock(frequency: .max).ticks(microseconds: .max) == .max)
    #expect(FixedClock(frequency: 3_000_000_000).ticks(microseconds: 10_000_000) == 30_000_000_000)
    #expect(Instant(ticks: .max).advanced(by: 1) == Instant(ticks: .max))
  }

  @Test func aProcessorListKeepsEachIdOnceAndCountsTheRest() {
    var list = ProcessorList(boot: APICID(rawValue: 7))
    list.add(APICID(rawValue: 7))
    #expect(list.count == 1)
    for number in 0..<200 { list.add(APICID(rawValue: UInt32(1000 + 3 * number))) }
    #expect(list.count == ProcessorList.capacity)
    #expect(list.omitted == 200 - (ProcessorList.capacity - 1))
    #expect(list[.boot] == APICID(rawValue: 7))
    #expect(list[CPUIndex(119)] == APICID(rawValue: UInt32(1000 + 3 * 118)))
    #expect(list[CPUIndex(120)] == nil)
  }

  @Test func aMemoryMapKeepsWhatFitsAndCountsTheRest() {
    var map = MemoryMap()
    #expect(MemoryRegion(start: PhysicalAddress(.max), bytes: 2, kind: .usable) == nil)
    #expect(MemoryRegion(start: PhysicalAddress(0), bytes: 0, kind: .usable) == nil)
    map.add(nil)
    for number in 0..<100 {
      map.add(MemoryRegion(start: PhysicalAddress(UInt64(number) << 20), bytes: 4096, kind: .usable))
    }
    #expect(map.count == 64 && map.omitted == 37)
    #expect(map[64] == nil && map[-1] == nil)
  }

  @Test func slotsLeaveAGuardPageBelowEveryStack() {
    // Each stack must begin right above an unmapped page, and none may reach another.
    let slot = ProcessorSlot(CPUIndex(3))
    var ranges = [(slot.stack.rawValue, slot.stack.rawValue + ProcessorSlot.stackBytes)]
    for kind in [1, 2, 3, 4, 5].compactMap({ InterruptStack(rawValue: $0) }) {
      let low = slot.interruptStack(kind).rawValue
      ranges.append((low, low + ProcessorSlot.interruptStackBytes))
    }
    ranges.append((slot.block.rawValue, slot.block.rawValue + 4096))
    var previous = slot.base.rawValue
    for (low, high) in ranges {
      #expect(low >= previous + 4096)
      previous = high
    }
    #expect(previous <= ProcessorSlot(CPUIndex(4)).base.rawValue)
  }
}
