// AES+Planes: the round functions on bit planes.

extension AES {
  // Bit b of byte i of block k sits in plane b at position 4·i' + k, where i' = 4·row + column:
  // a row of the state (FIPS 197 §3.4) is then sixteen neighbouring bits.

  // Transposes the 8×8 bit matrix of a word's bytes (Hacker's Delight §7-3).
  @inline(__always)
  private static func transpose(_ word: UInt64) -> UInt64 {
    var x = word
    var t = (x ^ x &>> 7) & 0x00AA_00AA_00AA_00AA
    x ^= t ^ t &<< 7
    t = (x ^ x &>> 14) & 0x0000_CCCC_0000_CCCC
    x ^= t ^ t &<< 14
    t = (x ^ x &>> 28) & 0x0000_0000_F0F0_F0F0
    return x ^ t ^ t &<< 28
  }

  static func pack(_ blocks: InlineArray<64, UInt8>) -> Planes {
    var planes = Planes(repeating: 0)
    for group in 0..<8 {
      var word: UInt64 = 0
      for lane in 0..<8 { word |= UInt64(blocks[place(8 &* group &+ lane)]) &<< UInt64(8 &* lane) }
      let bits = transpose(word)
      for bit in 0..<8 {
        planes[bit] |= (bits &>> UInt64(8 &* bit) & 0xFF) &<< UInt64(8 &* group)
      }
    }
    return planes
  }

  static func unpack(_ planes: Planes) -> InlineArray<64, UInt8> {
    var blocks = InlineArray<64, UInt8>(repeating: 0)
    for group in 0..<8 {
      var bits: UInt64 = 0
      for bit in 0..<8 { bits |= (planes[bit] &>> UInt64(8 &* group) & 0xFF) &<< UInt64(8 &* bit) }
      let word = transpose(bits)
      for lane in 0..<8 {
        blocks[place(8 &* group &+ lane)] = UInt8(truncatingIfNeeded: word &>> UInt64(8 &* lane))
      }
    }
    return blocks
  }

  /// One block, in the place of the first of four.
  static func pack(_ block: InlineArray<16, UInt8>) -> Planes {
    var top: UInt64 = 0
    var bottom: UInt64 = 0
    for lane in 0..<8 {
      top |= UInt64(block[place(4 &* lane)]) &<< UInt64(8 &* lane)
      bottom |= UInt64(block[place(4 &* lane &+ 32)]) &<< UInt64(8 &* lane)
    }
    top = transpose(top)
    bottom = transpose(bottom)
    var planes = Planes(repeating: 0)
    for bit in 0..<8 {
      let shift = UInt64(8 &* bit)
      // Eight bits of each half apart to every fourth place.
      var x = (top &>> shift & 0xFF) | (bottom &>> shift & 0xFF) &<< 32
      x = (x | x &<< 12) & 0x000F_000F_000F_000F
      x = (x | x &<< 6) & 0x0303_0303_0303_0303
      planes[bit] = (x | x &<< 3) & 0x1111_1111_1111_1111
    }
    return planes
  }

  /// The first of the four blocks.
  static func unpack(_ planes: Planes) -> InlineArray<16, UInt8> {
    var top: UInt64 = 0
    var bottom: UInt64 = 0
    for bit in 0..<8 {
      let shift = UInt64(8 &* bit)
      var x = planes[bit] & 0x1111_1111_1111_1111
      x = (x | x &>> 3) & 0x0303_0303_0303_0303
      x = (x | x &>> 6) & 0x000F_000F_000F_000F
      x = x | x &>> 12
      top |= (x & 0xFF) &<< shift
      bottom |= (x &>> 32 & 0xFF) &<< shift
    }
    top = transpose(top)
    bottom = transpose(bottom)
    var block = InlineArray<16, UInt8>(repeating: 0)
    for lane in 0..<8 {
      block[place(4 &* lane)] = UInt8(truncatingIfNeeded: top &>> UInt64(8 &* lane))
      block[place(4 &* lane &+ 32)] = UInt8(truncatingIfNeeded: bottom &>> UInt64(8 &* lane))
    }
    return block
  }

  // The byte of the four blocks that plane position `position` stands for.
  @inline(__always)
  private static func place(_ position: Int) -> Int {
    let block = position & 3
    let column = position &>> 2 & 3
    let row = position &>> 4
    return 16 &* block &+ 4 &* column &+ row
  }

  // Row r (bits 16r...16r+15) turns left by r columns, which are four bits each.
  static func shiftRows(_ planes: inout Planes) {
    for bit in 0..<8 {
      let p = planes[bit]
      planes[bit] =
        (p & 0xFFFF) | turn(p &>> 16 & 0xFFFF, 4) &<< 16 | turn(p &>> 32 & 0xFFFF, 8) &<< 32
        | turn(p &>> 48, 12) &<< 48
    }
  }

  static func unshiftRows(_ planes: inout Planes) {
    for bit in 0..<8 {
      let p = planes[bit]
      planes[bit] =
        (p & 0xFFFF) | turn(p &>> 16 & 0xFFFF, 12) &<< 16 | turn(p &>> 32 & 0xFFFF, 8) &<< 32
        | turn(p &>> 48, 4) &<< 48
    }
  }

  @inline(__always)
  private static func turn(_ row: UInt64, _ by: UInt64) -> UInt64 {
    (row &>> by | row &<< (16 &- by)) & 0xFFFF
  }

  // The next row's byte in this row's place.
  @inline(__always)
  private static func below(_ plane: UInt64, _ rows: UInt64) -> UInt64 {
    plane &>> (16 &* rows) | plane &<< (64 &- 16 &* rows)
  }

  // Multiplies every byte by x modulo x^8 + x^4 + x^3 + x + 1.
  @inline(__always)
  private static func timesX(_ p: Planes) -> Planes {
    [p[7], p[0] ^ p[7], p[1], p[2] ^ p[7], p[3] ^ p[7], p[4], p[5], p[6]]
  }

  // 2·a ^ 3·b ^ c ^ d = x·(a ^ b) ^ b ^ c ^ d, with b, c, d the rows below (FIPS 197 §5.1.3).
  static func mixColumns(_ planes: inout Planes) {
    var sums = Planes(repeating: 0)
    var rest = Planes(repeating: 0)
    for bit in 0..<8 {
      let b = below(planes[bit], 1)
      sums[bit] = planes[bit] ^ b
      rest[bit] = b ^ below(sums[bit], 2)
    }
    let doubled = timesX(sums)
    for bit in 0..<8 { planes[bit] = doubled[bit] ^ rest[bit] }
  }

  // The inverse is MixColumns after a ^= 4·(a ^ c) for every row (the matrix factors so).
  static func unmixColumns(_ planes: inout Planes) {
    var sums = Planes(repeating: 0)
    for bit in 0..<8 { sums[bit] = planes[bit] ^ below(planes[bit], 2) }
    let fourfold = timesX(timesX(sums))
    for bit in 0..<8 { planes[bit] ^= fourfold[bit] }
    mixColumns(&planes)
  }
}
