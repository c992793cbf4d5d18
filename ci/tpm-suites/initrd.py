# initrd: writes a directory as a newc cpio archive, which Linux unpacks as its first root.
import os
import sys

root, number = sys.argv[1], 0
out = sys.stdout.buffer


def entry(name, mode, data):
    global number
    number += 1
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    out.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))


for folder, folders, files in os.walk(root):
    for name in sorted(folders):
        entry(os.path.relpath(os.path.join(folder, name), root), 0o40755, b"")
    for name in sorted(files):
        path = os.path.join(folder, name)
        entry(os.path.relpath(path, root), 0o100755, open(path, "rb").read())
entry("TRAILER!!!", 0, b"")
