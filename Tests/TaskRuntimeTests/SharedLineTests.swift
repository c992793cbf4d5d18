// SharedLineTests: eight shared words at a time, and numbers beyond them.
import Tasks
import Testing

@Suite struct SharedLineTests {
  @Test func aLineIsEightOfTheWords() {
    let words = SharedWords(count: 24)
    for index in 0..<24 { words[index].storeRelaxed(UInt64(index) + 100) }
    for index in 0..<24 { #expect(words.line(index / 8)[index % 8].loadRelaxed() == UInt64(index) + 100) }
    words.line(1)[3].storeRelaxed(7)
    #expect(words[11].loadRelaxed() == 7)
  }

  @Test func aNumberBeyondTheWordsIsTheLastLine() {
    let words = SharedWords(count: 17)
    words[16].storeRelaxed(9)
    for index in [2, 3, -1, .max, .min] { #expect(words.line(index)[0].loadRelaxed() == 9) }
    #expect(words.line(2)[8].loadRelaxed() == 9, "word 8 is word 0 of its line")
    // Words that only fill up the line exist and are zero.
    #expect(words.line(2)[7].loadRelaxed() == 0)
  }
}
