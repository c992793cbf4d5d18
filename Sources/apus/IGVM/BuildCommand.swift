// BuildCommand: `apus igvm build`.
import IGVM
import ImageBuilder

extension Commands {
  static let igvmBuild = Command(
    name: "build", summary: "Builds an IGVM file from boards, or from firmware alone.",
    usage: "apus igvm build BOARD-DIRECTORY... [--elf FILE] -o FILE [options]",
    options: [
      .init("--output", short: "-o", value: "FILE", "the file to write"),
      .init("--board", value: "NAME", "a board by its name: boards/NAME"),
      .init(
        "--elf", value: "FILE", repeats: true,
        "the kernel, one for each board in their order; otherwise those that boards/build left in .build"),
      .init("--hypervisor", value: "NAME", "qemu (default), hyperv or monitor"),
      .init("--policy", value: "N", "guest policy (SNP default 0x30000, TDX default 0x2)"),
      .init(
        "--vcpus", value: "N", "processors the memory range is sized for (8); with firmware alone: VMSAs (1)"),
      .init("--guest-memory", value: "SIZE", "guest memory the range is sized for (1G)"),
      .init("--console-port", value: "PORT", "I/O port of the console (0x3F8)"),
      .init("--encryption-bit", value: "N", "page-table bit to set as encrypted, instead of the layout's"),
      .init(
        "--append", value: "TEXT", "words for the kernel's own command line, at most 255 bytes; measured"),
      .init("--guest-image", value: "FILE", "a flat guest, loaded at 2 MiB"),
      .init("--firmware", value: "FILE", "OVMF, placed up to 4 GiB; without a board: an image of it alone"),
      .init("--kernel", value: "FILE", "a Linux bzImage"),
      .init("--initrd", value: "FILE", "its initial RAM disk"),
      .init("--cmdline", value: "TEXT", "its command line"),
      .init("--platform", value: "NAME", "snp or tdx, for firmware alone (snp)"),
      .init(
        "--vcpu-type", value: "NAME",
        "processor for firmware alone: EPYC-v4, EPYC-Rome, EPYC-Milan, EPYC-Genoa, EPYC-Turin"),
      .init("--sev-features", value: "N", "SEV_FEATURES for firmware alone (0x1)"),
      .init("--json", "print what was built as JSON"),
    ],
    details: """
      Same inputs give the same bytes. Boards of different platforms go into one file.

      Examples:
        apus igvm build boards/snp -o apus-snp.igvm
        apus igvm build --board tdp --elf kernel.elf -o apus-tdp.igvm --hypervisor hyperv
        apus igvm build boards/snp --firmware OVMF.amdsev.fd --kernel vmlinuz --cmdline "console=ttyS0" -o guest.igvm
        apus igvm build --firmware OVMF.amdsev.fd --vcpus 4 -o ovmf.igvm
      """,
    run: { arguments throws(Failure) in try BuildCommand(arguments).run() })
}

/// The work of `apus igvm build`.
private struct BuildCommand {
  let arguments: Arguments

  init(_ arguments: Arguments) { self.arguments = arguments }

  func run() throws(Failure) -> Int32 {
    guard let output = arguments["--output"] else { throw Failure("no output is named", fix: "add -o FILE") }
    var boards = arguments.operands
    if let name = arguments["--board"] { boards.append("boards/\(name)") }
    let image = boards.isEmpty ? try firmwareImage() : try boardImage(boards)
    let bytes: [UInt8]
    do throws(BuildError) {
      bytes = try image.build()
    } catch {
      throw Failure("the image cannot be written: \(error)", fix: "make its parts smaller")
    }
    // The tool holds its own output to every rule before anybody loads it.
    do throws(Violation) {
      try Verifier.validate(bytes.span)
    } catch {
      throw Failure(error, in: "the image built")
    }
    try Files.write(bytes, to: output)
    try report(image, bytes, output)
    return 0
  }

  /// The image of one or several boards.
  private func boardImage(_ directories: [String]) throws(Failure) -> Image {
    for name in ["--platform", "--vcpu-type", "--sev-features"] where arguments[name] != nil {
      throw Failure("\(name) is for firmware without a board", fix: "leave it out")
    }
    let kernels = arguments.all("--elf")
    guard kernels.isEmpty || kernels.count == directories.count else {
      throw Failure(
        "\(kernels.count) kernels are given for \(directories.count) boards",
        fix: "give one --elf for each, or none")
    }
    let options = try buildOptions()
    var inputs: [BoardInput] = []
    for (place, directory) in directories.enumerated() {
      let layout = try LayoutFile.read(directory: directory)
      let path = kernels.isEmpty ? BuildCommand.kernelPath(layout.name) : kernels[place]
      let file = try Files.read(path, what: "the kernel")
      inputs.append(.init(layout: layout, elf: try refusing { () throws(ImageError) in try ELFImage(file) }))
    }
    return try refusing { () throws(ImageError) in try ImageBuilder.image(inputs, options) }
  }

  /// Where boards/build leaves a board's kernel.
  private static func kernelPath(_ board: String) -> String {
    ".build/boards/\(board)/x86_64-unknown-none-elf/release/board-\(board)"
  }

  /// The image of firmware alone.
  private func firmwareImage() throws(Failure) -> Image {
    guard let firmware = try firmware() else {
      throw Failure("no board is given", fix: "name a board directory, or --firmware alone")
    }
    for name in ["--elf", "--hypervisor", "--guest-image", "--guest-memory", "--encryption-bit", "--append"]
    where arguments[name] != nil {
      throw Failure("\(name) needs a board", fix: "name a board directory")
    }
    var boot = FirmwareBoot(firmware)
    boot.linux = try linux()
    boot.policy = try arguments.number("--policy")
    let count = try arguments.number("--vcpus", limit: 512) ?? 1
    guard count > 0 else { throw Failure("--vcpus is 0", fix: "give at least 1") }
    boot.processorCount = UInt16(count)
    boot.sevFeatures = try arguments.number("--sev-features") ?? boot.sevFeatures
    if let name = arguments["--vcpu-type"] {
      guard let signature = Self.signatures.first(where: { $0.0 == name })?.1 else {
        throw Failure(
          "there is no processor type \(name)",
          fix: "known are \(Self.signatures.map(\.0).joined(separator: ", "))")
      }
      boot.processorSignature = signature
    }
    let final = boot
    switch arguments["--platform"] ?? "snp" {
    case "snp": return try refusing { () throws(ImageError) in try final.snpImage() }
    case "tdx": return try refusing { () throws(ImageError) in try final.tdxImage() }
    default: throw Failure("firmware alone is built for snp or tdx", fix: "choose one with --platform")
    }
  }

  /// CPUID leaf 1 EAX of QEMU's processor models.
  private static let signatures: [(String, UInt32)] = [
    ("EPYC-v4", 0x0080_0F12), ("EPYC-Rome", 0x0083_0F10), ("EPYC-Milan", 0x00A0_0F11),
    ("EPYC-Genoa", 0x00A1_0F10),
    ("EPYC-Turin", 0x00B0_0F00),
  ]

  private func buildOptions() throws(Failure) -> BuildOptions {
    var options = BuildOptions()
    let names: [String: Hypervisor] = ["qemu": .qemu, "hyperv": .hyperv, "monitor": .monitor]
    if let name = arguments["--hypervisor"] {
      guard let hypervisor = names[name] else {
        throw Failure("there is no hypervisor \(name)", fix: "write qemu, hyperv or monitor")
      }
      options.hypervisor = hypervisor
    }
    options.policy = try arguments.number("--policy")
    options.processorCount = try arguments.number("--vcpus", limit: 4096) ?? options.processorCount
    options.guestByteCount =
      try arguments.number("--guest-memory", isSize: true, limit: 1 << 46) ?? options.guestByteCount
    options.consolePort = UInt16(
      try arguments.number("--console-port", limit: 0xFFFF) ?? UInt64(options.consolePort))
    if let bit = try arguments.number("--encryption-bit", limit: 51) {
      guard bit >= 32 else {
        throw Failure("--encryption-bit \(bit) is an address bit", fix: "write 32 to 51")
      }
      options.encryptionBit = Int(bit)
    }
    options.kernelCommandLine = Array((arguments["--append"] ?? "").utf8)
    options.firmware = try firmware()
    options.linux = try linux()
    if let path = arguments["--guest-image"] {
      options.guestImage = try Files.read(path, what: "the guest image")
    }
    return options
  }

  private func firmware() throws(Failure) -> FirmwareImage? {
    guard let path = arguments["--firmware"] else { return nil }
    let bytes = try Files.read(path, what: "the firmware")
    return try refusing { () throws(ImageError) in try FirmwareImage(bytes) }
  }

  private func linux() throws(Failure) -> LinuxPayload? {
    guard let path = arguments["--kernel"] else {
      for name in ["--initrd", "--cmdline"] where arguments[name] != nil {
        throw Failure("\(name) is given without --kernel", fix: "add --kernel")
      }
      return nil
    }
    let kernel = try Files.read(path, what: "the Linux kernel")
    let initrd =
      try arguments["--initrd"].map { path throws(Failure) in try Files.read(path, what: "the initrd") } ?? []
    let commandLine = Array((arguments["--cmdline"] ?? "").utf8)
    return try refusing { () throws(ImageError) in
      try LinuxPayload(kernel: kernel, initrd: initrd, commandLine: commandLine)
    }
  }

  private func refusing<T>(_ body: () throws(ImageError) -> T) throws(Failure) -> T {
    do throws(ImageError) { return try body() } catch { throw Failure(error) }
  }

  private func report(_ image: Image, _ bytes: [UInt8], _ output: String) throws(Failure) {
    let platforms = image.platforms.map { "\($0.platform.name)" }
    let pages = image.records.count { if case .pageData = $0.header { true } else { false } }
    if arguments.has("--json") {
      let value = JSONValue.object([
        ("file", .string(output)), ("bytes", .number(UInt64(bytes.count))),
        ("platforms", .array(platforms.map { .string($0) })),
        ("headers", .number(UInt64(image.records.count))),
        ("pages", .number(UInt64(pages))),
      ])
      try Output.write(value.text)
    } else {
      try Output.write(
        "\(output): \(bytes.count) bytes, \(platforms.joined(separator: " + ")), \(image.records.count) headers, \(pages) pages\n"
      )
    }
  }
}
