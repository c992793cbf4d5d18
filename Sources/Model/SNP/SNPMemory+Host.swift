// SNPMemory+Host: what the host may do to the guest's memory.

import SNP

extension SNPMemory {
  /// RMPUPDATE by the host; see `RMP.rmpUpdate` for the rule.
  ///
  /// Translations to the page vanish on all CPUs at once: no source says how hardware guards the
  /// guest against its own stale translation to a page that the host took back, so the model takes
  /// the promise of integrity (APM volume 2, 15.36.1) as the rule.
  public mutating func rmpUpdate(_ page: SystemPage, _ record: RMPUpdateRecord) -> RMPStatus {
    let status = rmp.rmpUpdate(page, record)
    if status == .success { translations.drop(page, count: record.pageSize.pageCount) }
    return status
  }

  /// PSMASH by the host; see `RMP.psmash` for the rule.
  ///
  /// Rights do not change.
  public mutating func psmash(_ page: SystemPage) -> RMPStatus { rmp.psmash(page) }

  /// The host flushes the TLB of one CPU.
  ///
  /// It closes nothing: a guest cannot know that it happened.
  public mutating func hostFlush(cpu: Int) { translations.drop(cpu: cpu) }
}
