// SHA256+Rounds: the 64 rounds over one block.
// Generated table: round constants are the fractional parts of the cube roots of the first
// 64 primes (FIPS 180-4 §4.2.2). Sixteen rounds a turn, so that the schedule lives in sixteen variables.

extension SHA256 {
  /// Compresses the block of 64 bytes at `offset`; the caller has checked that it is there.
  @inline(never)
  static func compress(_ state: inout InlineArray<8, UInt32>, _ bytes: borrowing Span<UInt8>, at offset: Int)
  {
    let constants = constants.span
    let block = bytes.extracting(offset..<(offset &+ 64))
    var w0 = load(block, 0)
    var w1 = load(block, 4)
    var w2 = load(block, 8)
    var w3 = load(block, 12)
    var w4 = load(block, 16)
    var w5 = load(block, 20)
    var w6 = load(block, 24)
    var w7 = load(block, 28)
    var w8 = load(block, 32)
    var w9 = load(block, 36)
    var w10 = load(block, 40)
    var w11 = load(block, 44)
    var w12 = load(block, 48)
    var w13 = load(block, 52)
    var w14 = load(block, 56)
    var w15 = load(block, 60)
    var a = state[0]
    var b = state[1]
    var c = state[2]
    var d = state[3]
    var e = state[4]
    var f = state[5]
    var g = state[6]
    var h = state[7]
    round(a, b, c, &d, e, f, g, &h, w0 &+ constants[0])
    round(h, a, b, &c, d, e, f, &g, w1 &+ constants[1])
    round(g, h, a, &b, c, d, e, &f, w2 &+ constants[2])
    round(f, g, h, &a, b, c, d, &e, w3 &+ constants[3])
    round(e, f, g, &h, a, b, c, &d, w4 &+ constants[4])
    round(d, e, f, &g, h, a, b, &c, w5 &+ constants[5])
    round(c, d, e, &f, g, h, a, &b, w6 &+ constants[6])
    round(b, c, d, &e, f, g, h, &a, w7 &+ constants[7])
    round(a, b, c, &d, e, f, g, &h, w8 &+ constants[8])
    round(h, a, b, &c, d, e, f, &g, w9 &+ constants[9])
    round(g, h, a, &b, c, d, e, &f, w10 &+ constants[10])
    round(f, g, h, &a, b, c, d, &e, w11 &+ constants[11])
    round(e, f, g, &h, a, b, c, &d, w12 &+ constants[12])
    round(d, e, f, &g, h, a, b, &c, w13 &+ constants[13])
    round(c, d, e, &f, g, h, a, &b, w14 &+ constants[14])
    round(b, c, d, &e, f, g, h, &a, w15 &+ constants[15])
    var turn = 16
    while turn < 64 {
      let turnConstants = constants.extracting(turn..<(turn &+ 16))
      w0 = w0 &+ small1(w14) &+ w9 &+ small0(w1)
      round(a, b, c, &d, e, f, g, &h, w0 &+ turnConstants[0])
      w1 = w1 &+ small1(w15) &+ w10 &+ small0(w2)
      round(h, a, b, &c, d, e, f, &g, w1 &+ turnConstants[1])
      w2 = w2 &+ small1(w0) &+ w11 &+ small0(w3)
      round(g, h, a, &b, c, d, e, &f, w2 &+ turnConstants[2])
      w3 = w3 &+ small1(w1) &+ w12 &+ small0(w4)
      round(f, g, h, &a, b, c, d, &e, w3 &+ turnConstants[3])
      w4 = w4 &+ small1(w2) &+ w13 &+ small0(w5)
      round(e, f, g, &h, a, b, c, &d, w4 &+ turnConstants[4])
      w5 = w5 &+ small1(w3) &+ w14 &+ small0(w6)
      round(d, e, f, &g, h, a, b, &c, w5 &+ turnConstants[5])
      w6 = w6 &+ small1(w4) &+ w15 &+ small0(w7)
      round(c, d, e, &f, g, h, a, &b, w6 &+ turnConstants[6])
      w7 = w7 &+ small1(w5) &+ w0 &+ small0(w8)
      round(b, c, d, &e, f, g, h, &a, w7 &+ turnConstants[7])
      w8 = w8 &+ small1(w6) &+ w1 &+ small0(w9)
      round(a, b, c, &d, e, f, g, &h, w8 &+ turnConstants[8])
      w9 = w9 &+ small1(w7) &+ w2 &+ small0(w10)
      round(h, a, b, &c, d, e, f, &g, w9 &+ turnConstants[9])
      w10 = w10 &+ small1(w8) &+ w3 &+ small0(w11)
      round(g, h, a, &b, c, d, e, &f, w10 &+ turnConstants[10])
      w11 = w11 &+ small1(w9) &+ w4 &+ small0(w12)
      round(f, g, h, &a, b, c, d, &e, w11 &+ turnConstants[11])
      w12 = w12 &+ small1(w10) &+ w5 &+ small0(w13)
      round(e, f, g, &h, a, b, c, &d, w12 &+ turnConstants[12])
      w13 = w13 &+ small1(w11) &+ w6 &+ small0(w14)
      round(d, e, f, &g, h, a, b, &c, w13 &+ turnConstants[13])
      w14 = w14 &+ small1(w12) &+ w7 &+ small0(w15)
      round(c, d, e, &f, g, h, a, &b, w14 &+ turnConstants[14])
      w15 = w15 &+ small1(w13) &+ w8 &+ small0(w0)
      round(b, c, d, &e, f, g, h, &a, w15 &+ turnConstants[15])
      turn &+= 16
    }
    state[0] &+= a
    state[1] &+= b
    state[2] &+= c
    state[3] &+= d
    state[4] &+= e
    state[5] &+= f
    state[6] &+= g
    state[7] &+= h
  }

  /// The round constants.
  static let constants: InlineArray<64, UInt32> = [
    0x428A_2F98, 0x7137_4491, 0xB5C0_FBCF, 0xE9B5_DBA5, 0x3956_C25B, 0x59F1_11F1,
    0x923F_82A4, 0xAB1C_5ED5, 0xD807_AA98, 0x1283_5B01, 0x2431_85BE, 0x550C_7DC3,
    0x72BE_5D74, 0x80DE_B1FE, 0x9BDC_06A7, 0xC19B_F174, 0xE49B_69C1, 0xEFBE_4786,
    0x0FC1_9DC6, 0x240C_A1CC, 0x2DE9_2C6F, 0x4A74_84AA, 0x5CB0_A9DC, 0x76F9_88DA,
    0x983E_5152, 0xA831_C66D, 0xB003_27C8, 0xBF59_7FC7, 0xC6E0_0BF3, 0xD5A7_9147,
    0x06CA_6351, 0x1429_2967, 0x27B7_0A85, 0x2E1B_2138, 0x4D2C_6DFC, 0x5338_0D13,
    0x650A_7354, 0x766A_0ABB, 0x81C2_C92E, 0x9272_2C85, 0xA2BF_E8A1, 0xA81A_664B,
    0xC24B_8B70, 0xC76C_51A3, 0xD192_E819, 0xD699_0624, 0xF40E_3585, 0x106A_A070,
    0x19A4_C116, 0x1E37_6C08, 0x2748_774C, 0x34B0_BCB5, 0x391C_0CB3, 0x4ED8_AA4A,
    0x5B9C_CA4F, 0x682E_6FF3, 0x748F_82EE, 0x78A5_636F, 0x84C8_7814, 0x8CC7_0208,
    0x90BE_FFFA, 0xA450_6CEB, 0xBEF9_A3F7, 0xC671_78F2,
  ]
}
