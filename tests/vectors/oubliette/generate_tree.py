#!/usr/bin/env python3
"""Known answers of the key tree's formats, computed from the specification alone.

Calls none of the product's code: hashlib for BLAKE2b, the `cryptography` package for ChaCha20 and
ChaCha20-Poly1305. Writes tree.json beside itself:

    python3 generate_tree.py
"""
import hashlib
import json
import pathlib
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

DEAD, SEED, SPLIT, CHILD = 0, 1, 2, 3


# ---- paths: strings of "0" and "1" ---------------------------------------------------------------
def number(value, bits):
    return format(value, f"0{bits}b") if bits else ""


def encode_path(path):
    return bytes([len(path)]) + int(path.ljust(80, "0"), 2).to_bytes(10, "big")


def address_list(paths):
    encoded = sorted((encode_path(p) for p in paths), key=lambda e: (e[1:], e[0]))
    return struct.pack("<I", len(encoded)) + b"".join(encoded)


def page_id(prefix):
    return bytes([len(prefix) // 6]) + int(prefix or "0", 2).to_bytes(9, "big")


def system(tenant, kind, recipient, kid):
    return system_recipient(tenant, kind, recipient) + number(kid, 16)


def system_recipient(tenant, kind, recipient):
    return number(tenant, 12) + number(0, 6) + number(kind, 6) + number(recipient, 14)


def bank(tenant, class_, bank_):
    return number(tenant, 12) + number(class_, 6) + number(bank_, 12)


def person(tenant, local):
    return number(tenant, 12) + number(1, 6) + number(local, 36)


def retention(tenant, class_, day):
    return number(tenant, 12) + number(3, 6) + number(0, 6) + number(class_, 14) + number(day, 16)


def region(tenant, region_):
    return number(tenant, 12) + number(5, 6) + number(0, 20) + number(region_, 16)


def item(path, n):
    if n < 47:
        return path + number(1 + n, 6)
    if n < 687:
        slot, rest = divmod(n - 47, 64)
        return path + number(48 + slot, 6) + number(rest, 6)
    if n < 12975:
        slot, rest = divmod(n - 687, 64**2)
        return path + number(60 + slot, 6) + number(rest, 12)
    return path + number(63, 6) + number(n - 12975, 18)


def marker(path, n):
    slot, rest = divmod(n, 64)
    return path + number(58 + slot, 6) + number(rest, 6)


# ---- GGM -----------------------------------------------------------------------------------------
def step(seed):
    # The counter comes first in this package's 16-byte nonce.
    nonce = bytes(4) + b"pkt\x01" + bytes(8)
    block = Cipher(algorithms.ChaCha20(seed, nonce), None).encryptor().update(bytes(64))
    return block[:32], block[32:]


def descend(seed, path):
    for bit in path:
        seed = step(seed)[int(bit)]
    return seed


# ---- pages ---------------------------------------------------------------------------------------
def preorder(node, out):
    """A node is None (dead), ("seed", key), ("child", key) or (left, right)."""
    if node is None:
        out.append((DEAD, b""))
    elif node[0] == "seed":
        out.append((SEED, node[1]))
    elif node[0] == "child":
        out.append((CHILD, node[1]))
    else:
        out.append((SPLIT, b""))
        preorder(node[0], out)
        preorder(node[1], out)


def encode_page(top):
    nodes = []
    preorder(top, nodes)
    tags = bytearray((len(nodes) + 3) // 4)
    for i, (tag, _) in enumerate(nodes):
        tags[i // 4] |= tag << 2 * (i % 4)
    return struct.pack("<H", len(nodes)) + bytes(tags) + b"".join(key for _, key in nodes)


def puncture_seed(seed, path, leaf):
    """The page below `seed` after the node at `path` (of up to 6 bits) became `leaf`."""
    if not path:
        return leaf
    left, right = step(seed)
    if path[0] == "0":
        return puncture_seed(left, path[1:], leaf), ("seed", right)
    return ("seed", left), puncture_seed(right, path[1:], leaf)


def box(key, salt, plaintext, associated_data):
    """Box v1 with the structural commitment of 32 bytes."""
    header = bytes([1, 1])
    label = header + bytes([32]) + salt + struct.pack("<H", len(associated_data)) + associated_data
    okm = hashlib.blake2b(label, key=key, digest_size=64).digest()
    sealed = ChaCha20Poly1305(okm[:32]).encrypt(bytes(12), plaintext, None)
    return header + salt + okm[32:] + sealed


def page_record(key, prefix, epoch, salt, plaintext):
    associated_data = b"obl1" + bytes([0x10, 0]) + page_id(prefix)
    return struct.pack("<Q", epoch) + box(key, salt, plaintext, associated_data)


def root_hash(tag, key):
    return hashlib.blake2b(b"oblroot\x01" + bytes([tag]) + key, digest_size=32).digest()


# ---- the vectors ---------------------------------------------------------------------------------
def main():
    local = (3 << 24) | 0x0ABCDE
    who = person(7, local)
    seed = bytes(range(32))
    addresses = {
        "tenant 7": number(7, 12),
        "class 7 people": number(7, 12) + number(1, 6),
        "system 7 1 300 5": system(7, 1, 300, 5),
        "recipient 7 1 300": system_recipient(7, 1, 300),
        "bank 7 people 3": bank(7, 1, 3),
        "bank 7 handles 3": bank(7, 2, 3),
        "person 7 3 703710": who,
        "retention 7 9 2500": retention(7, 9, 2500),
        "retention 7 9 open": retention(7, 9, 0xFFFF),
        "region 7 81": region(7, 81),
        "fixed": who + number(0, 6),
        "marker 0": marker(who, 0),
        "marker 127": marker(who, 127),
    }
    items = [0, 46, 47, 110, 111, 686, 687, 4782, 4783, 12974, 12975, 275118]
    addresses.update({f"item {n}": item(who, n) for n in items})

    derived = {name: descend(seed, path) for name, path in addresses.items()}
    derived["root"] = seed
    prefixes = [who[: 6 * level] for level in range(10)]
    prefixes += [item(who, 275118)[:66], item(who, 275118)[:72]]

    salt = bytes(range(0xA0, 0xB0))
    key = bytes(range(0x40, 0x60))
    child = bytes(range(0x80, 0xA0))
    page_seed = descend(seed, who[:48])
    pages = []
    for name, top in [
        ("leaf of the person dead", puncture_seed(page_seed, who[48:], None)),
        ("page below the person", puncture_seed(page_seed, who[48:], ("child", child))),
        ("upper half dead", puncture_seed(page_seed, "1", None)),
        ("all leaves explicit", full(page_seed, 6)),
    ]:
        plaintext = encode_page(top)
        pages.append({
            "name": name,
            "level": 8,
            "id": page_id(who[:48]).hex(),
            "plaintext": plaintext.hex(),
            "epoch": 0x0102030405060708,
            "salt": salt.hex(),
            "key": key.hex(),
            "record": page_record(key, who[:48], 0x0102030405060708, salt, plaintext).hex(),
        })

    out = {
        "seed": seed.hex(),
        "ggm_step": [half.hex() for half in step(seed)],
        "addresses": [
            {"name": name, "path": encode_path(path).hex(), "key": derived[name].hex()}
            for name, path in addresses.items()
        ],
        "address_list": address_list(addresses.values()).hex(),
        "empty_address_list": address_list([]).hex(),
        "page_ids": [{"prefix": encode_path(p).hex(), "id": page_id(p).hex()} for p in prefixes],
        "page_child_key": child.hex(),
        "pages": pages,
        "roots": [
            {"slot": (bytes([tag]) + k).hex(), "hash": root_hash(tag, k).hex()}
            for tag, k in [(DEAD, bytes(32)), (SEED, seed), (CHILD, key)]
        ],
    }
    target = pathlib.Path(__file__).with_name("tree.json")
    target.write_text(json.dumps(out, indent=1) + "\n")


def full(seed, depth):
    if depth == 0:
        return ("seed", seed)
    left, right = step(seed)
    return full(left, depth - 1), full(right, depth - 1)


if __name__ == "__main__":
    main()
