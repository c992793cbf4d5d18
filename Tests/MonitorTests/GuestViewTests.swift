// GuestViewTests: words and bytes of guest memory, and a plain guest for the other tests.

import Monitor
import Testing

/// Guest memory as an array from address 0.
struct PlainGuest: GuestView, ~Copyable {
  var words: [UInt64]

  init(byteCount: Int) { words = [UInt64](repeating: 0, count: byteCount / 8) }

  func word(_ address: UInt64) -> UInt64? {
    address & 7 == 0 && address / 8 < UInt64(words.count) ? words[Int(address / 8)] : nil
  }

  mutating func setWord(_ address: UInt64, _ value: UInt64) -> Bool {
    guard address & 7 == 0, address / 8 < UInt64(words.count) else { return false }
    words[Int(address / 8)] = value
    return true
  }
}

/// A stopped vCPU as arrays.
struct PlainCPU: CPUState, ~Copyable {
  var words = [UInt64](repeating: 0, count: 512)
  var registers = [UInt64](repeating: 0, count: 16)

  func vmcb(_ offset: Int) -> UInt64 { words[offset / 8] }
  mutating func setVMCB(_ offset: Int, _ value: UInt64) { words[offset / 8] = value }
  func stored(_ register: GeneralRegister) -> UInt64 { registers[Int(register.rawValue)] }
  mutating func setStored(_ register: GeneralRegister, _ value: UInt64) {
    registers[Int(register.rawValue)] = value
  }
}

@Suite struct GuestViewTests {
  @Test func `bytes across a word are read and written in little-endian order`() {
    var guest = PlainGuest(byteCount: 64)
    let stored = guest.setLittle(5, 0x1122_3344_5566_7788, count: 8)
    #expect(stored)
    #expect(guest.little(5, count: 8) == 0x1122_3344_5566_7788)
    #expect(guest.little(5, count: 2) == 0x7788)
    #expect(guest.word(0) == 0x6677_8800_0000_0000)
  }

  @Test func `what lies outside memory is nil and takes no store`() {
    var guest = PlainGuest(byteCount: 64)
    #expect(guest.little(60, count: 8) == nil)
    let stored = guest.setLittle(60, .max, count: 8)
    #expect(!stored)
  }
}
