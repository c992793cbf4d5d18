// CurveHelpers: array-based wrappers of the curve jobs, each run to its end.
import Crypto

func publicKey(_ curve: EllipticCurve, _ scalar: [UInt8]) -> ECPoint? {
  var job = ECMultiplier(curve, scalar: scalar.span)
  return job?.finish()
}

func agree(_ curve: EllipticCurve, _ scalar: [UInt8], _ point: ECPoint) -> ECPoint? {
  var job = ECMultiplier(curve, scalar: scalar.span, point)
  return job?.finish()
}

func sign(
  _ curve: EllipticCurve, _ hash: HashAlgorithm, _ key: [UInt8], digest: [UInt8], extra: [UInt8] = []
) -> ECDSASignature? {
  var job = ECDSASigner(curve, hash, key: key.span, digest: digest.span, extra: extra.span)
  return job?.finish()
}

func verify(_ curve: EllipticCurve, _ point: ECPoint, digest: [UInt8], _ signature: ECDSASignature) -> Bool {
  var job = ECDSAVerifier(curve, point, digest: digest.span, signature)
  return job.finish()
}

func scalar(_ curve: EllipticCurve, _ random: [UInt8]) -> [UInt8] { bytes(curve.scalar(random: random.span)) }

func bytes<let capacity: Int>(_ fixed: FixedBytes<capacity>) -> [UInt8] {
  (0..<fixed.count).map { fixed[$0] }
}

func hex<let capacity: Int>(_ fixed: FixedBytes<capacity>) -> String { hex(bytes(fixed)) }

func hex(_ point: ECPoint) -> String { hex(point.x) + hex(point.y) }
