// CPUInstructions: whether the CPU's own instructions for SHA-256 and AES are used.
#if APUS_CRYPTO_INSTRUCTIONS
  import CryptoInstructions
#endif

/// The choice between this room's portable code and the CPU's instructions (`CryptoInstructions`).
///
/// A kernel image is built without SSE and has the portable code only; a hosted build takes the instructions where the
/// CPU has them and the environment variable `APUS_CRYPTO` is not `portable`.
public enum CPUInstructions {
  /// Whether SHA-256 is computed by the CPU's instructions.
  @inline(__always)
  public static var haveSHA: Bool {
    #if APUS_CRYPTO_INSTRUCTIONS
      apus_has_sha()
    #else
      false
    #endif
  }

  /// Whether an AES key that is set up now is used by the CPU's instructions.
  @inline(__always)
  public static var haveAES: Bool {
    #if APUS_CRYPTO_INSTRUCTIONS
      apus_has_aes()
    #else
      false
    #endif
  }

  /// What `body` gives with the portable code, for tests and comparisons; only the calling thread is concerned.
  public static func portably<Result>(_ body: () -> Result) -> Result {
    #if APUS_CRYPTO_INSTRUCTIONS
      let before = apus_set_portable(true)
      defer { _ = apus_set_portable(before) }
    #endif
    return body()
  }
}
