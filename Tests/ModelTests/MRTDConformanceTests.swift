// MRTDConformanceTests: tdx.md G.77, the model's MRTD against the build tool's.

import Measurement
import Model
import TDX
import Testing

@Suite struct MRTDConformanceTests {
  /// MRTD of four pages, of which the even ones are measured; `changed` flips one byte of one page.
  private func measure(changed: UInt64? = nil, byte: Int = 17) -> (model: Digest384?, tool: Digest384) {
    var memory = ArrayMemory(pageCount: 64)
    var td = TrustDomain(
      TDConfiguration(), windows: PageWindows(pageCount: 512), systemPageCount: 64)
    _ = td.addTable(GuestPage(rawValue: 0))
    var tool = MRTD()
    for number in 0..<UInt64(4) {
      let system = SystemPage(rawValue: 10 + number)
      var bytes: [UInt8] = []
      for index in 0..<4096 { bytes.append(UInt8(truncatingIfNeeded: UInt64(index) &* 13 &+ number)) }
      if changed == number { bytes[byte] ^= 0x40 }
      for word in 0..<512 {
        var value: UInt64 = 0
        for index in 0..<8 { value |= UInt64(bytes[8 * word + index]) << UInt64(8 * index) }
        memory.store(system, 8 * word, value)
      }
      let page = GuestPage(rawValue: 100 + number)
      let isAdded = td.addPage(page, system)
      #expect(isAdded)
      tool.addPage(gpa: page.address)
      guard number % 2 == 0 else { continue }
      for chunk in 0..<16 { _ = td.extend(page, offset: 256 * chunk, memory) }
      tool.extendPage(gpa: page.address, bytes.span)
    }
    td.finalizeMeasurement()
    let isLate = td.addPage(GuestPage(rawValue: 110), SystemPage(rawValue: 20))
    #expect(!isLate, "no page is added after the launch")
    return (td.measurements.mrtd.map { Digest384($0) }, tool.value)
  }

  @Test func g77_modelAndToolAgreeAndOnlyMeasuredBytesCount() {
    let plain = measure()
    #expect(plain.model == plain.tool)
    let measured = measure(changed: 2)
    #expect(measured.model == measured.tool && measured.model != plain.model)
    let unmeasured = measure(changed: 1)
    #expect(unmeasured.model == plain.model)
  }

  @Test func `a deferred MRTD closes the launch at once and is computed at its first reading, once`() {
    final class Calls { var count = 0 }
    let calls = Calls()
    var td = TrustDomain(TDConfiguration(), windows: PageWindows(pageCount: 512), systemPageCount: 64)
    td.finalizeMeasurement(
      DeferredRegister {
        calls.count += 1
        return MeasurementRegister(repeating: 7)
      })
    let isLate =
      td.addTable(GuestPage(rawValue: 0)) && td.addPage(GuestPage(rawValue: 1), SystemPage(rawValue: 20))
    #expect(!isLate && td.measurements.isFinal && calls.count == 0)
    for _ in 0..<2 { #expect(td.measurements.mrtd.map { $0[47] } == 7) }
    td.finalizeMeasurement()
    #expect(td.measurements.mrtd.map { $0[0] } == 7 && calls.count == 1)
  }
}
