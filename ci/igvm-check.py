"""igvm-check: an independent reading of an IGVM file: SNP launch digest, MRTD, checksum; standard library only.

It shares no code with the tool: the layouts are written out here again from the format's definition.
  igvm-check.py digest FILE snp|tdx [--native-zero]     prints the digest
  igvm-check.py page FILE snp|tdx GPA OUTPUT            writes the page that FILE loads at GPA
  igvm-check.py pages FILE native|snp|tdx               prints all that FILE imports: address, kind, SHA-256
  igvm-check.py kernel FILE native|snp|tdx ELF          holds what FILE imports against the segments and entry of ELF
  igvm-check.py corim FILE NAME DIGEST                  holds a CoRIM against what its draft asks for
  igvm-check.py idblock FILE DIRECTORY                  writes what openssl needs to check the ID block's signatures
"""
import hashlib, struct, sys, zlib


def headers(data):
    magic, version, offset, size, total, checksum = struct.unpack_from("<6I", data)
    assert magic == 0x4D564749 and version in (1, 2) and total == len(data)
    head = bytearray(data[: 24 if version == 1 else 32])
    head[20:24] = bytes(4)
    assert zlib.crc32(bytes(head) + data[offset : offset + size]) == checksum, "checksum"
    at, end = offset, offset + size
    while at < end:
        kind, length = struct.unpack_from("<II", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + (length + 7) // 8 * 8


PLATFORM = {"native": 0, "snp": 2, "tdx": 3}


def imports(data, platform):
    """Yields (gpa, kind, bytes or None): kind is a PAGE_DATA type and flags, 'insert' or 'context'."""
    mask, areas = None, {}
    for kind, body in headers(data):
        if kind == 1 and body[5] == PLATFORM[platform]:
            mask = struct.unpack_from("<I", body)[0]
        elif kind == 0x301:
            size, index, _ = struct.unpack("<QII", body)
            areas[index] = size
        elif kind == 0x302:
            gpa, m, offset, flags, type_, _ = struct.unpack("<QIIIHH", body)
            if m & mask:
                yield gpa, (type_, flags), data[offset : offset + 4096] if offset else None
        elif kind == 0x303:
            gpa, m, index = struct.unpack("<QII", body)
            if m & mask:
                for page in range(areas[index] // 4096):
                    yield gpa + 4096 * page, "insert", None
        elif kind == 0x304:
            gpa, m, offset, _, _ = struct.unpack("<QIIHH", body)
            if m & mask:
                yield gpa, "context", data[offset : offset + 4096]
    assert mask is not None, f"no platform {platform}"


def snp(data, native_zero=False):
    digest = bytes(48)
    for gpa, kind, page in imports(data, "snp"):
        contents = bytes(48)
        if kind == "insert":
            type_ = 4
        elif kind == "context":
            type_, contents = 2, hashlib.sha384(page).digest()
        else:
            data_type, flags = kind
            if flags & 4:
                continue
            if data_type == 1:
                type_ = 5
            elif data_type in (2, 3):
                type_ = 6
            elif flags & 2:
                type_ = 4
            elif page is None and native_zero:
                type_ = 3
            else:
                type_, contents = 1, hashlib.sha384(page or bytes(4096)).digest()
        digest = hashlib.sha384(digest + contents + struct.pack("<HBBIQ", 0x70, type_, 0, 0, gpa)).digest()
    return digest


def tdx(data):
    stream = hashlib.sha384()
    for gpa, kind, page in imports(data, "tdx"):
        if kind == "context" or (kind != "insert" and kind[1] & 4):
            continue
        stream.update(b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q", gpa) + bytes(104))
        if kind == "insert" or kind[1] & 2:
            continue
        page = page or bytes(4096)
        for chunk in range(0, 4096, 256):
            stream.update(b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q", gpa + chunk) + bytes(104))
            stream.update(page[chunk : chunk + 256])
    return stream.digest()


def kernel(data, platform, elf):
    """Every PT_LOAD lies at its physical address, zeros after its file bytes; the processor starts at the PVH note."""
    found = {gpa: page or bytes(4096) for gpa, kind, page in imports(data, platform) if kind != "insert"}
    table, count = struct.unpack_from("<Q", elf, 32)[0], struct.unpack_from("<H", elf, 56)[0]
    loads, entry = 0, None
    for index in range(count):
        kind, _, offset, _, gpa, size, memory, _ = struct.unpack_from("<IIQQQQQQ", elf, table + 56 * index)
        if kind == 4:
            note = struct.unpack_from("<III4s", elf, offset)
            assert note[2:] == (18, b"Xen\0"), note
            entry = int.from_bytes(elf[offset + 16 : offset + 16 + note[1]], "little")
        if kind != 1:
            continue
        loads += 1
        wanted = elf[offset : offset + size].ljust((memory + 4095) // 4096 * 4096, b"\0")
        for at in range(0, len(wanted), 4096):
            assert found[gpa + at] == wanted[at : at + 4096], f"page {gpa + at:#x}"
    context = next(page for _, kind, page in imports(data, platform) if kind == "context")
    start = struct.unpack_from("<Q", context, {"native": 128, "snp": 0x178}[platform])[0]
    assert loads and start == entry, f"start {start:#x}, PVH entry {entry}"


class Tag(tuple):
    """A CBOR tag: number, value."""


def cbor(data):
    """Reads one CBOR item that must be all of `data`, in the deterministic form (RFC 8949, 4.2.1)."""

    def item(at):
        major, argument = data[at] >> 5, data[at] & 31
        at += 1
        if argument >= 24:
            size = {24: 1, 25: 2, 26: 4, 27: 8}[argument]
            argument = int.from_bytes(data[at : at + size], "big")
            assert argument >= (24 if size == 1 else 1 << 4 * size), "not the shortest form"
            at += size
        if major == 0:
            return argument, at
        if major in (2, 3):
            raw = data[at : at + argument]
            assert len(raw) == argument, "cut short"
            return (raw if major == 2 else raw.decode()), at + argument
        if major == 4:
            values = []
            for _ in range(argument):
                value, at = item(at)
                values.append(value)
            return values, at
        if major == 5:
            fields, last = {}, b""
            for _ in range(argument):
                start = at
                key, at = item(at)
                assert data[start:at] > last, "keys do not ascend"
                last = data[start:at]
                fields[key], at = item(at)
            return fields, at
        assert major == 6, f"major type {major}"
        value, at = item(at)
        return Tag((argument, value)), at

    value, end = item(0)
    assert end == len(data), "bytes are left over"
    return value


def corim(data, name, digest):
    """draft-ietf-rats-corim: tag 501 around the CoRIM, tag 506 around its one CoMID's bytes, one reference value."""
    number, manifest = cbor(data)
    assert number == 501 and set(manifest) == {0, 1} and len(manifest[1]) == 1
    number, content = manifest[1][0]
    assert number == 506
    comid = cbor(content)
    assert set(comid) == {1, 4} and comid[1][0] and set(comid[4]) == {0}
    ((environment, measurements),) = comid[4][0]
    vendor = {"snp": {1: "AMD", 2: "SEV-SNP"}, "tdx": {1: "Intel", 2: "TDX"}}[name]
    assert environment == {0: vendor}, environment
    (measurement,) = measurements
    assert measurement == {
        0: {"snp": "MEASUREMENT", "tdx": "MRTD"}[name],
        1: {2: [[7, bytes.fromhex(digest)]]},
    }, measurement


def der(number):
    bytes_ = number.to_bytes((number.bit_length() + 8) // 8, "big")
    return bytes([2, len(bytes_)]) + bytes_


def idblock(data, directory):
    policy = next(struct.unpack_from("<Q", body)[0] for kind, body in headers(data) if kind == 0x101)
    block = next(body for kind, body in headers(data) if kind == 0x30B)
    little = lambda at: int.from_bytes(block[at : at + 72], "little")
    # id-ecPublicKey on secp384r1, then the uncompressed point.
    prefix = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")

    def write(name, message, signature, key):
        r_s = der(little(signature)) + der(little(signature + 72))
        open(f"{directory}/{name}.sig", "wb").write(bytes([0x30, len(r_s)]) + r_s)
        open(f"{directory}/{name}.msg", "wb").write(message)
        point = b"\4" + little(key + 8).to_bytes(48, "big") + little(key + 80).to_bytes(48, "big")
        open(f"{directory}/{name}.der", "wb").write(prefix + point)

    identity = block[8:88] + block[88:96] + struct.pack("<Q", policy)
    assert block[8:56] == snp(data), "the block's digest"
    write("id", identity, 104, 248)
    key_image = (struct.pack("<I", 2) + block[256:400]).ljust(0x404, b"\0")
    write("author", key_image, 400, 544)


if __name__ == "__main__":
    command, data = sys.argv[1], open(sys.argv[2], "rb").read()
    if command == "digest":
        print((snp(data, "--native-zero" in sys.argv) if sys.argv[3] == "snp" else tdx(data)).hex())
    elif command == "pages":
        for gpa, kind, page in imports(data, sys.argv[3]):
            print(f"{gpa:#x} {kind} {hashlib.sha256(page).hexdigest() if page else '-'}")
    elif command == "kernel":
        kernel(data, sys.argv[3], open(sys.argv[4], "rb").read())
    elif command == "corim":
        corim(data, sys.argv[3], sys.argv[4])
    elif command == "page":
        wanted = int(sys.argv[4], 0)
        page = next(page or bytes(4096) for gpa, _, page in imports(data, sys.argv[3]) if gpa == wanted)
        open(sys.argv[5], "wb").write(page)
    elif command == "idblock":
        idblock(data, sys.argv[3])
