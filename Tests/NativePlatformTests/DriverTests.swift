// Tests of the drivers: what they write, in which order, and that they never wait for ever.
import NativePlatform
import Seams
import Testing
import X86

private final class FakeHardware: PortSpace, MSRSpace, APICPage, CycleCounter, @unchecked Sendable {
  var ports: [UInt16: UInt8] = [:]
  var portWrites: [(UInt16, UInt8)] = []
  var msrs: [UInt32: UInt64] = [0x1B: 0xFEE0_0900]
  var msrWrites: [(UInt32, UInt64)] = []
  var registers: [UInt16: UInt32] = [:]
  var writes: [(UInt16, UInt32)] = []
  var counter: UInt64 = 0

  func in8(_ port: UInt16) -> UInt8 { ports[port] ?? 0xFF }
  func out8(_ port: UInt16, _ value: UInt8) {
    portWrites.append((port, value))
    if port == 0x3FF { ports[port] = value }
  }
  func read(_ register: MSR) -> UInt64 { msrs[register.rawValue] ?? 0 }
  func write(_ register: MSR, _ value: UInt64) {
    msrs[register.rawValue] = value
    msrWrites.append((register.rawValue, value))
  }
  func read(_ offset: UInt16) -> UInt32 { registers[offset] ?? 0 }
  func write(_ offset: UInt16, _ value: UInt32) { writes.append((offset, value)) }
  func cycles() -> UInt64 { counter }
}

@Suite struct DriverTests {
  @Test func anXAPICCommandWritesTheTargetFirst() {
    let hardware = FakeHardware()
    let apic = LocalAPIC(registers: hardware, page: hardware, features: [])
    apic.sendInit(APICID(rawValue: 5))
    apic.sendStartUp(APICID(rawValue: 5), page: Frame(number: 0x9E))
    apic.sendInterrupt(APICID(rawValue: 254), vector: 0x41)
    #expect(hardware.writes.map(\.0) == [0x310, 0x300, 0x310, 0x300, 0x310, 0x300])
    #expect(
      hardware.writes.map(\.1) == [5 << 24, 0x4500, 5 << 24, 0x469E, 254 << 24, 0x4041])
    #expect(apic.canAddress(APICID(rawValue: 254)) && !apic.canAddress(APICID(rawValue: 255)))
  }

  @Test func anX2APICCommandIsOneWriteAndReachesAnyId() {
    let hardware = FakeHardware()
    let apic = LocalAPIC(registers: hardware, page: hardware, features: .x2apic)
    apic.enable()
    #expect(hardware.msrs[0x1B] == 0xFEE0_0D00)
    hardware.msrWrites = []
    apic.sendInterrupt(APICID(rawValue: 70_000), vector: 0x41)
    #expect(hardware.msrWrites.map(\.0) == [0x830] && hardware.msrWrites.map(\.1) == [70_000 << 32 | 0x4041])
    #expect(hardware.writes.isEmpty && apic.canAddress(APICID(rawValue: 70_000)))
  }

  @Test func aDeliveryThatNeverEndsDoesNotStopTheSender() {
    let hardware = FakeHardware()
    hardware.registers[0x300] = 1 << 12
    LocalAPIC(registers: hardware, page: hardware, features: []).sendInit(APICID(rawValue: 1))
    #expect(hardware.writes.count == 2)
  }

  @Test func aDeadTransmitterDropsBytes() {
    let hardware = FakeHardware()
    let console = SerialConsole(ports: hardware)
    #expect(console.hasUART && !console.hasDebugPort)
    hardware.portWrites = []
    hardware.ports[0x3FD] = 0
    console.write(0x41)
    #expect(hardware.portWrites.isEmpty)
    hardware.ports[0x3FD] = 0x20
    console.write(0x0A)
    #expect(hardware.portWrites.map(\.1) == [0x0D, 0x0A])
  }

  @Test func ratesComeFromTheTicksBetweenTwoSamples() {
    let first = ClockSample(cycles: 1000, pit: 65_000, apic: .max)
    let last = ClockSample(cycles: 1000 + 3_000_000, pit: 65_000 - 1193, apic: .max - 1_000_000)
    let rates = ClockRates(from: first, to: last)
    #expect(rates.cyclesPerSecond == 3_000_000 * 1_193_182 / 1193)
    #expect(rates.apicPerSecond == 1_000_000 * 1_193_182 / 1193)
    #expect(ClockRates(from: first, to: first).cyclesPerSecond == ClockRates.fallback)
  }

  private func clock(_ hardware: FakeHardware, deadline: Bool) -> NativeClock<
    FakeHardware, FakeHardware, FakeHardware
  > {
    let rates = ClockRates(
      from: ClockSample(cycles: 0, pit: 1193, apic: 1_000_000),
      to: ClockSample(cycles: 3_000_000, pit: 0, apic: 0))
    let apic = LocalAPIC(registers: hardware, page: hardware, features: [])
    return NativeClock(
      cycles: hardware, registers: hardware, controller: apic, rates: rates, usesDeadline: deadline)
  }

  @Test(arguments: [1, 2, 3, 1000, 3_000_000, 12_884_901_885, UInt64.max])
  func aTimerCountIsNeverTooShortUnlessCut(wait: UInt64) {
    let clock = clock(FakeHardware(), deadline: false)
    let count = UInt64(clock.timerCount(for: wait))
    // Three cycles to an APIC tick.
    if count < UInt64(UInt32.max) {
      #expect(count >= wait / 3 && count <= wait / 3 + (wait >> 32) + 2)
    } else {
      #expect(wait >= 3 << 32 - 6)
    }
  }

  @Test func aDeadlineInThePastInterruptsAtOnce() {
    let hardware = FakeHardware()
    hardware.counter = 500
    clock(hardware, deadline: false).arm(at: Instant(ticks: 400))
    #expect(hardware.writes.map(\.0) == [0x380] && hardware.writes.map(\.1) == [1])
    clock(hardware, deadline: true).arm(at: Instant(ticks: 0))
    #expect(hardware.msrs[0x6E0] == 1)
    clock(hardware, deadline: true).disarm()
    #expect(hardware.msrs[0x6E0] == 0)
  }
}
