// ServiceFuzzTests: random calls of two vCPUs to the vTPM and attestation services, and the invariants after them.
import Attestation
import Crypto
import Model
import RequestLoop
import SNP
import SVSMProtocol
import Seams
import TPM
import Tasks
import TestSupport
import Testing
import VTPM
import X86

private struct Host: VTPMHost {
  func milliseconds() -> UInt64 { 1 }
  func entropy() -> InlineArray<48, UInt8>? { InlineArray(repeating: 0x42) }
}

private struct Source: ReportSource {
  var reportByteCount: Int { 0x4A0 }

  nonisolated(nonsending) func report(
    over data: InlineArray<64, UInt8>, certificateByteCount: Int
  ) async throws(ReportFailure) -> AttestationEvidence {
    if data[0] < 32 { throw .refused }
    if certificateByteCount > 0, certificateByteCount < 0x2000 { throw .certificates(byteCount: 0x2000) }
    return AttestationEvidence(
      report: [UInt8](repeating: 0xEE, count: reportByteCount),
      certificates: [UInt8](repeating: 0xCE, count: min(certificateByteCount, 0x2000)))
  }
}

private typealias Table = Protocols<
  AttestationService<ModelPlatform, Source>, Protocols<VTPMService<ModelPlatform, Host>, CoreOnly>
>

/// Protocol and call in 32 bits.
private func key(_ id: CallID) -> UInt64 { (id.rax >> 16) & 0xFFFF_0000 | id.rax & 0xFFFF }

/// How often each call got each answer.
private final class Counts: @unchecked Sendable {
  var counts: [UInt64: Int] = [:]
}

private struct Fuzzer {
  let service: Service<Table>
  var random: SeededRandom
  let counts: Counts
  private var world: World { service.world }

  private mutating func address(aligned: UInt64 = 70) -> UInt64 {
    let page: UInt64
    switch random.below(60) {
    case 0: page = World.kernel + random.below(512)
    case 1: page = World.startUpVMSA
    case 2: page = 300 + random.below(8)
    case 3: page = random.next() >> 12
    default: page = 220 + random.below(12)
    }
    return page << 12 | (random.chance(aligned) ? 0 : random.below(4096))
  }

  private func isGuests(_ address: UInt64) -> Bool {
    world.guest.pages.state(of: PhysicalAddress(address & ~0xFFF)).isValid
  }

  private mutating func put(_ bytes: [UInt8], at address: UInt64) {
    for (index, byte) in bytes.enumerated() {
      let place = address &+ UInt64(index)
      guard isGuests(place) else { return }
      let shift = place & 7 * 8
      let old = world.word(place >> 12, Int(place & 0xFF8))
      world.setWord(place >> 12, Int(place & 0xFF8), old & ~(0xFF << shift) | UInt64(byte) << shift)
    }
  }

  private func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private mutating func command() -> [UInt8] {
    let codes: [UInt16] = [
      0x144, 0x17B, 0x17E, 0x17A, 0x143, 0x15D, 0x176, 0x165, 0x145, 0x131, 0x182, 0x124,
    ]
    let code = random.chance(95) ? random.pick(codes) : UInt16(truncatingIfNeeded: random.next())
    var body: [UInt8]
    switch code {
    case 0x144, 0x145: body = [0, UInt8(random.below(2))]
    case 0x17B: body = [0, UInt8(random.below(64))]
    case 0x17E: body = [0, 0, 0, 1, 0, 0x0B, 3, 1, 0, 0]
    case 0x17A: body = [0, 0, 0, UInt8(random.below(10)), 0, 0, 1, 0, 0, 0, 0, UInt8(random.below(64))]
    default: body = (0..<random.below(48)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
    if random.chance(5), !body.isEmpty { body.removeLast() }
    let size = UInt32(random.chance(97) ? UInt64(body.count + 10) : random.next() & 0xFFFF)
    return [0x80, random.chance(90) ? 1 : 2] + little(UInt64(size.byteSwapped), 4)
      + little(UInt64(UInt32(code).byteSwapped), 4) + body
  }

  private mutating func request() -> [UInt8] {
    let command = command()
    let platform: UInt64 = random.chance(97) ? 8 : random.below(32)
    let locality: UInt64 = random.chance(97) ? 0 : random.below(8)
    let length = random.chance(97) ? UInt64(command.count) : random.next()
    return little(platform, 4) + little(locality, 1) + little(length, 4) + command
  }

  private mutating func operation() -> [UInt8] {
    var bytes: [UInt8] = []
    func size(_ good: UInt64) -> [UInt8] {
      random.chance(97) ? little(good, 8) : little(random.next() >> random.below(64), 8)
    }
    bytes += little(address(aligned: 97), 8) + size(0x1000)
    bytes += little(address(aligned: 97), 8) + size(64)
    bytes += little(address(aligned: 97), 8) + size(random.chance(80) ? 0x1000 : 24)
    bytes += little(address(aligned: 97), 8) + size(random.pick([0, 0x1000, 0x2000, 0x4000]))
    let id = random.pick([ServiceID.vTPM, .vTPM, .vTPM, .uefiMM, .manifest])
    return bytes + little(id.low, 8) + little(id.high, 8) + size(0)
  }

  mutating func step() async {
    let cpu = random.chance(50) && service.vmsa(1) != nil && service.area(1) != nil ? 1 : 0
    let place = address()
    let id: CallID
    switch random.below(40) {
    case 0..<24:
      id = .vTPMCommand
      // The same bytes again now and then: a retry.
      if random.chance(60) { put(request(), at: place) }
    case 24..<34:
      id = random.chance(50) ? .attestServices : .attestSingleService
      put(operation(), at: place)
    case 34: id = .vTPMQuery
    case 35: id = CallID(random.pick([.vTPM, .attestation, .apic]), UInt32(random.below(5)))
    case 36:
      if service.vmsa(1) != nil, service.area(1) != nil {
        _ = await service.call(.deleteVCPU, rcx: 40 << 12)
        world.machine.offerVMSA(nil, vcpu: 1, vmpl: .vmpl2)
      } else {
        await service.create(1, vmsa: 40, area: 41)
      }
      return
    default:
      let page: UInt64 = 220 + random.below(12)
      _ = await service.pvalidate([entry(page, validate: random.chance(85), ignore: true)], cpu: cpu)
      world.checkPage(page)
      return
    }
    let answer = await service.call(id, rcx: place, rdx: random.next(), r8: random.next(), cpu: cpu)
    counts.counts[key(id) << 32 | UInt64(answer.result.rawValue), default: 0] += 1
    let allowed: [ResultCode] = [
      .success, .incomplete, .busy, .invalidParameter, .invalidAddress, .invalidRequest, .unsupportedCall,
      .unsupportedProtocol,
    ]
    world.check(allowed.contains(answer.result), "\(id) answers \(answer.result)")
    world.checkPage(place >> 12)
  }
}

@Suite struct ServiceFuzzTests {
  @Test(arguments: RunLength.seeds("ServiceFuzzTests"))
  func noCommandAndNoRequestBreaksTheInvariants(_ seed: UInt64) {
    let count = RunLength.scaled(500_000)
    let entropy = InlineArray<48, UInt8>(repeating: 7)
    let state = VTPMState(TPMEngine(entropy: entropy.span), milliseconds: 0)
    let counts = Counts()
    let found = failures({ world in
      let buffer = GuestBuffer(platform: ModelPlatform(world), states: world.guest.pages)
      return CoreOnly().with(VTPMService(state, host: Host(), buffer: buffer)).with(
        AttestationService(
          source: Source(), buffer: buffer,
          services: [
            AttestedService(.vTPM) { () throws(ResultCode) in try state.endorsementKey() },
            AttestedService(.uefiMM) { () throws(ResultCode) in [] },
          ]))
    }) { service in
      var fuzzer = Fuzzer(service: service, random: SeededRandom(seed: seed), counts: counts)
      // Made before, or the short run is nothing but that.
      for _ in 0..<100_000 where (try? state.endorsementKey()) == nil {}
      for number in 0..<count {
        await fuzzer.step()
        if number % 5_000 == 0 { service.world.checkAll() }
        if !service.world.failures.isEmpty {
          service.world.check(false, "request \(number) of seed \(seed)")
          break
        }
      }
    }
    #expect(found == [], "seed \(seed)")
    print("services, seed \(seed), \(count) requests:")
    for key in counts.counts.keys.sorted() {
      print(
        "  protocol \(key >> 48 & 0xFFFF) call \(key >> 32 & 0xFFFF) answer 0x\(String(key & 0xFFFF_FFFF, radix: 16)):",
        counts.counts[key] ?? 0)
    }
    // Each call must have had several answers, or the generator is at fault.
    for id in [CallID.vTPMCommand, .attestServices, .attestSingleService] {
      let answers = counts.counts.keys.filter { $0 >> 32 == key(id) }
      #expect(answers.count > 1, "call \(id.rax) has one answer only")
    }
  }
}
