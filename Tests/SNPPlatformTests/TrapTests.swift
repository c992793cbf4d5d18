// TrapTests: #VC by table: each known reason is answered and never fatal; what does not fit its instruction is.
import Model
import SNP
import SNPPlatform
import Seams
import Testing
import X86

@Suite struct TrapTests {
  private let code: UInt64 = 0x3000

  private func run(
    _ error: UInt64, _ bytes: [UInt8], address: UInt64 = 0, _ change: (inout TrapFrame) -> Void = { _ in }
  ) throws -> (isHandled: Bool, frame: TrapFrame, host: ModelHost) {
    let host = ModelHost()
    let platform = try host.boot()
    host.put(bytes + [0xCC, 0xCC], at: code)
    let traps = SNPTraps(
      platform.ghcb, cpuid: platform.cpuid, doorbell: platform.doorbell, isDying: { false })
    var frame = TrapFrame()
    frame.rip = code
    frame.error = error
    frame.address = address
    change(&frame)
    return (traps.handle(29, &frame), frame, host)
  }

  @Test("CPUID comes from the page, the upper halves are cleared, RIP moves behind the instruction")
  func cpuid() throws {
    let (isHandled, frame, _) = try run(0x72, [0x0F, 0xA2]) {
      $0.registers[0] = 0xDEAD_0000_8000_001F
      $0.registers[3] = .max
    }
    #expect(isHandled && frame.rip == code + 2)
    #expect(frame.registers[0] == 0b1_1010 && frame.registers[3] == 47)
  }

  @Test("Ports of every width, by DX and by immediate; a byte read leaves the rest of RAX")
  func ports() throws {
    let write = try run(0x7B, [0xEE]) {
      $0.registers[0] = 0x1241
      $0.registers[2] = 0xFFFF_03F8
    }
    #expect(write.isHandled && write.frame.rip == code + 1 && write.host.console == [0x41])
    let read = try run(0x7B, [0xEC]) {
      $0.registers[0] = 0xAABB_CCDD_1122_33FF
      $0.registers[2] = 0x3FD
    }
    #expect(read.frame.registers[0] == 0xAABB_CCDD_1122_3320)
    let wide = try run(0x7B, [0xE5, 0x70]) { $0.registers[0] = .max }
    #expect(wide.isHandled && wide.frame.registers[0] == 0xFF && wide.frame.rip == code + 2)
    let short = try run(0x7B, [0x66, 0xEF])
    #expect(short.isHandled && short.frame.rip == code + 2)
  }

  @Test("MSRs, counters, WBINVD, INVD, DR7 and hints are answered")
  func others() throws {
    let msr = try run(0x7C, [0x0F, 0x32]) { $0.registers[1] = 0x1B }
    #expect(msr.isHandled && msr.frame.registers[0] == 5 && msr.frame.registers[2] == 6)
    let write = try run(0x7C, [0x0F, 0x30]) { $0.registers[0] = 77 }
    #expect(write.isHandled && write.frame.registers[0] == 77)
    let time = try run(0x6E, [0x0F, 0x31])
    #expect(time.isHandled && time.frame.registers[0] == 0x2345_6789 && time.frame.registers[2] == 7)
    for (error, bytes) in [
      (0x87, [0x0F, 0x01, 0xF9]), (0x6F, [0x0F, 0x33]), (0x89, [0x0F, 0x09]), (0x76, [0x0F, 0x08]),
      (0x8A, [0x0F, 0x01, 0xC8]), (0x8B, [0x0F, 0x01, 0xC9]), (0x81, [0x0F, 0x01, 0xD9]),
      (0x27, [0x0F, 0x21, 0xF8]), (0x37, [0x0F, 0x23, 0xF8]),
    ] as [(UInt64, [UInt8])] {
      let result = try run(error, bytes)
      #expect(result.isHandled, "reason \(error)")
      #expect(result.frame.rip == code + UInt64(bytes.count))
    }
    #expect(try run(0x27, [0x0F, 0x21, 0xF9]).frame.registers[1] == 0x400)
  }

  @Test("A host that injects a reason for another instruction ends the kernel (B.3: re-decode)")
  func injected() throws {
    for error in [0x72, 0x7B, 0x7C, 0x6E, 0x87, 0x6F, 0x89, 0x76, 0x8A, 0x81, 0x27, 0x37, 0x400] as [UInt64] {
      #expect(try !run(error, [0x90]).isHandled, "reason \(error)")
    }
    #expect(try !run(0x404, [0x0F, 0xA2]).isHandled)
    #expect(try !run(0x12345, [0x0F, 0xA2]).isHandled)
  }

  @Test("#VC while an exchange is open is fatal, whatever the reason")
  func nested() throws {
    var handled: Bool?
    let inner = ModelHost()
    let own = try inner.boot()
    inner.put([0x0F, 0xA2], at: code)
    let traps = SNPTraps(own.ghcb, cpuid: own.cpuid, doorbell: own.doorbell, isDying: { false })
    inner.spoil = { _, _ in
      var frame = TrapFrame()
      frame.rip = self.code
      frame.error = 0x72
      handled = traps.handle(29, &frame)
    }
    _ = try? own.ghcb.perform(GHCBRequest(.wbinvd))
    #expect(handled == false)
  }

  @Test("A device's register is read and written in its width; an address outside the shared map is refused")
  func device() throws {
    let place = KernelLayout.shared + 0xFEE0_0020
    let read = try run(0x400, [0x8B, 0x07], address: place) { $0.registers[0] = .max }
    #expect(read.isHandled && read.frame.registers[0] == 0x5566_7788 && read.frame.rip == code + 2)
    let byte = try run(0x400, [0x44, 0x8A, 0x4C, 0x24, 0x08], address: place) { $0.registers[9] = 0xFFFF }
    #expect(byte.isHandled && byte.frame.registers[9] == 0xFF88 && byte.frame.rip == code + 5)
    let write = try run(0x400, [0xC7, 0x05, 1, 2, 3, 4, 0x78, 0x56, 0x34, 0x12], address: place)
    #expect(write.isHandled && write.frame.rip == code + 10)
    #expect(try !run(0x400, [0x8B, 0x07], address: KernelLayout.directMap).isHandled)
    #expect(try !run(0x400, [0x8B, 0x07], address: place + 1).isHandled)
    #expect(try !run(0x400, [0x8B, 0xC0], address: place).isHandled)
  }

  @Test("The decoder reads at most 15 bytes of anything, and says nothing about more")
  func decoder() {
    let seeds: [UInt64] = [1, UInt64.random(in: 0...UInt64.max)]
    print("decoder: seeds \(seeds)")
    for seed in seeds {
      var state = seed | 1
      for _ in 0..<20_000 {
        var last = -1
        var bytes: [UInt8] = []
        for _ in 0..<16 {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          bytes.append(UInt8(truncatingIfNeeded: state >> 56))
        }
        if state & 3 == 0 { bytes[0] = 0x0F }
        let decoded = InterceptedInstruction { offset in
          last = max(last, offset)
          return bytes[offset]
        }
        #expect(last < 15)
        if decoded.kind != .unknown { #expect(decoded.length <= 15 && decoded.length > 0) }
      }
    }
    let prefixes = InterceptedInstruction { $0 < 14 ? 0x66 : 0xEC }
    #expect(prefixes.kind == .portRead && prefixes.length == 15)
    #expect(InterceptedInstruction { _ in 0x66 }.kind == .unknown)
  }
}
