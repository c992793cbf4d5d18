// PendingEvent: an event whose delivery an exit interrupted, and how it is delivered again.

import SNP

/// EXITINTINFO, read as APM volume 2, 15.7.2 says.
public enum PendingEvent {
  /// The event to inject again, or nil if none was under way.
  ///
  /// Rule: svm-monitor.md §3: without bit 31 the word is stale rubbish; for a software interrupt RIP still
  /// points at the INT, so resuming is enough. An exception that EVENTINJ cannot deliver right (with an
  /// error code that QEMU would not push) is in `needsFrame`.
  public static func reinjection(_ exitIntInfo: UInt64) -> EventInjection? {
    let event = EventInjection(rawValue: exitIntInfo)
    guard event.isValid, let kind = event.kind, kind != .software else { return nil }
    return event
  }

  /// Whether QEMU would deliver `event` wrong, so that its frame must be built.
  ///
  /// Rule: svm-monitor.md §3: error codes are pushed for 8, 10 to 14 and 17 only.
  public static func needsFrame(_ event: EventInjection) -> Bool {
    guard event.kind == .exception else { return false }
    switch event.vector {
    case 8, 10...14, 17: return false
    default: return event.errorCode != nil || event.vector >= 31
    }
  }
}
