#!/usr/bin/env python3
"""Verifies an exported audit log with the standard library only, sharing no code with the product.

Written from the specifications: C2SP tlog-tiles, tlog-checkpoint and signed-note, RFC 6962 for the
tree and RFC 8032 for Ed25519. Usage: audit_verify.py DIR [VKEY]; VKEY is DIR/vkey by default.
Exit code 0 only if all of it fits; else the first thing that does not is printed.
"""

import base64
import hashlib
import pathlib
import sys

WIDTH = 256
EM_DASH = "\u2014"


class Wrong(Exception):
    pass


# ---- Ed25519 (RFC 8032 5.1), verification only ----

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P != 0 or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def add(a, b):
    """Points in extended coordinates (X, Y, Z, T)."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P,
            (f - e) * (f + e) % P)


def multiply(number, point):
    result = (0, 1, 1, 0)
    while number > 0:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def decode_point(data):
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    x = recover_x(y, sign) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def is_signed(public_key, message, signature):
    key = decode_point(public_key)
    nonce = decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or key is None or nonce is None or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    left = multiply(s, BASE)
    right = add(nonce, multiply(int.from_bytes(digest, "little") % L, key))
    return ((left[0] * right[2] - right[0] * left[2]) % P == 0
            and (left[1] * right[2] - right[1] * left[2]) % P == 0)


# ---- RFC 6962 2.1 ----

def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def tree_hash(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + tree_hash(hashes[:split]) + tree_hash(hashes[split:])).digest()


# ---- Signed notes ----

def parse_vkey(text):
    name, key_id, data = text.strip().split("+", 2)
    data = base64.b64decode(data, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if data[0] != 1 or len(data) != 33 or bytes.fromhex(key_id) != expected:
        raise Wrong("the verifier key is malformed")
    return name, expected, data[1:]


def open_checkpoint(note, vkeys):
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] != "":
        raise Wrong("the checkpoint does not have three lines")
    known = 0
    for line in signatures.splitlines():
        dash, name, data = line.split(" ")
        data = base64.b64decode(data, validate=True)
        if dash != EM_DASH:
            raise Wrong("a signature line has no dash")
        for vkey_name, key_id, public_key in vkeys:
            if (name, data[:4]) != (vkey_name, key_id):
                continue
            if not is_signed(public_key, text.encode(), data[4:]):
                raise Wrong("the checkpoint's signature is wrong")
            known += 1
    if known == 0:
        raise Wrong("no known key signed the checkpoint")
    return lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)


# ---- Tiles ----

def tile_path(kind, n, width):
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    path = f"tile/{kind}/" + "/".join(groups)
    return path if width == WIDTH else f"{path}.p/{width}"


def read_hashes(directory, level, n, width):
    data = (directory / tile_path(level, n, width)).read_bytes()
    if len(data) != 32 * width:
        raise Wrong(f"tile {n} of level {level} has a wrong size")
    return [data[i:i + 32] for i in range(0, len(data), 32)]


def read_entries(directory, n, width):
    data = (directory / tile_path("entries", n, width)).read_bytes()
    entries = []
    while data:
        size = int.from_bytes(data[:2], "big")
        if len(data) < 2 + size:
            raise Wrong(f"entry {n * WIDTH + len(entries)} is cut off")
        entries.append(data[2:2 + size])
        data = data[2 + size:]
    return entries


def read_leaves(directory, size):
    leaves = []
    while len(leaves) < size:
        n = len(leaves) // WIDTH
        width = min(WIDTH, size - len(leaves))
        hashes = read_hashes(directory, 0, n, width)
        found = [leaf_hash(entry) for entry in read_entries(directory, n, width)]
        for index, expected in enumerate(hashes):
            if index >= len(found) or found[index] != expected:
                raise Wrong(f"entry {n * WIDTH + index} is not the one that its tile names")
        if len(found) != width:
            raise Wrong(f"bundle {n} has too many entries")
        leaves += hashes
    return leaves


def check_upper(directory, hashes, level):
    """Tiles of `level` are made of the roots of full tiles below."""
    roots = [tree_hash(hashes[i:i + WIDTH]) for i in range(0, len(hashes) - WIDTH + 1, WIDTH)]
    for first in range(0, len(roots), WIDTH):
        part = roots[first:first + WIDTH]
        if read_hashes(directory, level, first // WIDTH, len(part)) != part:
            raise Wrong(f"tile {first // WIDTH} of level {level} does not fit")
    if roots:
        check_upper(directory, roots, level + 1)


def verify(directory, vkeys):
    note = (directory / "checkpoint").read_text(encoding="utf-8")
    origin, size, root = open_checkpoint(note, [parse_vkey(line) for line in vkeys.splitlines()])
    leaves = read_leaves(directory, size)
    check_upper(directory, leaves, 1)
    if tree_hash(leaves) != root:
        raise Wrong("the entries do not have the signed root")
    return origin, size


def main():
    directory = pathlib.Path(sys.argv[1])
    vkeys = sys.argv[2] if len(sys.argv) > 2 else (directory / "vkey").read_text(encoding="ascii")
    try:
        origin, size = verify(directory, vkeys)
    except (Wrong, OSError, ValueError) as error:
        print(f"not proven: {error}")
        return 1
    print(f"{origin}: {size} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
