// DerivedObjects: keys made from a derivation parent's secret, a label and a context (Part 1 §28).
import Crypto

extension TPMEngine {
  /// TPM2_CreateLoaded below a derivation parent: the same parent, label and context give the same key.
  ///
  /// TPM2B_TEMPLATE's `unique` and the sensitive data are both a TPMS_DERIVE; the latter overrides the
  /// former (Part 2 §12.2.3.6). How a key follows from them is our own: a generator seeded by KDFa.
  mutating func createDerived(
    _ r: inout Reader, _ c: Context, _ parent: TPMObject, _ auth: Digest, _ data: FixedBytes<192>
  ) throws(Stop) {
    var inner = r.nested(try r.sizedRange())
    let area = try inner.publicHead(nameMayBeNull: false)
    var label = Digest()
    var context = Digest()
    try derivation(&inner, &label, &context)
    try r.finish()
    guard parent.hasSecret, let hash = parent.area.scheme.hash else { throw .handle(.type, 1) }
    guard area.type != Algorithm.rsa else { throw .parameter(.type, 2) }
    guard !area.has(ObjectAttribute.sensitiveDataOrigin) else { throw .parameter(.attributes, 2) }
    try check(area, parent: parent, isNew: true, parameter: 2)
    guard auth.count <= area.nameAlgorithm?.digestSize ?? 0 else { throw .parameter(.size, 1) }
    if !data.isEmpty {
      var bytes: [UInt8] = []
      for index in 0..<data.count { bytes.append(data[index]) }
      var given = Reader(bytes, from: 0, to: bytes.count)
      do throws(Stop) {
        var givenLabel = Digest()
        var givenContext = Digest()
        try derivation(&given, &givenLabel, &givenContext)
        if !givenLabel.isEmpty { label = givenLabel }
        if !givenContext.isEmpty { context = givenContext }
      } catch {
        throw .parameter(.size, 1)
      }
    }
    try requireSlot()
    let seeded = recall()
    guard var source = seeded?.source else {
      throw remember(source: derivedSource(hash, parent, label, context))
    }
    defer { source.wipe() }
    var object = TPMObject(new: area, hierarchy: parent.hierarchy)
    object.auth = auth
    // A keyed hash or cipher takes its bits from the derivation as if the TPM had made them.
    object.area.attributes |= ObjectAttribute.sensitiveDataOrigin
    _ = try fill(&object, FixedBytes(), &source)
    object.area.attributes = area.attributes
    object.name = object.area.name
    object.qualify(parent.qualifiedName)
    try answerLoaded(object, wrapped: [], c)
  }

  @inline(never)
  private func derivedSource(
    _ hash: HashAlgorithm, _ parent: TPMObject, _ label: Digest, _ context: Digest
  ) -> RandomPool {
    var labelled = Writer()
    labelled.sized(label)
    var seed = KDF.a(
      hash, key: parent.secret.span, label: "DERIVE", labelled.bytes.span, context.span, bits: 512)
    let none = InlineArray<1, UInt8>(repeating: 0)
    let source = HMACDRBG(
      .sha256, entropy: seed.span, nonce: none.span.extracting(first: 0), personalization: none.span)
    seed.wipe()
    return RandomPool(source, isPooled: false)
  }

  /// TPMS_DERIVE, which fills the reader.
  @inline(never)
  private func derivation(
    _ reader: inout Reader, _ label: inout Digest, _ context: inout Digest
  ) throws(Stop) {
    label = try reader.sized(limit: 48)
    context = try reader.sized(limit: 48)
    try reader.expectEnd()
  }
}
