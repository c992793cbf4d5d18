// GHCBTests: one exchange through the page: what is written, what is believed, what stays.
import Model
import SNP
import SNPPlatform
import Seams
import Testing
import X86

@Suite struct GHCBTests {
  private func failure(_ platform: TestPlatform, _ request: GHCBRequest) -> GHCBError? {
    do throws(GHCBError) {
      _ = try platform.ghcb.perform(request)
      return nil
    } catch {
      return error
    }
  }

  @Test(
    "Only given inputs are marked valid, version is 2, usage 0; afterwards no register value stays in the page"
  )
  func fillAndWipe() throws {
    let host = ModelHost()
    let platform = try host.boot()
    let page = try #require(platform.ghcb.page).rawValue
    var seen: [UInt64] = []
    host.spoil = { host, page in
      seen = [host.load64(page + 0xFF8), host.load64(page + UInt64(GHCBPage.rbx))]
    }
    var request = GHCBRequest(.msr, info1: 0)
    request.rcx = 0xC001_0015
    let reply = try platform.ghcb.perform(request)
    #expect(reply.rax == 5 && reply.rdx == 6 && reply.rbx == nil)
    #expect(seen == [2 << 16, 0])
    for offset in [GHCBPage.rax, GHCBPage.rcx, GHCBPage.rdx, GHCBPage.validBitmap, GHCBPage.validBitmap + 8] {
      #expect(host.load64(page + UInt64(offset)) == 0)
    }
  }

  @Test(
    "Errors and exceptions of the host come as such; an answer that the protocol has not is malformed (B.5)")
  func answers() throws {
    let host = ModelHost()
    let platform = try host.boot()
    let cases: [(UInt64, UInt64, GHCBError?)] = [
      (0, 9, nil), (2, 5, .refused(5)), (3, 0, .malformed), (0xFFFF_FFFF, 0, .malformed),
      (
        1, EventInjection(.exception, vector: 13, errorCode: 0).rawValue,
        .exception(EventInjection(.exception, vector: 13, errorCode: 0))
      ),
      (1, EventInjection(.exception, vector: 14, errorCode: 0).rawValue, .malformed),
      (1, EventInjection(.interrupt, vector: 13).rawValue, .malformed), (1, 0, .malformed),
    ]
    for (info1, info2, expected) in cases {
      host.spoil = { host, page in
        host.store64(page + UInt64(GHCBPage.exitInfo1), info1)
        host.store64(page + UInt64(GHCBPage.exitInfo2), info2)
      }
      #expect(failure(platform, GHCBRequest(.wbinvd)) == expected)
      #expect(!platform.ghcb.isOpen)
    }
    host.spoil = { host, page in host.store64(page + UInt64(GHCBPage.validBitmap + 8), 0) }
    #expect(failure(platform, GHCBRequest(.wbinvd)) == .malformed)
  }

  @Test("A page of random bytes from the host never traps and leaves nothing open")
  func randomAnswers() throws {
    let seeds: [UInt64] = [42, UInt64.random(in: 0...UInt64.max)]
    print("GHCB answers: seeds \(seeds)")
    for seed in seeds {
      let host = ModelHost()
      let platform = try host.boot()
      var state = seed | 1
      func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
      }
      host.spoil = { host, page in
        for _ in 0..<4 { host.store64(page + (next() & 0xFF8), next()) }
        host.store64(page + UInt64(GHCBPage.exitInfo1), next() & 3)
        if next() & 1 == 0 { host.store64(page + UInt64(GHCBPage.exitInfo2), next()) }
      }
      for _ in 0..<500 {
        var request = GHCBRequest(.io, info1: 0x3FD << 16 | 1 << 9 | 1 << 4 | 1)
        request.rax = next()
        _ = try? platform.ghcb.perform(request)
        #expect(!platform.ghcb.isOpen)
      }
      #expect(host.machine.memory.breaches.count == 0)
    }
  }

  @Test("A CPU without a registered page makes no exchange")
  func unregistered() throws {
    let host = ModelHost()
    let platform = try host.boot()
    host.cpu = 1
    #expect(failure(platform, GHCBRequest(.wbinvd)) == .notRegistered)
  }
}
