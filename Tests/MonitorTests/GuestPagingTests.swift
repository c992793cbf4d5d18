// GuestPagingTests: walks over tables that the tests write.

import Monitor
import Testing

/// 16 MiB with 4-level tables: 0x40000000 leads to 4 KiB pages, 0x80000000 to a 2 MiB leaf.
func pagedGuest(markBit: UInt64) -> PlainGuest {
  var guest = PlainGuest(byteCount: 16 << 20)
  func set(_ address: UInt64, _ value: UInt64) { _ = guest.setWord(address, value) }
  set(0x1000, 0x2000 | 7 | markBit)
  set(0x2000 + 8, 0x3000 | 7 | markBit)
  set(0x2000 + 16, 0x5000 | 7 | markBit)
  set(0x3000, 0x4000 | 7 | markBit)
  set(0x4000, 0x10_0000 | 3 | markBit)
  set(0x4000 + 8, 0x10_1000 | 5 | markBit)
  set(0x4000 + 16, 0x10_2000 | 7 | 1 << 63)
  set(0x5000, 0x20_0000 | 0x83 | markBit)
  return guest
}

private let markBit: UInt64 = 1 << 47

private func paging(_ cr0: UInt64 = 0x8001_0031, cr4: UInt64 = 0x20) -> GuestPaging {
  GuestPaging(cr0: cr0, cr3: 0x1000 | markBit, cr4: cr4, efer: 0xD00, markBit: markBit)
}

@Suite struct GuestPagingTests {
  @Test func `a 4 KiB page and a 2 MiB leaf are found without their mark bit`() throws {
    let guest = pagedGuest(markBit: markBit)
    let small = try paging().translate(0x4000_0123, guest)
    #expect(small.address == 0x10_0123)
    #expect(small.hasMarkBit && small.isWritable && !small.isUser && small.isExecutable)
    let large = try paging().translate(0x8012_3456, guest)
    #expect(large.address == 0x32_3456)
    #expect(large.pageByteCount == 1 << 21)
    let plain = try paging().translate(0x4000_2000, guest)
    #expect(!plain.hasMarkBit && !plain.isExecutable)
  }

  @Test func `faults carry the error code of the access`() {
    let guest = pagedGuest(markBit: markBit)
    #expect(throws: GuestPageFault(errorCode: 2, address: 0x4000_3000)) {
      _ = try paging().translate(0x4000_3000, for: .write, cpl: 0, guest)
    }
    #expect(throws: GuestPageFault(errorCode: 1 | 2, address: 0x4000_1000)) {
      _ = try paging().translate(0x4000_1000, for: .write, cpl: 0, guest)
    }
    #expect(throws: GuestPageFault(errorCode: 1 | 4, address: 0x4000_0000)) {
      _ = try paging().translate(0x4000_0000, for: .read, cpl: 3, guest)
    }
    #expect(throws: GuestPageFault(errorCode: 1 | 16, address: 0x4000_2000)) {
      _ = try paging().translate(0x4000_2000, for: .fetch, cpl: 0, guest)
    }
    #expect(throws: Never.self) {
      _ = try paging(0x8000_0031).translate(0x4000_1000, for: .write, cpl: 0, guest)
    }
  }

  @Test func `without paging the address is the linear one and private`() throws {
    let guest = pagedGuest(markBit: markBit)
    let found = try paging(0x31).translate(0x1_0000_0123, guest)
    #expect(found.address == 0x123)
    #expect(found.hasMarkBit)
  }

  @Test func `PAE and 32-bit tables are walked`() throws {
    var guest = PlainGuest(byteCount: 1 << 20)
    _ = guest.setWord(0x1000 + 8, 0x2000 | 1)
    _ = guest.setWord(0x2000, 0x3000 | 3)
    _ = guest.setWord(0x3000 + 8, 0x5000 | 3)
    let pae = GuestPaging(cr0: 0x8000_0011, cr3: 0x1000, cr4: 0x20, efer: 0, markBit: markBit)
    #expect(try pae.translate(0x4000_1042, guest).address == 0x5042)
    _ = guest.setLittle(0x4000, 0x6000 | 3, count: 4)
    _ = guest.setLittle(0x6000 + 4, 0x7000 | 3, count: 4)
    let legacy = GuestPaging(cr0: 0x8000_0011, cr3: 0x4000, cr4: 0, efer: 0, markBit: markBit)
    #expect(try legacy.translate(0x1042, guest).address == 0x7042)
  }

  @Test func `fetching stops at the end of mapped memory`() {
    let guest = pagedGuest(markBit: markBit)
    #expect(paging().fetch(0x4000_2FFC, guest).count == 4)
    #expect(paging().fetch(0x4000_0FFC, guest).count == 15)
    #expect(paging().fetch(0xDEAD_0000_0000, guest).count == 0)
  }
}
