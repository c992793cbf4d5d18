// ObjectCommands: creating, loading, reading, changing and unsealing objects (Part 3 §12, §24.1).
import Crypto

extension TPMEngine {
  /// Reads what TPM2_Create and TPM2_CreatePrimary are asked for.
  @inline(never)
  private func creationRequest(_ r: inout Reader) throws(Stop) -> CreationRequest {
    let request = CreationRequest()
    try sensitiveCreate(&r, request)
    r.next()
    request.area = try r.publicArea()
    r.next()
    request.outside = try r.sized()
    r.next()
    request.selection = try r.pcrSelection()
    try r.finish()
    return request
  }

  /// Checks an object that is to be made below a parent, or below a primary seed if that is nil.
  private func check(_ request: CreationRequest, parent: TPMObject?) throws(Stop) {
    try check(request.area, parent: parent, isNew: true, parameter: 2)
    try checkCreation(request.area, request.auth, request.data)
  }

  @inline(never)
  mutating func createPrimary(_ r: inout Reader, _ c: Context) throws(Stop) {
    let request = try creationRequest(&r)
    try check(request, parent: nil)
    try requireSlot()
    let object = try makePrimary(c.handles[0], request)
    c.responseHandle = try place(.object(object))
    object.area.writeSized(&out)
    writeCreation(object, parent: nil, hierarchy: c.handles[0], request)
    out.sized(object.name)
  }

  mutating func makePrimary(_ hierarchy: UInt32, _ request: CreationRequest) throws(Stop) -> TPMObject {
    let seeded = recall()
    guard var source = seeded?.source else {
      throw remember(source: primarySource(hierarchy, request.area, request.data))
    }
    defer { source.wipe() }
    if let made = recall()?.object { return made }
    var object = TPMObject(new: request.area, hierarchy: hierarchy)
    object.auth = request.auth
    object.isPrimary = true
    _ = try fill(&object, request.data, &source)
    object.qualify(name(hierarchy))
    throw remember(object, forgets: true)
  }

  /// An object below a parent, not yet qualified, and the IV to wrap it with.
  private mutating func makeChild(
    _ parent: TPMObject, _ request: CreationRequest
  ) throws(Stop) -> (object: TPMObject, iv: [UInt8]) {
    if let memo = recall(), let made = memo.object { return (made, memo.bytes) }
    var object = TPMObject(new: request.area, hierarchy: parent.hierarchy)
    object.auth = request.auth
    var source = drbg
    let iv = try fill(&object, request.data, &source, more: AES.blockSize)
    drbg = source
    throw remember(object, bytes: iv, forgets: true)
  }

  @inline(never)
  mutating func create(_ r: inout Reader, _ c: Context) throws(Stop) {
    let request = try creationRequest(&r)
    let parent = try parent(c.handles[0], 1)
    try check(request, parent: parent)
    var (object, iv) = try makeChild(parent, request)
    out.sized(try wrap(object, under: parent, iv: iv))
    object.area.writeSized(&out)
    writeCreation(object, parent: parent, hierarchy: parent.hierarchy, request)
    object.wipe()
  }

  @inline(never)
  mutating func createLoaded(_ r: inout Reader, _ c: Context) throws(Stop) {
    let request = CreationRequest()
    try sensitiveCreate(&r, request)
    r.next()
    if !Self.isHierarchy(c.handles[0]) {
      let parent = try object(c.handles[0], 1)
      if parent.area.isDerivationParent {
        try createDerived(&r, c, parent, request.auth, request.data)
        return
      }
    }
    request.area = try r.publicArea()
    try r.finish()
    if Self.isHierarchy(c.handles[0]) {
      try check(request, parent: nil)
      try requireSlot()
      let object = try makePrimary(c.handles[0], request)
      try answerLoaded(object, wrapped: [], c)
      return
    }
    let parent = try parent(c.handles[0], 1)
    try check(request, parent: parent)
    try requireSlot()
    var (object, iv) = try makeChild(parent, request)
    let blob = try wrap(object, under: parent, iv: iv)
    object.qualify(parent.qualifiedName)
    try answerLoaded(object, wrapped: blob, c)
  }

  /// The answer of TPM2_CreateLoaded.
  mutating func answerLoaded(_ object: TPMObject, wrapped: [UInt8], _ c: Context) throws(Stop) {
    c.responseHandle = try place(.object(object))
    out.sized(wrapped)
    object.area.writeSized(&out)
    out.sized(object.name)
  }

  @inline(never)
  mutating func load(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let blob = try r.sizedArray(limit: 1024)
    guard !blob.isEmpty else { throw r.error(.size) }
    r.next()
    let area = try r.publicArea()
    try r.finish()
    let parent = try parent(c.handles[0], 1)
    try requireSlot()
    let opened = recall()?.object
    guard var object = opened else {
      var object = TPMObject(area: area, hierarchy: parent.hierarchy, parentName: parent.qualifiedName)
      try unwrap(blob, into: &object, under: parent, parameter: 1)
      throw remember(object)
    }
    try check(area, parent: parent, isNew: false, parameter: 2)
    try bind(&object, parameter: 1)
    c.responseHandle = try place(.object(object))
    out.sized(object.name)
  }

  @inline(never)
  mutating func loadExternal(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let range = try r.sizedRange()
    var sensitive = r.nested(range)
    r.next()
    let area = try r.publicArea(nameMayBeNull: true)
    r.next()
    let hierarchy = try r.u32()
    guard Self.isHierarchy(hierarchy) else { throw r.error(.value) }
    try r.finish()
    guard isEnabled(hierarchy) else { throw .parameter(.hierarchy, 3) }
    try requireSlot()
    var name = Name()
    name.append(big: hierarchy)
    var object = TPMObject(area: area, hierarchy: hierarchy, parentName: name)
    object.isExternal = true
    if range.isEmpty {
      try checkPublicKey(area, parameter: 2)
    } else {
      guard hierarchy == Handle.null else { throw .parameter(.hierarchy, 3) }
      guard area.nameAlgorithm != nil else { throw .parameter(.hash, 2) }
      let fixed = ObjectAttribute.fixedTPM | ObjectAttribute.fixedParent | ObjectAttribute.restricted
      guard area.attributes & fixed == 0 else { throw .parameter(.attributes, 2) }
      try check(area, parent: nil, isNew: false, parameter: 2)
      try checkPublicKey(area, parameter: 2)
      try sensitive.sensitive(into: &object)
      try sensitive.expectEnd()
      try bind(&object, parameter: 1)
    }
    c.responseHandle = try place(.object(object))
    out.sized(object.name)
  }

  /// A public key that operations can be done with.
  func checkPublicKey(_ area: PublicArea, parameter: Int) throws(Stop) {
    switch area.type {
    case Algorithm.rsa:
      guard area.unique.count == Int(area.keyBits) / 8, area.rsa != nil else {
        throw .parameter(.key, parameter)
      }
    case Algorithm.ecc:
      guard let curve = area.curve, let x = FixedBytes<48>(area.unique.span).padded(to: curve.size),
        let y = area.uniqueY.padded(to: curve.size), curve.contains(ECPoint(x: x, y: y))
      else { throw .parameter(.eccPoint, parameter) }
    default: break
    }
  }

  @inline(never)
  mutating func readPublic(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    guard let slot = slotIndex(c.handles[0]), case .sequence = volatile.slots[slot] else {
      let object = try object(c.handles[0], 1)
      object.area.writeSized(&out)
      out.sized(object.name)
      out.sized(object.qualifiedName)
      return
    }
    throw .code(.sequenceHandle)
  }

  @inline(never)
  mutating func unseal(_ r: inout Reader, _ c: Context) throws(Stop) {
    try r.finish()
    let object = try object(c.handles[0], 1)
    guard object.area.type == Algorithm.keyedHash else { throw .handle(.type, 1) }
    let used = ObjectAttribute.decrypt | ObjectAttribute.sign | ObjectAttribute.restricted
    guard object.area.attributes & used == 0, object.hasSecret else { throw .handle(.attributes, 1) }
    out.sized(object.secret)
  }

  @inline(never)
  mutating func objectChangeAuth(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    var auth: Digest = try r.sized()
    try r.finish()
    auth.dropTrailingZeros()
    var object = try object(c.handles[0], 1)
    let parent = try parent(c.handles[1], 2)
    guard let hash = object.area.nameAlgorithm, auth.count <= hash.digestSize else {
      throw .parameter(.size, 1)
    }
    // The parent must be the object's: its qualified name says so.
    var expected = object
    expected.qualify(parent.qualifiedName)
    guard expected.qualifiedName.matches(object.qualifiedName.span), !object.isPrimary, object.hasSecret
    else {
      throw .handle(.type, 2)
    }
    object.auth = auth
    out.sized(try wrap(object, under: parent))
    object.wipe()
  }

  @inline(never)
  mutating func evictControl(_ r: inout Reader, _ c: Context) throws(Stop) {
    r.next()
    let handle = try r.u32()
    guard Handle.type(handle) == 0x81 else { throw r.error(.value) }
    try r.finish()
    let object = try object(c.handles[1], 2)
    let isPlatform = c.handles[0] == Handle.platform
    if object.area.has(ObjectAttribute.stClear) || !object.hasSecret || object.isExternal {
      throw .handle(.attributes, 2)
    }
    guard object.hierarchy != Handle.null else { throw .handle(.hierarchy, 2) }
    if isPlatform {
      guard object.hierarchy == Handle.platform else { throw .handle(.hierarchy, 1) }
    } else {
      guard object.hierarchy != Handle.platform else { throw .handle(.hierarchy, 1) }
    }
    guard (handle >= Handle.platformPersistent) == isPlatform else { throw .parameter(.range, 1) }
    if Handle.type(c.handles[1]) == 0x81 {
      guard handle == c.handles[1], let index = persistent.object(handle) else { throw .handle(.handle, 2) }
      persistent.objects[index].object.wipe()
      persistent.objects.remove(at: index)
    } else {
      guard persistent.object(handle) == nil else { throw .code(.nvDefined) }
      guard persistent.objects.count < Limits.persistentObjects else { throw .code(.nvSpace) }
      persistent.objects.append((handle, object))
    }
    touch()
  }
}

/// What a creating command is asked for.
///
/// On the heap, so that no stack frame carries it; whoever drops it leaves no secret behind.
final class CreationRequest {
  var auth = Digest()
  var data = FixedBytes<192>()
  var area = PublicArea()
  var outside = Digest()
  var selection = PCRSelection()

  deinit {
    auth.wipe()
    data.wipe()
  }
}

extension ResponseCode {
  /// TPM_RC_SEQUENCE: the handle is a sequence object.
  static let sequenceHandle = ResponseCode(0x103)
}
