// Hello: first light.
import Boot

public func hello(_ text: StaticString) {
  text.withUTF8Buffer { bytes in
    for unsafe byte in unsafe bytes { apus_out8(0x3F8, byte) }
  }
  apus_out8(0xF4, 0x10)
}
