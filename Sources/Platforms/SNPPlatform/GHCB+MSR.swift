// GHCB+MSR: MSRs that are the host's, by NAE event MSR.
import SNP

extension GHCB {
  /// RDMSR of `number` by the host; nil if it refuses.
  func readMSR(_ number: UInt32) -> UInt64? {
    var request = GHCBRequest(.msr, info1: 0)
    request.rcx = UInt64(number)
    guard let reply = try? perform(request) else { return nil }
    return (reply.rax ?? 0) & 0xFFFF_FFFF | (reply.rdx ?? 0) << 32
  }

  /// WRMSR of `number` by the host; false if it refuses.
  func writeMSR(_ number: UInt32, _ value: UInt64) -> Bool {
    var request = GHCBRequest(.msr, info1: 1)
    request.rcx = UInt64(number)
    request.rax = value & 0xFFFF_FFFF
    request.rdx = value >> 32
    return (try? perform(request)) != nil
  }
}
