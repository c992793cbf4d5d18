// Rule+Text: the rules' names on the command line, and one line on each.

extension Rule {
  /// A short name, for the command line and for grep.
  public var name: StaticString {
    switch self {
    case .fixedHeaderTruncated: "fixed-header-truncated"
    case .fixedMagic: "fixed-magic"
    case .fixedVersion: "fixed-version"
    case .fixedArchitecture: "fixed-architecture"
    case .fixedPageSize: "fixed-page-size"
    case .fixedTotalSize: "fixed-total-size"
    case .fixedVariableOffset: "fixed-variable-offset"
    case .fixedVariableSize: "fixed-variable-size"
    case .checksum: "checksum"
    case .headerTruncated: "header-truncated"
    case .headerLength: "header-length"
    case .headerType: "header-type"
    case .sectionOrder: "section-order"
    case .tooManyHeaders: "too-many-headers"
    case .platformMask: "platform-mask"
    case .platformVTL: "platform-vtl"
    case .platformType: "platform-type"
    case .platformVersion: "platform-version"
    case .platformBoundary: "platform-boundary"
    case .platformRepeated: "platform-repeated"
    case .platformMissing: "platform-missing"
    case .platformArchitecture: "platform-architecture"
    case .reservedNotZero: "reserved-not-zero"
    case .relocationAlignment: "relocation-alignment"
    case .relocationUsedSize: "relocation-used-size"
    case .relocationRepeated: "relocation-repeated"
    case .relocationOverlap: "relocation-overlap"
    case .ccaMask: "cca-mask"
    case .corimOrder: "corim-order"
    case .relocationWithoutContext: "relocation-without-context"
    case .gpaUnaligned: "gpa-unaligned"
    case .sizeUnaligned: "size-unaligned"
    case .pageDataType: "page-data-type"
    case .dataRange: "data-range"
    case .vpPlatform: "vp-platform"
    case .vpContextTail: "vp-context-tail"
    case .vpContextEmpty: "vp-context-empty"
    case .areaRepeated: "area-repeated"
    case .areaUnknown: "area-unknown"
    case .insertInPageTables: "insert-in-page-tables"
    case .maskUndeclared: "mask-undeclared"
    case .maskEmpty: "mask-empty"
    case .platformMaskRepeated: "platform-mask-repeated"
    case .paddingNotZero: "padding-not-zero"
    case .flagsReserved: "flags-reserved"
    case .page2MiB: "page2-mi-b"
    case .parameterBeyondArea: "parameter-beyond-area"
    case .areaEmpty: "area-empty"
    case .tooManyRegions: "too-many-regions"
    case .areaTooLarge: "area-too-large"
    case .gpaOverflow: "gpa-overflow"
    case .pagesOverlap: "pages-overlap"
    case .vpContextRepeated: "vp-context-repeated"
    case .vmsaReserved: "vmsa-reserved"
    case .vmsaNotSNP: "vmsa-not-snp"
    case .pageTypeNotSNP: "page-type-not-snp"
    case .secretsWithData: "secrets-with-data"
    case .idBlockRepeated: "id-block-repeated"
    case .policyRepeated: "policy-repeated"
    case .policyMissing: "policy-missing"
    case .optionalSkipped: "optional-skipped"
    case .loaderHeaderType: "loader-header-type"
    case .loaderVMSAAddress: "loader-vmsa-address"
    case .loaderContextCount: "loader-context-count"
    case .loaderPageOrder: "loader-page-order"
    case .loaderVMSAField: "loader-vmsa-field"
    case .loaderPlatform: "loader-platform"
    case .loaderTDXAddress: "loader-tdx-address"
    case .loaderBoundary: "loader-boundary"
    }
  }

  /// What is wrong, and what the violation's value is.
  public var explanation: StaticString {
    switch self {
    case .fixedHeaderTruncated:
      "the file is shorter than its fixed header; value: its bytes"
    case .fixedMagic:
      "the file does not start with IGVM; value: the word found"
    case .fixedVersion:
      "the format version is neither 1 nor 2; value: the version"
    case .fixedArchitecture:
      "the architecture is neither X64 (0) nor AARCH64 (1); value: the architecture"
    case .fixedPageSize:
      "the page size is not 4096; value: the page size in bytes"
    case .fixedTotalSize:
      "total_file_size is not the length of the file; value: the field in bytes"
    case .fixedVariableOffset:
      "variable_header_offset lies inside the fixed header or is no multiple of 8; value: the offset"
    case .fixedVariableSize:
      "the variable headers are no multiple of 8, or leave no room for file data; value: their size in bytes"
    case .checksum:
      "the checksum does not match the headers; value: the checksum computed"
    case .headerTruncated:
      "a variable header runs past the end of the variable headers; value: bytes left"
    case .headerLength:
      "the length of a variable header is not the size of its type; value: the length in bytes"
    case .headerType:
      "the header type is not known; value: the type"
    case .sectionOrder:
      "a header of an earlier section follows a later section; value: the type"
    case .tooManyHeaders:
      "more headers than this reader accepts; value: its limit"
    case .platformMask:
      "a platform does not have exactly one mask bit; value: the mask"
    case .platformVTL:
      "highest_vtl is neither 0 nor 2; value: the level"
    case .platformType:
      "the platform type is not known; value: the type"
    case .platformVersion:
      "the platform version is not 1; value: the version"
    case .platformBoundary:
      "a NATIVE or VSM platform has a shared GPA boundary; value: the boundary"
    case .platformRepeated:
      "a platform type is declared twice; value: the type"
    case .platformMissing:
      "the file declares no platform"
    case .platformArchitecture:
      "the platform does not exist on the file's architecture; value: the type"
    case .reservedNotZero:
      "a reserved field is not zero; value: the field"
    case .relocationAlignment:
      "an address or size of a relocation header is not aligned; value: the field"
    case .relocationUsedSize:
      "used_size is larger than the page-table region; value: used_size in bytes"
    case .relocationRepeated:
      "a platform has two page-table regions; value: the mask"
    case .relocationOverlap:
      "a relocatable region overlaps a page-table region; value: the address"
    case .ccaMask:
      "a CCA policy is malformed or names a platform that is not CCA; value: the mask"
    case .corimOrder:
      "a CoRIM document is repeated, or its signature comes without it; value: the mask"
    case .relocationWithoutContext:
      "a relocation header names a processor that has no VBS context; value: the VP index"
    case .gpaUnaligned:
      "a guest-physical address is not a multiple of 4096; value: the address"
    case .sizeUnaligned:
      "a size is not a multiple of 4096; value: the size in bytes"
    case .pageDataType:
      "the page data type is not known; value: the type"
    case .dataRange:
      "file data lies outside the file, or inside its headers; value: the file offset"
    case .vpPlatform:
      "a VP context's mask is not exactly one declared platform that has contexts; value: the mask"
    case .vpContextTail:
      "bytes after a native VP context, or reserved attribute bits in it, are not zero; value: the offset in the context"
    case .vpContextEmpty:
      "a VP context has no state, or more registers than fit; value: the count or 0"
    case .areaRepeated:
      "a parameter area's index is declared twice; value: the index"
    case .areaUnknown:
      "a parameter area is used before its declaration or after its insert; value: the index"
    case .insertInPageTables:
      "a parameter area is inserted into a page-table region; value: the address"
    case .maskUndeclared:
      "a mask names a platform that the file does not declare; value: the mask"
    case .maskEmpty:
      "a mask is empty: the header serves no platform"
    case .platformMaskRepeated:
      "two platforms share a mask bit; value: the mask"
    case .paddingNotZero:
      "padding after a header is not zero; value: its offset in the file"
    case .flagsReserved:
      "reserved flag bits are set; value: the flags"
    case .page2MiB:
      "the 2 MiB flag is set, which no loader implements; value: the address"
    case .parameterBeyondArea:
      "a parameter is written beyond the end of its area; value: the byte offset"
    case .areaEmpty:
      "a parameter area has no bytes; value: the index"
    case .tooManyRegions:
      "more parameter areas or relocation regions than this reader accepts; value: its limit"
    case .areaTooLarge:
      "a parameter area is larger than this reader accepts; value: its bytes"
    case .gpaOverflow:
      "a range runs past the end of the address space; value: the address"
    case .pagesOverlap:
      "two imports of one platform meet in one page; value: the address"
    case .vpContextRepeated:
      "a processor has two contexts on one platform; value: the VP index"
    case .vmsaReserved:
      "a reserved byte of the VMSA is not zero; value: its offset in the VMSA"
    case .vmsaNotSNP:
      "sev_features of the VMSA lacks SNPActive; value: the features"
    case .pageTypeNotSNP:
      "a SECRETS or CPUID page serves a platform other than SNP; value: the mask"
    case .secretsWithData:
      "a SECRETS page has file data, which the platform overwrites; value: the file offset"
    case .idBlockRepeated:
      "a platform has two ID blocks; value: the mask"
    case .policyRepeated:
      "a platform has two policies; value: the mask"
    case .policyMissing:
      "an SNP or TDX platform has no policy: the loader chooses one; value: the mask"
    case .optionalSkipped:
      "an optional header of a type not known is skipped; value: the type"
    case .loaderHeaderType:
      "the loader refuses this header type, for whatever platform it is; value: the type"
    case .loaderVMSAAddress:
      "the loader wants the VMSA at another address; value: the address"
    case .loaderContextCount:
      "the loader wants exactly one VP context for the platform; value: the count"
    case .loaderPageOrder:
      "the loader imports this header at another time than its place says, so the digest differs; value: the type"
    case .loaderVMSAField:
      "the loader refuses or changes this VMSA field; value: its offset in the VMSA"
    case .loaderPlatform:
      "the loader supports none of the file's platforms"
    case .loaderTDXAddress:
      "no measured page covers the TDX reset vector 0xFFFFFFF0"
    case .loaderBoundary:
      "the loader wants another shared GPA boundary; value: the boundary"
    }
  }
}
