// AttestationReport: where the fields of an SNP attestation report lie.

/// Byte offsets in the 1184-byte report.
///
/// Source: AMD 56860 (reference snp-svsm.md B.11).
public enum AttestationReport {
  /// Size in bytes.
  public static let byteCount = 0x4A0
  /// The version, four bytes.
  public static let version = 0x000
  /// The guest's security version, four bytes.
  public static let guestSVN = 0x004
  /// The policy.
  public static let policy = 0x008
  /// The family identifier, 16 bytes.
  public static let familyID = 0x010
  /// The image identifier, 16 bytes.
  public static let imageID = 0x020
  /// The VMPL, four bytes.
  public static let vmpl = 0x030
  /// The signature algorithm, four bytes; 1 is ECDSA P-384 with SHA-384.
  public static let signatureAlgorithm = 0x034
  /// The current TCB.
  public static let currentTCB = 0x038
  /// The platform information.
  public static let platformInformation = 0x040
  /// The flags, four bytes.
  public static let flags = 0x048
  /// The report data, 64 bytes.
  public static let reportData = 0x050
  /// The launch digest, 48 bytes.
  public static let measurement = 0x090
  /// The host data, 32 bytes.
  public static let hostData = 0x0C0
  /// The digest of the ID key, 48 bytes.
  public static let idKeyDigest = 0x0E0
  /// The digest of the author key, 48 bytes.
  public static let authorKeyDigest = 0x110
  /// The report identifier, 32 bytes.
  public static let reportID = 0x140
  /// The report identifier of the migration agent, 32 bytes.
  public static let reportIDMigrationAgent = 0x160
  /// The reported TCB.
  public static let reportedTCB = 0x180
  /// The chip identifier, 64 bytes.
  public static let chipID = 0x1A0
  /// The committed TCB.
  public static let committedTCB = 0x1E0
  /// The launch TCB.
  public static let launchTCB = 0x1F0
  /// The signature: R then S, 72 bytes each, little-endian; it covers what lies before it.
  public static let signature = 0x2A0
  /// Size of R and of S in bytes.
  public static let signatureComponentByteCount = 72
  /// Offset of the report in the payload of MSG_REPORT_RSP.
  public static let responseOffset = 0x20
  /// Size of the payload of MSG_REPORT_REQ in bytes.
  public static let requestByteCount = 0x60
}
