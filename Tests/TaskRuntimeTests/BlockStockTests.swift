// Tests of a CPU's stock of heap objects: classes, bounds, second releases, and what never lies in a stock.
import Tasks
import Testing

@Suite struct BlockStockTests {
  private func header(_ bytes: UInt64, reserved: Bool = false) -> ObjectHeader {
    ObjectHeader(blockBytes: bytes, lead: ObjectHeader.plainLead, isReserved: reserved)
  }

  @Test func everySizeHasTheSmallestClassThatHoldsIt() {
    for bytes in 0...UInt64(BlockStock.largest) {
      let index = BlockStock.sizeClass(bytes)
      #expect(BlockStock.blockBytes(index) >= bytes + 16)
      #expect(index == 0 || BlockStock.blockBytes(index - 1) < bytes + 16)
    }
    #expect(BlockStock.sizeClass(UInt64(BlockStock.largest)) == BlockStock.classes - 1)
  }

  @Test func whatIsGivenBackIsTakenAgainNewestFirst() {
    let stock = HostedStock()
    for index in 0..<BlockStock.classes {
      let objects = (0..<3).map { _ in stock.make(header(BlockStock.blockBytes(index))) }
      for object in objects {
        stock.scribble(object, index)
        guard case .done = stock.give(object) else { Issue.record("refused"); return }
      }
      #expect(stock.count(index) == 3)
      for object in objects.reversed() {
        #expect(stock.take(index) == object)
        stock.scribble(object, index)
      }
      #expect(stock.take(index) == 0 && stock.count(index) == 0)
    }
  }

  @Test func aSecondReleaseChangesNothing() {
    let stock = HostedStock()
    let object = stock.make(header(64))
    for _ in 0..<3 { _ = stock.give(object) }
    #expect(stock.count(0) == 1)
    #expect(stock.take(0) == object && stock.take(0) == 0)
  }

  @Test func aStockHoldsSixteenKibibytesOfAClassAtMost() {
    for index in 0..<BlockStock.classes {
      let stock = HostedStock()
      let limit = Int(BlockStock.keep(index))
      #expect(UInt64(limit) * BlockStock.blockBytes(index) == 16384)
      for _ in 0..<limit { _ = stock.give(stock.make(header(BlockStock.blockBytes(index)))) }
      guard case .full(index) = stock.give(stock.make(header(BlockStock.blockBytes(index)))) else {
        Issue.record("not full")
        return
      }
      #expect(stock.count(index) == UInt(limit))
    }
  }

  // The reserve's objects (I6), aligned ones and big ones go back to the heap itself.
  @Test func whatIsNotPlainNeverLiesInAStock() {
    let stock = HostedStock()
    for header in [
      header(64, reserved: true), header(4096), ObjectHeader(blockBytes: 128, lead: 64), header(0),
    ] {
      guard case .notMine = stock.give(stock.make(header)) else {
        Issue.record("\(header) went into the stock")
        return
      }
    }
    for index in 0..<BlockStock.classes { #expect(stock.count(index) == 0) }
  }
}
