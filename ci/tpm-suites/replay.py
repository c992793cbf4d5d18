# replay: recomputes PCRs from the firmware's event log and IMA's list and compares them with what the TPM says.
import base64
import hashlib
import struct
import sys

SIZES = {4: ("sha1", 20), 11: ("sha256", 32), 12: ("sha384", 48), 13: ("sha512", 64)}
pcrs, bios, ima, said = {}, b"", [], []
for line in open(sys.argv[1]):
    words = line.split()
    said.append(words[0])
    if words[0] == "pcr" and len(words) == 4:
        pcrs[words[1], int(words[2])] = bytes.fromhex(words[3])
    elif words[0] == "bios" and len(words) > 1:
        bios = base64.b64decode(words[1])
    elif words[0] == "ima":
        ima.append(words[1:])
    elif words[0] == "version":
        said.append("version " + words[-1])


def verdict(good, name):
    print("ok" if good else "bad", name)


verdict("version 2" in said and "end" in said, "Linux found a TPM 2 and came to its end")
replayed, banks, events = {}, [], 0
if len(bios) > 32:
    # TCG PC Client Platform Firmware Profile 10.2: one SHA-1 header event, then crypto-agile events.
    offset = 32 + struct.unpack_from("<I", bios, 28)[0]
    while offset + 12 <= len(bios):
        pcr, kind, count = struct.unpack_from("<III", bios, offset)
        offset += 12
        for _ in range(count):
            bank, size = SIZES[struct.unpack_from("<H", bios, offset)[0]]
            digest = bios[offset + 2:offset + 2 + size]
            offset += 2 + size
            if kind != 3:
                old = replayed.get((bank, pcr), bytes(size))
                replayed[bank, pcr] = hashlib.new(bank, old + digest).digest()
        offset += 4 + struct.unpack_from("<I", bios, offset)[0]
        events += 1
verdict(events > 15, "the firmware's log has events")
for bank in ("sha1", "sha256", "sha384", "sha512"):
    mine = {pcr: value for (name, pcr), value in replayed.items() if name == bank and pcr < 8}
    verdict(len(mine) == 8 and all(pcrs.get((bank, pcr)) == value for pcr, value in mine.items()),
            f"PCR 0 to 7 of bank {bank} are those of the firmware's log")
pcr10 = bytes(20)
for entry in ima:
    pcr10 = hashlib.sha1(pcr10 + bytes.fromhex(entry[1])).digest()
aggregate = hashlib.sha256(b"".join(pcrs.get(("sha256", pcr), b"") for pcr in range(10))).hexdigest()
verdict(bool(ima) and ima[0][3] == "sha256:" + aggregate, "IMA's boot aggregate is the hash of PCR 0 to 9")
verdict(pcrs.get(("sha1", 10)) == pcr10, "PCR 10 is that of IMA's list")
