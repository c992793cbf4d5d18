// CoreService+PVALIDATE: pages become the guest's, cleared before it can read them, and cease to be.
import SVSMProtocol
import Seams
import X86

extension CoreService {
  /// PVALIDATE as far as nothing waits: 4 KiB pages, and whatever is rescinded, for one slice; then INCOMPLETE.
  ///
  /// Works through the list from `next` on, and leaves `next` at the entry to go on with. Nil with nothing done if the
  /// first entry validates 2 MiB, which takes longer than a slice (`pvalidate`).
  ///
  /// Rule: reference A.6 call 1, D.24 to D.48.
  @inline(never) func pvalidateAtOnce(_ call: GuestCall) -> CallReply? {
    do throws(ResultCode) {
      let pin = try pinList(call)
      let result = smallPages(call.registers.rcx)
      if pin { pages.unpin(PhysicalAddress(call.registers.rcx)) }
      return result.map { CallReply($0) }
    } catch {
      return CallReply(error)
    }
  }

  /// PVALIDATE of pages of 2 MiB: cleared in steps, between which other tasks run; INCOMPLETE after a few slices, or at
  /// an entry of another kind.
  nonisolated(nonsending) func pvalidate(_ call: GuestCall) async -> CallReply {
    do throws(ResultCode) {
      let pin = try pinList(call)
      let result = await largePages(call.registers.rcx)
      if pin { pages.unpin(PhysicalAddress(call.registers.rcx)) }
      return CallReply(result)
    } catch {
      return CallReply(error)
    }
  }

  private func smallPages(_ address: UInt64) -> ResultCode? {
    let list: PageList
    do throws(ResultCode) { list = try pageList(address) } catch { return error }
    var result = ResultCode.success
    var next = Int(list.next)
    var slice = Slice()
    work: while next < Int(list.count) {
      if slice.isUsedUp {
        result = .incomplete
        break
      }
      do throws(ListStop) {
        let index = UInt16(truncatingIfNeeded: next)
        let entry = try decoded(list, index)
        if !entry.isValidate {
          next &+= try rescind(list, from: index, &slice)
        } else if entry.is2M {
          if index == list.next { return nil }
          result = .incomplete
          break work
        } else {
          try validateSmall(entry, list)
          slice.spend(Slice.page &+ Slice.clearedPage)
          next &+= 1
        }
      } catch {
        next &+= error.done
        result = error.result
        break
      }
    }
    return store(next: next, in: list) ? result : .invalidAddress
  }

  private nonisolated(nonsending) func largePages(_ address: UInt64) async -> ResultCode {
    let list: PageList
    do throws(ResultCode) { list = try pageList(address) } catch { return error }
    var work = LargePages(next: Int(list.next))
    while advance(&work, list) { await work.slice.rest() }
    return store(next: work.next, in: list) ? work.result : .invalidAddress
  }

  /// Goes on until the slice is full; false once the call has its result.
  @inline(never) private func advance(_ work: inout LargePages, _ list: PageList) -> Bool {
    do throws(ListStop) {
      while work.next < Int(list.count) {
        if let address = work.page {
          if try clearMore(address, &work.done, &work.slice) { return true }
          try grant(address, .large)
          pages.release(address, .large, as: .valid)
          work.page = nil
          work.next &+= 1
          continue
        }
        if work.slice.isUsedUp { throw ListStop(.incomplete) }
        let entry = try decoded(list, UInt16(truncatingIfNeeded: work.next))
        guard entry.isValidate, entry.is2M else { throw ListStop(.incomplete) }
        work.slice.spend(Slice.page)
        if try begin(entry, .large, list) {
          work.page = PhysicalAddress(entry.address)
          work.done = 0
        } else {
          work.next &+= 1
        }
      }
      return false
    } catch {
      work.result = error.result
      return false
    }
  }

  private func decoded(_ list: PageList, _ index: UInt16) throws(ListStop) -> PValidateEntry {
    let word = try entry(list, index)
    do throws(ResultCode) { return try PValidateEntry(word) } catch { throw ListStop(error) }
  }

  /// One page: claimed, validated, cleared, and only then the guest's.
  private func validateSmall(_ entry: PValidateEntry, _ list: PageList) throws(ListStop) {
    guard try begin(entry, .small, list) else { return }
    let address = PhysicalAddress(entry.address)
    // Windows that hosts map read-only are left out (D.47).
    if platform.isClearable(address) {
      do throws(GuestMemoryFault) {
        try platform.clear(address, byteCount: 4096)
      } catch {
        throw giveUp(address, .small, .unreachable)
      }
    }
    try grant(address, .small)
    pages.release(address, .small, as: .valid)
  }

  /// Claims and validates a page; false if it is valid already and may be: it stays as it is, contents included.
  private func begin(_ entry: PValidateEntry, _ size: GuestPageSize, _ list: PageList) throws(ListStop)
    -> Bool
  {
    let address = PhysicalAddress(entry.address)
    switch pages.claim(address, size, from: .invalid) {
    case .claimed: break
    case .busy: throw overlaps(entry.address, size, list) ? ListStop(.pvalidateUnchanged) : ListStop(.busy)
    case .protected: throw ListStop(.invalidAddress)
    case .mixed: throw ListStop(.pvalidateSizeMismatch)
    case .other(.withheld): try recover(address, size)
    case .other:
      if entry.ignoresCarry { return false }
      throw ListStop(.pvalidateUnchanged)
    }
    do throws(PageFailure) {
      try platform.validate(address, size)
    } catch {
      if error != .unchanged || !entry.ignoresCarry {
        pages.release(address, size, as: .invalid)
        throw ListStop(ResultCode(error))
      }
    }
    return true
  }

  /// Gives the guest its rights on a cleared page.
  private func grant(_ address: PhysicalAddress, _ size: GuestPageSize) throws(ListStop) {
    do throws(PageFailure) {
      try platform.grant(address, size)
    } catch {
      throw giveUp(address, size, error)
    }
  }

  @inline(never) private func giveUp(
    _ address: PhysicalAddress, _ size: GuestPageSize, _ failure: PageFailure
  ) -> ListStop {
    do throws(PageFailure) { try platform.invalidate(address, size) } catch {}
    _ = platform.flushReductions()
    pages.release(address, size, as: .invalid)
    return ListStop(ResultCode(failure))
  }

  /// Claims a withheld page once every CPU has acknowledged that it was taken away.
  private func recover(_ address: PhysicalAddress, _ size: GuestPageSize) throws(ListStop) {
    guard pages.claim(address, size, from: .withheld) == .claimed else { throw ListStop(.busy) }
    guard platform.flushReductions() else {
      pages.release(address, size, as: .withheld)
      throw ListStop(.busy)
    }
  }

  /// Clears a page of 2 MiB on from `done` until it is clear or the slice is full; whether some of it is left.
  ///
  /// The guest has no rights yet.
  @inline(__always) private func clearMore(
    _ address: PhysicalAddress, _ done: inout UInt64, _ slice: inout Slice
  ) throws(ListStop) -> Bool {
    if address.rawValue == 0 { return try clearLowest(&done, &slice) }
    let cost = Int(truncatingIfNeeded: Platform.clearStep >> 12) &* Slice.clearedPage
    var place = done
    var spent = 0
    let room = slice.room &- cost
    while place < GuestPageSize.large.byteCount, spent <= room {
      do throws(GuestMemoryFault) {
        try platform.clear(address.advanced(by: place), byteCount: Platform.clearStep)
      } catch {
        throw giveUp(address, .large, .unreachable)
      }
      spent &+= cost
      place &+= Platform.clearStep
    }
    done = place
    slice.spend(spent)
    return place < GuestPageSize.large.byteCount
  }

  /// The same for the first 2 MiB, page by page: windows that hosts map read-only are left out (D.47).
  @inline(never) private func clearLowest(_ done: inout UInt64, _ slice: inout Slice) throws(ListStop) -> Bool
  {
    while done < GuestPageSize.large.byteCount {
      guard slice.hasRoom(Slice.clearedPage) else { return true }
      let place = PhysicalAddress(done)
      if platform.isClearable(place) {
        do throws(GuestMemoryFault) {
          try platform.clear(place, byteCount: 4096)
        } catch {
          throw giveUp(PhysicalAddress(0), .large, .unreachable)
        }
      }
      slice.spend(Slice.clearedPage)
      done &+= 4096
    }
    return false
  }

  // MARK: Rescinding

  /// Entries that are rescinded with one flush.
  private static var batch: Int { 64 }

  /// Rescinds the entries from `first` on until one validates, fails, or the batch is full; answers how many.
  ///
  /// All lose the guest's rights, then become invalid, then every CPU is flushed once; only then are they let go.
  private func rescind(
    _ list: PageList, from first: UInt16, _ slice: inout Slice
  ) throws(ListStop) -> Int {
    var batch = RescindBatch()
    var failure: ListStop?
    while batch.count < Self.batch, first &+ UInt16(batch.count) < list.count {
      do throws(ListStop) {
        let word = try entry(list, first &+ UInt16(batch.count))
        let decoded: PValidateEntry
        do throws(ResultCode) { decoded = try PValidateEntry(word) } catch { throw ListStop(error) }
        if decoded.isValidate { break }
        batch.append(word, try take(decoded, list))
      } catch {
        failure = error
        break
      }
    }
    slice.spend(batch.count &* Slice.page)
    if let refusal = invalidate(&batch) { failure = refusal }
    if batch.needsFlush, !platform.flushReductions() {
      settle(batch, 0, invalidatedAs: .withheld)
      throw ListStop(.busy)
    }
    settle(batch, 0, invalidatedAs: .invalid)
    if let failure { throw ListStop(failure.result, done: batch.count) }
    return batch.count
  }

  /// Claims one entry's pages and takes the guest's rights away.
  private func take(_ entry: PValidateEntry, _ list: PageList) throws(ListStop) -> RescindBatch.Kind {
    let address = PhysicalAddress(entry.address)
    let size: GuestPageSize = entry.is2M ? .large : .small
    switch pages.claim(address, size, from: .valid) {
    case .claimed: break
    case .busy:
      // The list's own page is in use as long as the call lasts.
      throw overlaps(entry.address, size, list) ? ListStop(.invalidAddress) : ListStop(.busy)
    case .protected: throw ListStop(.invalidAddress)
    case .mixed: throw ListStop(.pvalidateSizeMismatch)
    case .other(.withheld):
      guard pages.claim(address, size, from: .withheld) == .claimed else { throw ListStop(.busy) }
      return .invalidated
    case .other:
      if entry.ignoresCarry { return .skipped }
      throw ListStop(.pvalidateUnchanged)
    }
    do throws(PageFailure) {
      try platform.revoke(address, size)
    } catch {
      restore(address, size)
      throw ListStop(ResultCode(error))
    }
    return .revoked
  }

  /// Gives a claimed valid page its rights back and lets it go.
  func restore(_ address: PhysicalAddress, _ size: GuestPageSize) {
    do throws(PageFailure) { try platform.grant(address, size) } catch {}
    // Some reductions may be open that no longer are any; flushing them is the platform's promise.
    _ = platform.flushReductions()
    pages.release(address, size, as: .valid)
  }

  /// Invalidates what was revoked; at a failure, restores the rest and cuts the batch there.
  private func invalidate(_ batch: inout RescindBatch) -> ListStop? {
    for index in 0..<batch.count where batch.kind(index) == .revoked {
      do throws(PageFailure) {
        try platform.invalidate(batch.address(index), batch.size(index))
        batch.setKind(index, .invalidated)
      } catch {
        if error == .unchanged, batch.ignoresCarry(index) {
          batch.setKind(index, .invalidated)
          continue
        }
        settle(batch, index, invalidatedAs: .withheld)
        batch.cut(index)
        return ListStop(ResultCode(error))
      }
    }
    return nil
  }

  /// Lets the pages of a batch go from entry `first` on.
  private func settle(_ batch: RescindBatch, _ first: Int, invalidatedAs state: PageState) {
    for index in first..<max(first, batch.count) {
      switch batch.kind(index) {
      case .skipped: break
      case .revoked: restore(batch.address(index), batch.size(index))
      case .invalidated: pages.release(batch.address(index), batch.size(index), as: state)
      }
    }
  }

  private func overlaps(_ address: UInt64, _ size: GuestPageSize, _ list: PageList) -> Bool {
    list.address >= address && list.address &- address < size.byteCount
  }
}
