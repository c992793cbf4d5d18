// LongCalls: the requests that take a kernel longest, each between two readings of the counter.
import GuestPort
import SNP
import SVSMProtocol
import Seams

/// What `ci/bench snp|tdp` finds the longest slice of each kind in: lists as long as a page takes, in the order that costs most.
struct LongCalls {
  let port: Port
  let bench: Bench

  private static var longest: UInt64 { 511 }
  private var list: UInt64 { Layout.list(0) }

  func run(_ isGood: inout Bool) {
    let (first, count) = findLargePages()
    if count > 0 { large(first, count, &isGood) }
    small(&isGood)
    if port.header.isSNP { vcpus(&isGood) }
    bench.section("long CONFIGURE_VTOM") {
      isGood = port.once(.configureVTOM, rcx: 1).result == .success && isGood
    }
    commands(&isGood)
    memory(&isGood)
    if count > 0 { largeMemory(first, min(count, 32), &isGood) }
  }

  private func fill(_ count: UInt64, _ entry: (UInt64) -> UInt64) {
    guest_store(list, count)
    for index in 0..<count { guest_store(list &+ 8 &+ 8 &* index, entry(index)) }
  }

  /// One call, repeated until it is done.
  private func make(_ name: String, _ id: CallID, _ isGood: inout Bool) {
    bench.section(name) { isGood = port.call(id, rcx: list).result == .success && isGood }
  }

  private func change(_ name: String, _ count: UInt64, _ isGood: inout Bool, _ entry: (UInt64) -> UInt64) {
    fill(count, entry)
    make(name, .pvalidate, &isGood)
  }

  // MARK: Pages of 2 MiB

  /// Those that the figures before have validated, else one of every image's; none where the host backs no 2 MiB.
  private func findLargePages() -> (first: UInt64, count: UInt64) {
    let (first, count) = bench.largePages
    if count > 0 { return (first, min(count, 510)) }
    return (Layout.large, port.change(Layout.large, is2M: true, validate: true).result == .success ? 1 : 0)
  }

  private func large(_ first: UInt64, _ count: UInt64, _ isGood: inout Bool) {
    func entry(_ index: UInt64, _ isValidate: Bool) -> UInt64 {
      PValidateEntry.encode(address: first &+ index << 21, is2M: true, isValidate: isValidate)
    }
    change("long PVALIDATE, rescinds 2 MiB", count, &isGood) { entry($0, false) }
    change("long PVALIDATE, validates 2 MiB", min(count, 32), &isGood) { entry($0, true) }
    // A batch of one each time, and clearing between them.
    change("long PVALIDATE, both by turns, 2 MiB", min(count, 32) &* 2, &isGood) {
      entry($0 / 2, $0 & 1 != 0)
    }
  }

  // MARK: Pages of 4 KiB

  private func small(_ isGood: inout Bool) {
    func entry(_ index: UInt64, _ isValidate: Bool) -> UInt64 {
      PValidateEntry.encode(address: Layout.long(index), is2M: false, isValidate: isValidate)
    }
    for index in 0..<Self.longest {
      if port.header.isSNP {
        _ = guest_ghcb_msr(
          GHCBMSR.pageState(page: Layout.long(index) >> 12, operation: .makePrivate).rawValue)
      }
    }
    change("long PVALIDATE, validates 4 KiB", Self.longest, &isGood) { entry($0, true) }
    change("long PVALIDATE, rescinds 4 KiB", Self.longest, &isGood) { entry($0, false) }
    change("long PVALIDATE, both by turns, 4 KiB", 510, &isGood) { entry(0, $0 & 1 == 0) }
    // Entries that leave pages as they are: valid already, then invalid already.
    fill(Self.longest) { entry($0, true) }
    isGood = port.call(.pvalidate, rcx: list).result == .success && isGood
    change("long PVALIDATE, of valid pages", Self.longest, &isGood) {
      PValidateEntry.encode(address: Layout.long($0), is2M: false, isValidate: true, ignoresCarry: true)
    }
  }

  // MARK: vCPUs

  private func vcpus(_ isGood: inout Bool) {
    let state = Layout.spare(0, 0)
    let maker = Neighbours(port: port, report: bench.report)
    maker.fill(state, index: 0)
    bench.section("long CREATE_VCPU") {
      isGood =
        port.once(.createVCPU, rcx: state, rdx: Layout.spare(0, 1), r8: port.header.apicID(0)).result
        == .success
        && isGood
    }
    bench.section("long DELETE_VCPU") {
      isGood = port.once(.deleteVCPU, rcx: state).result == .success && isGood
    }
    // Refused by its last check.
    maker.fill(state, index: 0, features: port.header.features ^ 0x20)
    bench.section("long CREATE_VCPU, refused") {
      isGood =
        port.once(.createVCPU, rcx: state, rdx: Layout.spare(0, 1), r8: port.header.apicID(0)).result
        == .invalidParameter && isGood
    }
  }

  // MARK: The vTPM

  // Where it is served, and the bench's figures have started it.
  private func commands(_ isGood: inout Bool) {
    let found = port.once(.queryProtocol, rcx: ProtocolQuery.rcx(.vTPM, version: 1))
    guard found.rcx != 0 else { return }
    let tpm = TPMStatements(port: port, report: bench.report)
    func command(_ name: String, isRefused: Bool = false, _ body: () -> ResultCode) {
      bench.section(name) { isGood = body() == .success && (tpm.code != 0) == isRefused && isGood }
    }
    // What every slice of a command pays by its length: the copy, and the digest that tells it from others.
    command("long vTPM command of 4,087 bytes", isRefused: true) { tpm.longest() }
    command("long TPM2_Hash of 1,024 bytes") { tpm.hash() }
    // TPMT_PUBLIC of signing keys without a scheme: P-256, RSA of 2,048 bits.
    command("long TPM2_CreatePrimary of P-256") {
      tpm.makePrimary([0, 0x23, 0, 0x0B, 0, 4, 0, 0x72, 0, 0, 0, 16, 0, 16, 0, 3, 0, 16, 0, 0, 0, 0])
    }
    isGood = tpm.flushKey() == .success && tpm.code == 0 && isGood
    command("long TPM2_CreatePrimary of RSA 2048") {
      tpm.makePrimary([0, 1, 0, 0x0B, 0, 4, 0, 0x72, 0, 0, 0, 16, 0, 16, 8, 0, 0, 0, 0, 0, 0, 0])
    }
  }

  // MARK: Memory

  private func memory(_ isGood: inout Bool) {
    // From the last on: each record goes before all others.
    fill(Self.longest) { Layout.long(Self.longest &- 1 &- $0) }
    make("long DEPOSIT_MEM of 4 KiB", .depositMemory, &isGood)
    withdraw("long WITHDRAW_MEM of 4 KiB", &isGood)
  }

  private func largeMemory(_ first: UInt64, _ count: UInt64, _ isGood: inout Bool) {
    fill(count) { first &+ (count &- 1 &- $0) << 21 | 1 }
    make("long DEPOSIT_MEM of 2 MiB", .depositMemory, &isGood)
    withdraw("long WITHDRAW_MEM of 2 MiB", &isGood)
  }

  private func withdraw(_ name: String, _ isGood: inout Bool) {
    bench.section(name) {
      // The heap may have begun to use some, and gives one call back at most 511.
      for _ in 0..<4 where isGood { isGood = port.call(.withdrawMemory, rcx: list).result == .success }
    }
    isGood = guest_load(list) & 0xFFFF <= Self.longest && isGood
  }
}
