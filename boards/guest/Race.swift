// Race: calls of all vCPUs on the same few pages, each answer checked against what the rules allow.
import GuestPort
import SVSMProtocol

/// A small generator whose whole state is its seed (SplitMix64).
struct Generator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  mutating func below(_ bound: UInt64) -> UInt64 { bound == 0 ? 0 : next() % bound }
}

/// One vCPU's part.
struct Race {
  private let port: Port
  private var random: Generator
  private(set) var wrong: UInt64 = 0
  private(set) var firstWrong: UInt32 = 0
  private(set) var calls: UInt64 = 0

  init(port: Port, seed: UInt64) {
    self.port = port
    random = Generator(seed: seed)
  }

  private mutating func expect(_ answer: guest_answer, _ allowed: [ResultCode]) {
    calls &+= 1
    var isAllowed = answer.isProper && (answer.result == .busy || answer.result == .incomplete)
    for result in allowed where answer.isProper && answer.result == result { isAllowed = true }
    guard !isAllowed else { return }
    if wrong == 0 { firstWrong = UInt32(truncatingIfNeeded: answer.rax) }
    wrong &+= 1
  }

  mutating func run(rounds: UInt64) {
    let home = port.area
    for _ in 0..<rounds {
      let page = Layout.arena(random.below(4))
      let other = Layout.arena(random.below(4))
      switch random.below(4) {
      case 0, 1:
        let isValidate = random.next() & 1 == 0
        guest_store(home &+ 8, 1)
        guest_store(
          home &+ 16,
          PValidateEntry.encode(
            address: page, is2M: false, isValidate: isValidate, ignoresCarry: random.next() & 1 == 0))
        expect(port.once(.pvalidate, rcx: home &+ 8), [.success, .pvalidateUnchanged, .invalidAddress])
      case 2:
        // Nothing that a vCPU could be made of lies there: zero, or what another one wrote.
        let id = port.header.apicID(port.index)
        expect(
          port.once(.createVCPU, rcx: page, rdx: other, r8: id),
          port.header.isSNP ? [.invalidParameter, .invalidAddress] : [.unsupportedCall])
      default:
        let answer = port.once(.remapCallingArea, rcx: page)
        expect(answer, [.success, .invalidAddress])
        guard answer.result == .success, answer.isProper else { continue }
        var moved = port
        moved.area = page
        var back = moved.once(.remapCallingArea, rcx: home, after: home)
        var tries = 0
        while back.result == .busy, back.pending == 0, tries < 100_000 {
          back = moved.once(.remapCallingArea, rcx: home, after: home)
          tries &+= 1
        }
        expect(back, [.success])
      }
    }
  }
}
