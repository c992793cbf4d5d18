// CoreService+PVALIDATE: pages become the guest's, cleared before it can read them, and cease to be.
import SVSMProtocol
import Seams
import X86

extension CoreService {
  /// PVALIDATE: works through the list from `next` on, and leaves `next` at the entry to go on with.
  ///
  /// Rule: reference A.6 call 1, D.24 to D.48. INCOMPLETE once a slice is used up.
  nonisolated(nonsending) func pvalidate(_ call: GuestCall) async -> CallReply {
    await withList(call) { (list, index, slice) async throws(ListStop) in
      let word = try entry(list, index)
      let decoded: PValidateEntry
      do throws(ResultCode) { decoded = try PValidateEntry(word) } catch { throw ListStop(error) }
      guard decoded.isValidate else { return try rescind(list, from: index, &slice) }
      try await validate(decoded, list, &slice)
      return 1
    }
  }

  /// One page: claimed, validated, cleared, and only then the guest's.
  private nonisolated(nonsending) func validate(
    _ entry: PValidateEntry, _ list: PageList, _ slice: inout Slice
  ) async throws(ListStop) {
    let address = PhysicalAddress(entry.address)
    let size: GuestPageSize = entry.is2M ? .large : .small
    switch guest.pages.claim(address, size, from: .invalid) {
    case .claimed: break
    case .busy: throw overlaps(entry.address, size, list) ? ListStop(.pvalidateUnchanged) : ListStop(.busy)
    case .protected: throw ListStop(.invalidAddress)
    case .mixed: throw ListStop(.pvalidateSizeMismatch)
    case .other(.withheld): try recover(address, size)
    case .other:
      // Valid already: with the carry ignored it stays as it is, contents included.
      if entry.ignoresCarry { return }
      throw ListStop(.pvalidateUnchanged)
    }
    do throws(PageFailure) {
      try platform.validate(address, size)
    } catch {
      if error != .unchanged || !entry.ignoresCarry {
        guest.pages.release(address, size, as: .invalid)
        throw ListStop(ResultCode(error))
      }
    }
    do throws(PageFailure) {
      try await clear(address, size, &slice)
      try platform.grant(address, size)
    } catch {
      do throws(PageFailure) { try platform.invalidate(address, size) } catch {}
      _ = platform.flushReductions()
      guest.pages.release(address, size, as: .invalid)
      throw ListStop(ResultCode(error))
    }
    guest.pages.release(address, size, as: .valid)
  }

  /// Claims a withheld page once every CPU has acknowledged that it was taken away.
  private func recover(_ address: PhysicalAddress, _ size: GuestPageSize) throws(ListStop) {
    guard guest.pages.claim(address, size, from: .withheld) == .claimed else { throw ListStop(.busy) }
    guard platform.flushReductions() else {
      guest.pages.release(address, size, as: .withheld)
      throw ListStop(.busy)
    }
  }

  /// Clears pages in steps, between which other tasks run; the guest has no rights yet.
  ///
  /// Windows that hosts map read-only are left out (D.47).
  private nonisolated(nonsending) func clear(
    _ address: PhysicalAddress, _ size: GuestPageSize, _ slice: inout Slice
  ) async throws(PageFailure) {
    // The windows lie below 1 MiB.
    let step = size == .large && address.rawValue != 0 ? Platform.clearStep : 4096
    let cost = Int(truncatingIfNeeded: step / 4096) &* Slice.clearedPage
    var done: UInt64 = 0
    while done < size.byteCount {
      await slice.makeRoom(cost)
      let place = address.advanced(by: done)
      if step > 4096 || platform.isClearable(place) {
        do throws(GuestMemoryFault) {
          try platform.clear(place, byteCount: step)
        } catch {
          throw .unreachable
        }
      }
      slice.spend(cost)
      done &+= step
    }
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
    switch guest.pages.claim(address, size, from: .valid) {
    case .claimed: break
    case .busy:
      // The list's own page is in use as long as the call lasts.
      throw overlaps(entry.address, size, list) ? ListStop(.invalidAddress) : ListStop(.busy)
    case .protected: throw ListStop(.invalidAddress)
    case .mixed: throw ListStop(.pvalidateSizeMismatch)
    case .other(.withheld):
      guard guest.pages.claim(address, size, from: .withheld) == .claimed else { throw ListStop(.busy) }
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
    guest.pages.release(address, size, as: .valid)
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
      case .invalidated: guest.pages.release(batch.address(index), batch.size(index), as: state)
      }
    }
  }

  private func overlaps(_ address: UInt64, _ size: GuestPageSize, _ list: PageList) -> Bool {
    list.address >= address && list.address &- address < size.byteCount
  }
}
