// SharedMemory: two pages, numbers 0 and 1, that copies of the value share.

import Model

struct SharedMemory: PageMemory {
  private final class Pages {
    var words = [UInt64](repeating: 0, count: 1024)
  }

  private let pages = Pages()

  func load(_ page: SystemPage, _ offset: Int) -> UInt64 {
    pages.words[Int(page.rawValue) * 512 + offset / 8]
  }
  func store(_ page: SystemPage, _ offset: Int, _ value: UInt64) {
    pages.words[Int(page.rawValue) * 512 + offset / 8] = value
  }
  func zero(_ page: SystemPage) {
    for offset in stride(from: 0, to: 4096, by: 8) { store(page, offset, 0) }
  }
}
