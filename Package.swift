// swift-tools-version: 6.2
// The rooms of Apus, what each may import, and the boards that compose them.
import Foundation
import PackageDescription

/// Set by `boards/build` for bare metal.
///
/// Adds the rooms that exist only on bare metal (our own `_Concurrency`,
/// the assembly, the machine, the boards). Unset, a plain `swift build` sees the hosted rooms
/// and the toolchain's `_Concurrency`.
let isBare = Context.environment["APUS_BARE"] != nil

let strict: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

/// A room: a library target that builds both on Linux and on bare metal.
func room(
  _ name: String, _ imports: [Target.Dependency] = [], path: String? = nil, exclude: [String] = [],
  settings: [SwiftSetting] = []
) -> Target {
  .target(name: name, dependencies: imports, path: path, exclude: exclude, swiftSettings: strict + settings)
}

/// For rooms whose own types hand out spans of themselves (`@_lifetime`).
let lifetimes: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

/// The hosted unit tests of one room.
func tests(of name: String, _ also: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.byName(name: name), "TestSupport"] + also,
    swiftSettings: strict)
}

/// The runtime's entry points are leaves of a few dozen instructions: no frame pointers there.
let runtimeFlags: [String] = ["-Xcc", "-fomit-frame-pointer"]

// A kernel is built without SSE, so its Crypto has the portable code only.
#if arch(x86_64)
  let hasInstructions = !isBare
#else
  let hasInstructions = false
#endif

// One line per room; the arrows of ARCHITECTURE.md. `ci/lint` checks imports against this table.
let rooms: [Target] = [
  room("Bits"),
  room("X86", ["Bits"]),
  room("Seams", ["SNP", "TDX", "X86"]),
  room(
    "TaskRuntime", ["Bits", "Seams", "Tasks"] + (isBare ? ["_Concurrency"] : []),
    settings: isBare ? [.unsafeFlags(runtimeFlags)] : []),
  room("Idle", ["TaskRuntime", "Seams"], path: "Sources/Services/Idle"),
  room("Timer", ["TaskRuntime", "Seams"], path: "Sources/Services/Timer"),
  room(
    "RequestLoop", ["Seams", "SVSMProtocol", "TaskRuntime", "Tasks", "X86"],
    path: "Sources/Services/RequestLoop"),
  room(
    "VTPM", ["Crypto", "RequestLoop", "Seams", "SVSMProtocol", "TaskRuntime", "Tasks", "TPM"],
    path: "Sources/Services/VTPM"),
  room(
    "Attestation", ["Crypto", "RequestLoop", "Seams", "SVSMProtocol"], path: "Sources/Services/Attestation"),
  room("TraceFormat", ["Bits"]),
  room("Latency", ["TraceFormat"]),
  room(
    "GuestScript", ["RequestLoop", "SVSMProtocol", "Seams", "Tasks", "X86"],
    path: "Sources/Services/GuestScript"),
  room(
    "TaskLatency",
    ["GuestScript", "Latency", "RequestLoop", "SVSMProtocol", "Seams", "TaskRuntime", "Tasks", "X86"]
      + (isBare ? ["_Concurrency"] : []),
    path: "Sources/Services/TaskLatency"),
  room("Kernel", ["Seams", "X86", "TaskRuntime", "Tasks", "TraceFormat"]),
  room("NativePlatform", ["Seams", "X86"], path: "Sources/Platforms/NativePlatform"),
  room(
    "SNPPlatform", ["Bits", "Launch", "SNP", "Seams", "X86"], path: "Sources/Platforms/SNPPlatform"),
  room("TDPPlatform", ["Launch", "Seams", "TDX", "X86"], path: "Sources/Platforms/TDPPlatform"),
  room("SNP", ["Bits"]),
  room("TDX", ["Bits"]),
  room("SVSMProtocol", ["Bits"]),
  room("Model", ["Bits", "Crypto", "SNP", "SVSMProtocol", "TDX"], exclude: ["README.md"]),
  room("IGVM", ["Bits"]),
  room(
    "Crypto", ["Bits"] + (hasInstructions ? ["CryptoInstructions"] : []),
    settings: lifetimes + (hasInstructions ? [.define("APUS_CRYPTO_INSTRUCTIONS")] : [])),
  room("Measurement", ["Bits", "IGVM", "Crypto", "SNP"]),
  room("Launch", ["Bits"]),
  room("ImageBuilder", ["Bits", "IGVM", "Launch", "Crypto"]),
  // Text in a kernel is measured memory, and what takes time is in Crypto.
  room("TPM", ["Crypto", "Bits"], settings: lifetimes + (isBare ? [.unsafeFlags(["-Osize"])] : [])),
  room(
    "Monitor", ["Bits", "Crypto", "IGVM", "Launch", "Measurement", "Model", "SNP", "Seams", "TDX", "X86"]),
]

/// Set by `boards/build --bench`: the image measures task latency instead of doing its work.
let isBench = Context.environment["APUS_BENCH"] != nil

/// Set by `boards/build --vtpm`: a board that serves a guest offers it the vTPM protocol.
let isVTPM = Context.environment["APUS_VTPM"] != nil
let vTPM: [Target.Dependency] = isVTPM ? ["VTPM"] : []

/// The files beside a board's sources that are none; not each board has all.
func boardFiles(of name: String) -> [String] {
  ["README.md", "kernel.ld", "layout.json", "run.sh", "thresholds.json", "toolset.json"].filter {
    FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/boards/\(name)/\($0)")
  }
}

/// A board: the executable that composes rooms into one image.
///
/// With `isBench` the optional task TaskLatency is among its rooms, and `APUS_BENCH` is defined; with `isVTPM`
/// `APUS_VTPM` is.
func board(_ name: String, _ imports: [Target.Dependency]) -> Target {
  .executableTarget(
    name: "board-\(name)",
    dependencies: imports + (isBench ? ["KernelLatency", "Latency", "TaskLatency"] : []),
    path: "boards/\(name)", exclude: boardFiles(of: name),
    swiftSettings: strict + (isBench ? [.define("APUS_BENCH")] : [])
      + (isVTPM ? [.define("APUS_VTPM")] : []))
}

// The room Concurrency. On bare metal: our module, its entry points and the handles; hosted: the same
// handles over the toolchain's module, so that TaskRuntime is unit-tested on Linux.
let asyncEntry: Target = .target(
  name: "AsyncEntry", path: "Sources/Concurrency/Entry", exclude: ["abi.ld"])
let concurrency: [Target] = [
  .target(
    name: "_Concurrency", path: "Sources/Concurrency/Module",
    swiftSettings: [
      .swiftLanguageMode(.v5),
      .unsafeFlags(["-parse-stdlib", "-Xfrontend", "-enable-experimental-concurrency"] + runtimeFlags),
    ]),
  .target(
    name: "Tasks", dependencies: ["AsyncEntry", "_Concurrency"], path: "Sources/Concurrency",
    exclude: ["Entry", "Module", "Hosted", "Sim", "SimHost", "Toolchain"], sources: ["Handles", "Bare"],
    swiftSettings: strict + [.unsafeFlags(runtimeFlags)]),
]
let hostedTasks: Target = .target(
  name: "Tasks", dependencies: ["AsyncEntry"], path: "Sources/Concurrency",
  exclude: ["Entry", "Module", "Bare", "Sim", "SimHost", "Toolchain"], sources: ["Handles", "Hosted"],
  swiftSettings: strict)

let bareOnly: [Target] =
  concurrency + [
    .target(name: "Boot", exclude: ["Guest"]),
    .target(name: "GuestPort", path: "Sources/Boot/Guest"),
    .executableTarget(
      name: "board-guest", dependencies: ["GuestPort", "SNP", "SVSMProtocol", "Seams"], path: "boards/guest",
      exclude: ["README.md", "kernel.ld", "toolset.json"], swiftSettings: strict),
    room(
      "Machine", ["AsyncEntry", "Boot", "SNP", "Seams", "Tasks", "TDX", "X86"],
      settings: isBench ? [.define("APUS_BENCH")] : []),
    room("NativeComposition", ["Machine", "NativePlatform", "Seams", "X86"], path: "boards/lib/Native"),
    room(
      "KernelLatency", ["Kernel", "Latency", "Seams", "TaskLatency", "TaskRuntime", "Tasks"],
      path: "boards/lib/Latency"),
    .target(name: "SimHost", dependencies: ["AsyncEntry"], path: "Sources/Concurrency/SimHost"),
    room("SimMachine", ["SimHost", "Tasks"], path: "Sources/Concurrency/Sim"),
    .executableTarget(
      name: "board-sim",
      dependencies: [
        "Idle", "Latency", "RuntimeBench", "Seams", "SimMachine", "TaskLatency", "TaskRuntime", "Tasks",
        "Timer", "_Concurrency",
      ],
      path: "boards/sim", exclude: ["README.md", "run.sh", "toolset.json"], swiftSettings: strict),
    .target(
      name: "Conformance", dependencies: ["_Concurrency"], path: "Tests/Oracle", swiftSettings: strict),
    .executableTarget(
      name: "board-oracle",
      dependencies: ["Conformance", "SimMachine", "TaskRuntime", "Tasks", "_Concurrency"],
      path: "boards/oracle", exclude: ["README.md", "toolset.json"], swiftSettings: strict),
    .target(
      name: "ToolchainABI", dependencies: ["AsyncEntry"], path: "Sources/Concurrency/Toolchain",
      exclude: ["toolchain.ld"]),
    .executableTarget(
      name: "board-abi", dependencies: ["SimMachine", "TaskRuntime", "Tasks", "ToolchainABI"],
      path: "boards/abi", exclude: ["README.md", "toolset.json"], swiftSettings: strict),
    room("RuntimeBench", ["TaskRuntime", "Tasks", "_Concurrency"], path: "ci/bench-runtime"),
    board(
      "snp",
      ["Idle", "Kernel", "Machine", "RequestLoop", "SNP", "SNPPlatform", "Seams", "Tasks", "X86"] + vTPM),
    .target(name: "MonitorBoot", path: "Sources/MonitorMachine/Boot"),
    room(
      "MonitorMachine", ["Model", "Monitor", "MonitorBoot", "Seams"],
      exclude: ["Boot", "LinuxBoot", "Selftest", "SelftestSNP"]),
    board("monitor", ["IGVM", "Model", "Monitor", "MonitorMachine", "SNP", "Seams", "X86"]),
    room("TPMSlices", ["TPM", "Crypto"], path: "ci/tpm-slices"),
    board(
      "tpm", ["Kernel", "Machine", "NativeComposition", "NativePlatform", "Seams", "TPMSlices", "Tasks"]),
    room(
      "CallBench", ["GuestScript", "RequestLoop", "SVSMProtocol", "Seams", "Tasks", "X86"],
      path: "ci/bench-calls"),
    board(
      "calls", ["CallBench", "Kernel", "Machine", "NativeComposition", "NativePlatform", "Seams", "Tasks"]),
    board(
      "bench", ["Kernel", "Machine", "NativeComposition", "NativePlatform", "RuntimeBench", "Seams", "Tasks"]),
    board(
      "native",
      [
        "Kernel", "Machine", "NativeComposition", "NativePlatform", "Seams", "TaskRuntime", "Tasks", "Idle",
        "Timer",
      ]),
    board(
      "tdp",
      [
        "Idle", "Kernel", "Machine", "RequestLoop", "Seams", "TDPPlatform", "TDX", "TaskRuntime", "Tasks",
        "X86",
      ] + vTPM),
  ]

let hostedOnly: [Target] = [
  .target(name: "CryptoInstructions"),
  .target(name: "TestSupport", path: "Tests/Support", swiftSettings: strict),
  tests(of: "Bits"),
  hostedTasks,
  .target(name: "Conformance", path: "Tests/Oracle", swiftSettings: strict),
  .executableTarget(
    name: "oracle", dependencies: ["Conformance"], path: "ci/oracle", swiftSettings: strict),
  tests(of: "TaskRuntime", ["Interleaver", "Seams", "Tasks"]),
  .target(name: "Lint", path: "ci/linter/Rules", swiftSettings: strict),
  .executableTarget(
    name: "apus-lint", dependencies: ["Lint"], path: "ci/linter/Tool", swiftSettings: strict),
  tests(of: "Lint"),
  .target(
    name: "Interleaver", dependencies: ["TaskRuntime"], path: "Tests/Interleaver", swiftSettings: strict),
  tests(of: "X86"),
  tests(of: "TraceFormat", ["Bits"]),
  tests(of: "Seams", ["X86"]),
  tests(of: "Kernel", ["Idle", "Seams", "Tasks", "X86"]),
  tests(of: "NativePlatform", ["Seams", "X86"]),
  tests(of: "TDPPlatform", ["Launch", "Model", "Seams", "TDX", "X86"]),
  tests(of: "SNP", ["Bits"]),
  tests(of: "TDX", ["Bits"]),
  tests(of: "SVSMProtocol", ["Bits"]),
  tests(of: "Model", ["Bits", "Crypto", "Measurement", "SNP", "SVSMProtocol", "TDX"]),
  tests(
    of: "RequestLoop",
    [
      "Attestation", "Crypto", "Model", "Seams", "SNP", "SVSMProtocol", "TaskRuntime", "Tasks", "TPM", "VTPM",
      "X86",
    ]),
  tests(of: "SNPPlatform", ["Bits", "Launch", "Model", "SNP", "Seams", "X86"]),
  tests(of: "IGVM"),
  .executableTarget(
    name: "apus",
    dependencies: [
      "BenchReport", "Bits", "IGVM", "Latency", "Measurement", "Launch", "ImageBuilder", "Crypto", "TPM",
      "TPMServer", "TraceFormat",
    ],
    swiftSettings: strict),
  .target(name: "BenchReport", dependencies: ["Latency"], swiftSettings: strict),
  tests(of: "Latency", ["TraceFormat"]),
  tests(of: "BenchReport", ["Latency"]),
  tests(of: "Measurement", ["IGVM", "Crypto", "SNP"]),
  tests(of: "Launch"),
  tests(of: "ImageBuilder", ["IGVM", "Launch", "Measurement"]),
  tests(of: "Crypto"),
  tests(of: "TPM", ["Crypto"]),
  tests(of: "TPMServer", ["TPM"]),
  tests(of: "Monitor", ["Bits", "IGVM", "Measurement", "Model", "Seams", "SNP", "TDX", "X86"]),
  .target(name: "TPMServer", dependencies: ["TPM"], swiftSettings: strict),
  .executableTarget(name: "crypto-bench", dependencies: ["Crypto"], path: "ci/bench-crypto"),
]

let package = Package(name: "apus", targets: [asyncEntry] + rooms + (isBare ? bareOnly : hostedOnly))
