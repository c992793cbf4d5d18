// Rule: every rule a file is held to, with its name, its reason and where it comes from.

/// A rule of the format, or one of ours on top of it.
public enum Rule: UInt8, CaseIterable, Sendable {
  // Fixed header (reference §2, §9 rule 1).
  case fixedHeaderTruncated, fixedMagic, fixedVersion, fixedArchitecture, fixedPageSize
  case fixedTotalSize, fixedVariableOffset, fixedVariableSize, checksum
  // Framing and sections (§3, §9 rule 2).
  case headerTruncated, headerLength, headerType, sectionOrder, tooManyHeaders
  // Platforms (§4, §5, §9 rule 3).
  case platformMask, platformVTL, platformType, platformVersion, platformBoundary, platformRepeated
  case platformMissing, platformArchitecture
  // Initialization (§6, §9 rule 4).
  case reservedNotZero, relocationAlignment, relocationUsedSize, relocationRepeated, relocationOverlap
  case ccaMask, corimOrder, relocationWithoutContext
  // Directives (§7, §9 rules 5 to 7).
  case gpaUnaligned, sizeUnaligned, pageDataType, dataRange, vpPlatform, vpContextTail, vpContextEmpty
  case areaRepeated, areaUnknown, insertInPageTables
  // Ours: the crate accepts these, and each has misled a loader or a tool (§9 second paragraph).
  case maskUndeclared, maskEmpty, platformMaskRepeated, paddingNotZero, flagsReserved, page2MiB
  case parameterBeyondArea, areaEmpty, areaTooLarge, tooManyRegions, gpaOverflow, pagesOverlap
  case vpContextRepeated, vmsaReserved, vmsaNotSNP, pageTypeNotSNP, secretsWithData
  case idBlockRepeated, policyRepeated, policyMissing, optionalSkipped
  // Per loader (§16), checked on request.
  case loaderHeaderType, loaderVMSAAddress, loaderContextCount, loaderPageOrder, loaderVMSAField
  case loaderPlatform, loaderTDXAddress, loaderBoundary

  /// Whose rule it is.
  public enum Origin: Sendable {
    /// The format: other parsers refuse the file as well.
    case format
    /// Ours: other parsers accept the file, to somebody's harm.
    case strict
    /// A loader's: the file is valid, but that loader refuses or misreads it.
    case loader
    /// Only worth knowing; not an error.
    case notice
  }

  /// Whose rule it is.
  public var origin: Origin {
    switch self {
    case .optionalSkipped, .policyMissing: .notice
    case _ where rawValue >= Rule.loaderHeaderType.rawValue: .loader
    case _ where rawValue >= Rule.maskUndeclared.rawValue: .strict
    case .tooManyHeaders: .strict
    default: .format
    }
  }
}
