// Verifier+Context: the rules on processor contexts and their payloads (reference §8).

extension Verifier {
  mutating func check(
    _ header: VPContext, _ file: borrowing Span<UInt8>, _ at: UInt64, _ report: (Violation) -> Void
  ) {
    if header.reserved != 0 { report(.init(.reservedNotZero, at: at, UInt64(header.reserved))) }
    guard let type = platform(header.mask), type != .tdx else {
      return report(.init(.vpPlatform, at: at, UInt64(header.mask.rawValue)))
    }
    guard header.fileOffset != 0 else { return report(.init(.vpContextEmpty, at: at)) }
    var vtl: UInt8 = 0
    switch type {
    case .snp, .sevES:
      if header.gpa % PageData.pageSize != 0 { report(.init(.gpaUnaligned, at: at, header.gpa)) }
      // KVM gives the VMSAs of all processors one address that no memory has; elsewhere each takes its page.
      if header.gpa != VMSALayout.kvmGPA || header.vpIndex == 0 {
        book(header.gpa, PageData.pageSize, header.mask, at, report)
      }
      guard let payload = payload(header, PageData.pageSize, at, report) else { return }
      checkVMSA(payload, isSNP: type == .snp, file, at, report)
    case .vsmIsolation:
      guard let level = checkRegisters(header, file, at, report) else { return }
      vtl = level
      for index in regions.indices where regions[index].mask.intersects(header.mask) {
        let region = regions[index]
        if region.vpIndex == header.vpIndex && region.vtl == vtl { regions[index].hasContext = true }
      }
    default:
      guard let payload = payload(header, PageData.pageSize, at, report) else { return }
      let used = type == .cca ? 80 : NativeContext.byteCount
      let dirty = payload.dropFirst(used).first { file[$0] != 0 }
      if let dirty { report(.init(.vpContextTail, at: at, UInt64(dirty - payload.lowerBound))) }
      if type != .cca {
        for attributes in NativeContext.attributeOffsets
        where file[payload.lowerBound + attributes + 1] & 0xF != 0 {
          report(.init(.vpContextTail, at: at, UInt64(attributes)))
        }
      }
    }
    contexts.append(.init(mask: header.mask, vpIndex: header.vpIndex, vtl: vtl, offset: at))
  }

  /// The place of the payload in the file; nil, and a report, if it lies outside.
  private func payload(
    _ header: VPContext, _ byteCount: UInt64, _ at: UInt64, _ report: (Violation) -> Void
  ) -> Range<Int>? {
    let start = Int(header.fileOffset)
    guard start >= fixed.dataOffset, UInt64(start) + byteCount <= UInt64(fixed.totalFileSize) else {
      report(.init(.dataRange, at: at, UInt64(header.fileOffset)))
      return nil
    }
    return start..<(start + Int(byteCount))
  }

  private func checkVMSA(
    _ payload: Range<Int>, isSNP: Bool, _ file: borrowing Span<UInt8>, _ at: UInt64,
    _ report: (Violation) -> Void
  ) {
    for reserved in VMSALayout.reserved {
      for index in reserved where file[payload.lowerBound + index] != 0 {
        report(.init(.vmsaReserved, at: at, UInt64(index)))
        break
      }
    }
    let features = file[payload.lowerBound + VMSALayout.sevFeatures]
    if isSNP && features & 1 == 0 { report(.init(.vmsaNotSNP, at: at, UInt64(features))) }
  }

  /// A VBS register list: its count fits and is not zero.
  ///
  /// Returns the trust level of its first register.
  private func checkRegisters(
    _ header: VPContext, _ file: borrowing Span<UInt8>, _ at: UInt64, _ report: (Violation) -> Void
  ) -> UInt8? {
    guard let head = payload(header, 4, at, report) else { return nil }
    var count: UInt64 = 0
    for index in 0..<4 { count |= UInt64(file[head.lowerBound + index]) << UInt64(8 * index) }
    guard count > 0, count <= 256 else {
      report(.init(.vpContextEmpty, at: at, count))
      return nil
    }
    guard payload(header, 4 + 32 * count, at, report) != nil else { return nil }
    return file[head.upperBound]
  }

  /// Reports a processor that has two contexts on one platform and trust level.
  func reportRepeatedContexts(_ report: (Violation) -> Void) {
    func key(_ context: Context) -> UInt64 {
      UInt64(context.mask.rawValue) << 32 | UInt64(context.vpIndex) << 8 | UInt64(context.vtl)
    }
    let sorted = contexts.sorted { (key($0), $0.offset) < (key($1), $1.offset) }
    for (first, second) in zip(sorted, sorted.dropFirst()) where key(first) == key(second) {
      report(.init(.vpContextRepeated, at: second.offset, UInt64(second.vpIndex)))
    }
  }

  /// Reports imports of one platform that meet in a page: sorts by address, then one sweep that remembers, for
  /// each mask bit, how far its imports reach.
  func reportOverlaps(_ report: (Violation) -> Void) {
    let sorted = ranges.sorted { ($0.start, $0.offset) < ($1.start, $1.offset) }
    var isUsed = PlatformMask.none
    var reach = InlineArray<32, UInt64>(repeating: 0)
    for range in sorted {
      var bits = range.mask.rawValue & declared.rawValue
      var isReported = false
      while bits != 0 {
        let bit = bits.trailingZeroBitCount
        bits &= bits &- 1
        let mask = PlatformMask(1 << UInt32(bit))
        if isUsed.contains(mask), reach[bit] >= range.start, !isReported {
          report(.init(.pagesOverlap, at: range.offset, range.start))
          isReported = true
        }
        reach[bit] = max(reach[bit], range.end)
        isUsed = isUsed.union(mask)
      }
    }
  }
}
