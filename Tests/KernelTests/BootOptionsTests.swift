// Tests of the kernel's command line.
import Kernel
import Seams
import Testing

@Suite struct BootOptionsTests {
  private func options(_ text: String) -> BootOptions {
    var line = CommandLine()
    for byte in text.utf8 { line.append(byte) }
    return BootOptions(line)
  }

  @Test func wordsAreFoundWholeOnly() {
    let options = options("until=idle map die=ud2 ")
    #expect(options.has("map") && options.has("until") && options.has("until", "idle"))
    #expect(!options.has("ma") && !options.has("mapp") && !options.has("until", "idl"))
    #expect(!options.has("until", "idle ") && !options.has("idle") && !options.has("die", "ud"))
    #expect(!options.has("map", "x") && options.has("map", ""))
  }

  @Test func theLastOfTwoEqualNamesCounts() {
    #expect(options("mute=1 mute=2").number("mute") == 2)
  }

  @Test func numbersAreCheckedWhole() {
    let options = options("a=12 b=0 c= d=1x e=99999999999999999999 f g=18446744073709551615")
    #expect(options.number("a") == 12 && options.number("b") == 0)
    #expect(options.number("c") == nil && options.number("d") == nil && options.number("e") == nil)
    #expect(options.number("f") == nil && options.number("z") == nil)
    #expect(options.number("g") == .max)
  }

  @Test func anEmptyOrOverlongLineIsHarmless() {
    #expect(!options("").has("a") && !options("   ").has("a"))
    let long = options(String(repeating: "x", count: 300) + " map")
    #expect(!long.has("map"))
    var line = CommandLine()
    for _ in 0..<257 { line.append(0x61) }
    #expect(line.isCut && line.count == 256 && line[256] == 0 && line[-1] == 0)
  }

  @Test func aProcessorSetHoldsUpTo128() {
    var set = ProcessorSet()
    for number in [0, 63, 64, 127, 128, 4_000_000_000] as [UInt32] { set.insert(CPUIndex(number)) }
    #expect(set.count == 4)
    #expect(set.contains(CPUIndex(64)) && !set.contains(CPUIndex(65)) && !set.contains(CPUIndex(128)))
  }
}
