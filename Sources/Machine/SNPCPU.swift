// SNPCPU: the SNP driver's seam over the real instructions.
import Boot
public import SNP
public import Seams
public import X86

// Everything is the kernel's own until its range is known.
nonisolated(unsafe) private var ownStart: UInt64 = 0
nonisolated(unsafe) private var ownEnd: UInt64 = .max

/// The CPU that runs this, at VMPL0 of an SNP guest.
public struct SNPCPU: SNPHardware {
  /// The CPU.
  public init() {}

  /// The calling CPU.
  public var cpu: CPUIndex { Processor.current }

  // UNSAFETY: the words lie in this CPU's block, which GS base names.
  private func word(_ index: Int) -> UnsafeMutablePointer<UInt64>? {
    guard index >= 0, index < 8 else { return nil }
    let block = unsafe Processor.block
    return unsafe UnsafeMutableRawPointer(block).advanced(by: Int(APUS_CPU_PLATFORM) + 8 * index)
      .assumingMemoryBound(to: UInt64.self)
  }
  /// One of the CPU's own words.
  public func ownWord(_ index: Int) -> UInt64 { unsafe word(index)?.pointee ?? 0 }
  /// Sets one.
  public func setOwnWord(_ index: Int, _ value: UInt64) { unsafe word(index)?.pointee = value }

  /// SEV_STATUS.
  public var status: UInt64 { apus_read_msr(SNPRegister.status) }
  /// WRMSR, VMGEXIT, RDMSR.
  public func exchange(_ value: UInt64) -> UInt64 { apus_vmgexit(value) }

  // The kernel's own pages are in the direct map, the guest's in theirs.
  private func linear(_ page: PhysicalAddress) -> UInt64 {
    let isOwn = unsafe page.rawValue >= ownStart && page.rawValue < ownEnd
    return isOwn ? KernelLayout.direct(page).rawValue : KernelLayout.guest(page).rawValue
  }

  // The guest's memory is never the kernel's own.
  @inline(__always) private func guest(_ address: PhysicalAddress) -> UInt64 {
    KernelLayout.guest(address).rawValue
  }

  /// Tells which addresses are the kernel's own, before another one is used.
  public static func setOwnRange(_ range: MemoryRegion) {
    unsafe ownStart = range.start.rawValue
    unsafe ownEnd = range.end.rawValue
  }

  /// PVALIDATE.
  public func pvalidate(_ page: PhysicalAddress, _ size: RMPPageSize, validate: Bool) -> ValidationResult {
    let result = apus_guest_pvalidate(
      linear(page), UInt32(truncatingIfNeeded: size.rawValue), validate ? 1 : 0)
    return ValidationResult(RMPStatus(rawValue: result & 0x7FFF_FFFF), wasUnchanged: result >> 31 == 1)
  }
  /// RMPADJUST.
  public func rmpadjust(
    _ page: PhysicalAddress, _ size: RMPPageSize, _ operand: RMPAdjustOperand
  ) -> RMPStatus {
    RMPStatus(rawValue: apus_guest_rmpadjust(linear(page), size.rawValue, operand.rawValue))
  }
  /// RMPQUERY.
  public func rmpquery(
    _ page: PhysicalAddress, of level: VMPL
  ) -> (status: RMPStatus, answer: RMPAdjustOperand, size: RMPPageSize) {
    let result = apus_rmpquery(linear(page), UInt64(level.rawValue))
    return (
      RMPStatus(rawValue: result.status), RMPAdjustOperand(rawValue: result.operand),
      RMPPageSize(rawValue: result.size)
    )
  }
  /// INVLPGB, TLBSYNC.
  public func invalidateEverywhere() { apus_invalidate_everywhere() }

  // UNSAFETY: shared pages are mapped at KernelLayout.shared as long as the kernel runs; the driver names no others.
  private func shared<Word>(_ address: PhysicalAddress, _ type: Word.Type) -> UnsafeMutablePointer<Word>? {
    unsafe UnsafeMutablePointer(bitPattern: UInt(KernelLayout.shared(address).rawValue))
  }
  /// One access.
  public func loadShared(_ address: PhysicalAddress) -> UInt64 {
    guard let word = unsafe shared(address, UInt64.self) else { return 0 }
    return unsafe apus_load64(word)
  }
  /// One access.
  public func storeShared(_ address: PhysicalAddress, _ value: UInt64) {
    guard let word = unsafe shared(address, UInt64.self) else { return }
    unsafe apus_store64(word, value)
  }
  /// LOCK CMPXCHG.
  public func exchangeShared(_ address: PhysicalAddress, expected: UInt32, with desired: UInt32) -> UInt32 {
    guard let word = unsafe shared(address, UInt32.self) else { return expected }
    return unsafe apus_exchange32(word, expected, desired)
  }

  /// TEST; HLT.
  public func halt(unless word: PhysicalAddress, has mask: UInt32) {
    guard let word = unsafe shared(word, UInt32.self) else { return }
    unsafe apus_snp_halt(word, mask)
  }
  /// TEST; VMGEXIT.
  public func run(_ level: VMPL, unless word: PhysicalAddress, has mask: UInt32) -> UInt64 {
    guard let word = unsafe shared(word, UInt32.self) else { return 0 }
    return unsafe apus_snp_run(word, mask, UInt32(level.rawValue))
  }
  /// Between TEST and HLT or VMGEXIT, both included.
  public func endOfWindow(_ rip: UInt64) -> UInt64? {
    let halt = apus_snp_halt_end_address()
    if rip >= apus_snp_halt_address(), rip < halt { return halt }
    let run = apus_snp_run_end_address()
    return rip >= apus_snp_run_window_address() && rip < run ? run : nil
  }
  /// The code of snp_guest.S.
  public func faultExit(_ rip: UInt64) -> UInt64? {
    rip >= apus_guest_start_address() && rip < apus_guest_end_address() ? apus_guest_fault_address() : nil
  }
  /// TEST; AND; MFENCE; TEST.
  public func closeGate(_ state: PhysicalAddress) -> Bool { apus_guest_close_gate(guest(state)) == 0 }
  /// OR.
  public func openGate(_ state: PhysicalAddress) { _ = apus_guest_open_gate(guest(state)) }
  // UNSAFETY: the structure is five words, and outlives the call.
  /// One function of snp_guest.S.
  @inline(__always) public func takeCall(
    _ state: PhysicalAddress, _ area: PhysicalAddress, into registers: inout CallRegisters
  ) -> UInt8? {
    let found = unsafe withUnsafeMutablePointer(to: &registers) {
      unsafe apus_guest_take_call(guest(state), guest(area), $0)
    }
    if found > 0x100 { return UInt8(truncatingIfNeeded: found) }
    if found == 0xFF { openGate(state) }
    return nil
  }
  /// One function of snp_guest.S; what the host took away is the guest's loss.
  @inline(__always) public func answerCall(
    _ state: PhysicalAddress, _ area: PhysicalAddress, rax: UInt64, rcx: UInt64?
  ) {
    let failed = apus_guest_answer(guest(state), guest(area), rax, rcx ?? 0, rcx == nil ? 0 : 1)
    if failed != 0 { openGate(state) }
  }
  /// One access.
  public func loadGuest(_ address: PhysicalAddress) -> UInt64? {
    var value: UInt64 = 0
    return unsafe apus_guest_load(guest(address), &value) == 0 ? value : nil
  }
  /// One access.
  public func storeGuest(_ value: UInt64, width: Int, _ address: PhysicalAddress) -> Bool {
    let place = guest(address)
    switch width {
    case 1: return apus_guest_store1(place, value) == 0
    case 2: return apus_guest_store2(place, value) == 0
    default: return apus_guest_store8(place, value) == 0
    }
  }
  // UNSAFETY: the span is valid for its count; the guest's side may fault, which is an answer.
  /// REP MOVSB.
  public func readGuest(_ address: PhysicalAddress, into bytes: inout MutableSpan<UInt8>) -> Bool {
    guard let from = unsafe UnsafeRawPointer(bitPattern: UInt(guest(address))) else { return false }
    return unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let to = buffer.baseAddress else { return true }
      return unsafe apus_guest_copy(to, from, UInt64(buffer.count)) == 0
    }
  }
  /// REP MOVSB.
  public func writeGuest(_ bytes: borrowing Span<UInt8>, _ address: PhysicalAddress) -> Bool {
    guard let to = unsafe UnsafeMutableRawPointer(bitPattern: UInt(guest(address))) else { return false }
    return unsafe bytes.withUnsafeBytes { buffer in
      guard let from = buffer.baseAddress else { return true }
      return unsafe apus_guest_copy(to, from, UInt64(buffer.count)) == 0
    }
  }
  /// REP STOSQ.
  public func zeroGuest(_ address: PhysicalAddress, byteCount: UInt64) -> Bool {
    apus_guest_zero(guest(address), byteCount) == 0
  }
  /// A byte of the image's code.
  public func codeByte(_ address: UInt64) -> UInt8 {
    guard address >= apus_image_start_address(), address < apus_text_end_address(),
      let byte = unsafe UnsafePointer<UInt8>(bitPattern: UInt(address))
    else { return 0 }
    return unsafe byte.pointee
  }
  /// CLI; HLT for ever.
  public func park() -> Never { Death.park() }
}
