// DictionaryAttack: counting failed authorizations and refusing while locked out (Part 1 §19.8).
import Crypto

extension TPMEngine {
  /// Whether failures with the entity's authorization are not counted.
  func isDAExempt(_ handle: UInt32) -> Bool {
    switch Handle.type(handle) {
    case 0x80, 0x81: publicArea(handle)?.has(ObjectAttribute.noDA) ?? true
    case 0x01: persistent.index(handle).map { persistent.indices[$0].has(NVAttribute.noDA) } ?? true
    default: handle != Handle.lockout
    }
  }

  var isLockedOut: Bool { persistent.failedTries >= persistent.maxTries }

  func checkLockout(_ handle: UInt32) throws(Stop) {
    if handle == Handle.lockout {
      guard persistent.isLockoutAuthEnabled else { throw .code(.lockout) }
    } else if !isDAExempt(handle) && isLockedOut {
      throw .code(.lockout)
    }
  }

  /// Counts a failed authorization and gives the answer's code.
  mutating func failedAuth(_ handle: UInt32, _ number: Int) -> Stop {
    if handle == Handle.lockout {
      persistent.isLockoutAuthEnabled = false
      volatile.lockoutFailedAt = time
      touch()
      return .session(.authFail, number &+ 1)
    }
    if let index = persistent.index(handle), persistent.indices[index].type == NVAttribute.pinFail,
      persistent.indices[index].has(NVAttribute.written)
    {
      let pin = persistent.indices[index]
      persistent.indices[index].word = UInt64(pin.pinCount &+ 1) &<< 32 | UInt64(pin.pinLimit)
      touch()
    }
    if isDAExempt(handle) { return .session(.badAuth, number &+ 1) }
    countFailure()
    return .session(.authFail, number &+ 1)
  }

  mutating func countFailure() {
    guard persistent.recoveryTime != 0 else { return }
    if persistent.failedTries < UInt32.max { persistent.failedTries &+= 1 }
    volatile.lastHeal = time
    touch()
  }

  /// A successful use of a PIN index (Part 1 §37.2.8).
  mutating func notePIN(_ handle: UInt32) {
    guard let index = persistent.index(handle), persistent.indices[index].isPIN else { return }
    let pin = persistent.indices[index]
    let count = pin.type == NVAttribute.pinPass ? pin.pinCount &+ 1 : 0
    guard count != pin.pinCount else { return }
    persistent.indices[index].word = UInt64(count) &<< 32 | UInt64(pin.pinLimit)
    touch()
  }

  /// Moves the clock on and lets failures heal.
  mutating func updateClock() {
    let clock = clockBase &+ time
    // The persisted clock runs ahead by an interval, so that it never goes back (PT_CLOCK_UPDATE).
    if volatile.isStarted {
      if clock >= persistent.clock {
        persistent.clock = clock &+ 4096
        persistent.isClockSafe = true
        needsStore = true
      }
    }
    if persistent.failedTries > 0 && persistent.recoveryTime > 0 {
      let interval = UInt64(persistent.recoveryTime) &* 1000
      let healed = time >= volatile.lastHeal ? (time &- volatile.lastHeal) / interval : 0
      if healed > 0 {
        persistent.failedTries &-= UInt32(truncatingIfNeeded: min(UInt64(persistent.failedTries), healed))
        volatile.lastHeal &+= healed &* interval
        touch()
      }
    }
    if !persistent.isLockoutAuthEnabled && persistent.lockoutRecovery != 0 && volatile.isStarted {
      if time >= volatile.lockoutFailedAt &+ UInt64(persistent.lockoutRecovery) &* 1000 {
        persistent.isLockoutAuthEnabled = true
        touch()
      }
    }
  }

  /// TPM clock in milliseconds.
  var clock: UInt64 { clockBase &+ time }
}
