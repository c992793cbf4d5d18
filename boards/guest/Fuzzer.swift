// Fuzzer: random calls from inside the guest, on the monitor: the kernel survives them all.
import GuestPort
import SVSMProtocol
import Seams

/// Random registers and lists; what a call may do to the guest itself is undone.
struct Fuzzer {
  let port: Port
  let report: Report

  func run(_ tally: inout Tally, seed: UInt64) {
    report.write("fuzz seed=")
    report.write(decimal: seed)
    report.endLine()
    var random = Generator(seed: seed)
    let count = port.header.number(after: "count=") ?? 20_000
    var improper: UInt64 = 0
    var results = InlineArray<8, UInt64>(repeating: 0)
    for _ in 0..<count {
      let answer = call(&random)
      if !answer.isProper { improper &+= 1 }
      results[kind(answer.result)] &+= 1
    }
    tally.check(8, improper == 0, "every call is answered, with 32 bits", on: report)
    let alive = port.call(.queryProtocol, rcx: ProtocolQuery.rcx(.core, version: 1))
    tally.check(
      78, alive.isProper && alive.rcx == 0x1_0000_0001, "the kernel still serves", alive.result, on: report)
    report.write("answers: success, retry, address, parameter, request, call, protocol, other:")
    for index in results.indices {
      report.write(" ")
      report.write(decimal: results[index])
    }
    report.endLine()
  }

  private func kind(_ result: ResultCode) -> Int {
    switch result {
    case .success: 0
    case .busy, .incomplete: 1
    case .invalidAddress: 2
    case .invalidParameter: 3
    case .invalidRequest: 4
    case .unsupportedCall: 5
    case .unsupportedProtocol: 6
    default: 7
    }
  }

  /// An address worth trying; never one of the image or of the vCPUs' blocks.
  private func address(_ random: inout Generator) -> UInt64 {
    let header = port.header
    let page =
      switch random.below(8) {
      case 0: header.kernelBase &+ random.below(header.kernelByteCount)
      case 1: header.memoryEnd &+ random.below(1 << 30)
      case 2: random.next()
      case 3: port.area
      default: Layout.arena(random.below(16))
      }
    return random.below(8) == 0 ? page &+ random.below(4096) : page & ~0xFFF
  }

  private func entry(_ random: inout Generator) -> UInt64 {
    let address = address(&random)
    // The image and the blocks are what this guest stands on.
    let isOwn = address >= 0x20_0000 && address < 0x100_0000
    return (isOwn ? Layout.arena(0) : address & ~0xFFF) | random.below(16)
      | (random.below(16) == 0 ? random.below(4096) : 0)
  }

  private func call(_ random: inout Generator) -> guest_answer {
    let list = port.area &+ 8 &+ 8 &* random.below(4)
    let count = random.below(12)
    guest_store(list, (random.below(16) == 0 ? random.next() : count | random.below(count &+ 1) << 16))
    for index in 0..<count { guest_store(list &+ 8 &+ 8 &* index, entry(&random)) }
    let rcx = random.below(3) == 0 ? address(&random) : list
    let calls: [CallID] = [
      .pvalidate, .pvalidate, .pvalidate, .createVCPU, .deleteVCPU, .depositMemory, .withdrawMemory,
      .queryProtocol,
      .configureVTOM, .attestServices, .attestSingleService, .vTPMQuery, .vTPMCommand,
    ]
    var id = calls[Int(truncatingIfNeeded: random.below(UInt64(calls.count)))]
    if random.below(16) == 0 { id = CallID(rax: random.next()) }
    if random.below(16) == 0 { id = CallID(.core, UInt32(truncatingIfNeeded: random.below(10))) }
    // A vCPU of this CPU's that the host was never told of would only hide this one.
    if id == .createVCPU { return port.once(id, rcx: rcx, rdx: address(&random), r8: ~0) }
    if id == .remapCallingArea { return port.once(id, rcx: address(&random) | 8) }
    return port.once(id, rcx: rcx, rdx: address(&random), r8: random.next(), r9: random.next())
  }
}
