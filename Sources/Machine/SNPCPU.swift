// SNPCPU: the SNP driver's seam over the real instructions.
import Boot
public import SNP
public import Seams
public import X86

/// The CPU that runs this, at VMPL0 of an SNP guest.
public struct SNPCPU: SNPHardware {
  /// The CPU; its private pages are in the direct map.
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

  private func linear(_ page: PhysicalAddress) -> UInt64 { KernelLayout.direct(page).rawValue }

  /// PVALIDATE.
  public func pvalidate(_ page: PhysicalAddress, _ size: RMPPageSize, validate: Bool) -> ValidationResult {
    let result = apus_pvalidate(linear(page), UInt32(truncatingIfNeeded: size.rawValue), validate ? 1 : 0)
    return ValidationResult(RMPStatus(rawValue: result.status), wasUnchanged: result.carry != 0)
  }
  /// RMPADJUST.
  public func rmpadjust(_ page: PhysicalAddress, _ size: RMPPageSize, _ operand: RMPAdjustOperand)
    -> RMPStatus
  {
    RMPStatus(rawValue: apus_rmpadjust(linear(page), size.rawValue, operand.rawValue))
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
  /// Between TEST and HLT, both included.
  public func endOfWindow(_ rip: UInt64) -> UInt64? {
    let end = apus_snp_halt_end_address()
    return rip >= apus_snp_halt_address() && rip < end ? end : nil
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

extension Death {
  /// Whether a CPU reports the kernel's end.
  public static var isReporting: Bool { unsafe apus_load32(&apus_live_words().pointee.dying_cpu) != 0 }
}
