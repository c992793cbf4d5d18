// Hex: text forms of bytes, and a seeded generator, for the tests of this room.
import Crypto

func hex(_ bytes: some Sequence<UInt8>) -> String {
  var text = ""
  for byte in bytes {
    let digits = String(byte, radix: 16)
    text += digits.count == 1 ? "0" + digits : digits
  }
  return text
}

func hex<let count: Int>(_ array: InlineArray<count, UInt8>) -> String { hex(bytes(array)) }

func bytes<let count: Int>(_ array: InlineArray<count, UInt8>) -> [UInt8] { (0..<count).map { array[$0] } }

func bytes(_ text: some StringProtocol) -> [UInt8] {
  var out: [UInt8] = []
  var high: UInt8?
  for character in text.utf8 {
    let digit: UInt8
    switch character {
    case 0x30...0x39: digit = character - 0x30
    case 0x61...0x66: digit = character - 0x61 + 10
    case 0x41...0x46: digit = character - 0x41 + 10
    default: continue
    }
    if let nibble = high {
      out.append(nibble << 4 | digit)
      high = nil
    } else {
      high = digit
    }
  }
  return out
}
