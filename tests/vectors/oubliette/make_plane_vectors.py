#!/usr/bin/env python3
"""Second encoder of a keeper's records, from the grammars in vault/keys/records.hpp alone.

Wrote plane.json once, on 2026-11-22. The file is frozen: code that disagrees with it cannot read
the keepers and receipts that exist. Run again only for a new format version, into a new file.
"""
import ctypes
import ctypes.util
import hashlib
import json

sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
assert sodium.sodium_init() >= 0


def le(value, size):
    return value.to_bytes(size, "little")


def counting(start, size):
    return bytes((start + i) & 0xFF for i in range(size))


def box(key, plaintext, associated_data, salt, commitment):
    okm = hashlib.blake2b(bytes([1, 1, commitment]) + salt + le(len(associated_data), 2)
                          + associated_data, key=key, digest_size=64).digest()
    out = ctypes.create_string_buffer(len(plaintext) + 16)
    size = ctypes.c_ulonglong()
    assert sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        out, ctypes.byref(size), plaintext, ctypes.c_ulonglong(len(plaintext)), None,
        ctypes.c_ulonglong(0), None, bytes(12), okm[:32]) == 0
    return bytes([1, 1]) + salt + okm[32:32 + commitment] + out.raw


def subkey(key, context, number):
    out = ctypes.create_string_buffer(32)
    assert sodium.crypto_kdf_derive_from_key(
        out, ctypes.c_size_t(32), ctypes.c_uint64(number), context, key) == 0
    return out.raw


def key_pair(seed):
    public = ctypes.create_string_buffer(32)
    secret = ctypes.create_string_buffer(64)
    assert sodium.crypto_sign_seed_keypair(public, secret, seed) == 0
    return public.raw, secret.raw


def sign(secret, message):
    out = ctypes.create_string_buffer(64)
    assert sodium.crypto_sign_detached(
        out, None, message, ctypes.c_ulonglong(len(message)), secret) == 0
    return out.raw


def blake(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def sha(data):
    return hashlib.sha256(data).digest()


def path(bits, value):
    return bytes([bits]) + (value << (80 - bits)).to_bytes(10, "big")


def merkle(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\x01" + merkle(leaves[:k]) + merkle(leaves[k:]))


VAULT = counting(0x10, 16)
KEEPERS = [counting(0x40, 16), counting(0x80, 16)]
KEK = counting(0xA0, 32)
ANCHOR = counting(0xC0, 32)
SALT = counting(0xE0, 16)
PAIRS = [key_pair(counting(1, 32)), key_pair(counting(2, 32))]


def keeper_data(kind):
    return b"obl1" + bytes([kind, 0]) + VAULT + KEEPERS[0]


members_list = le(2, 2) + b"".join(
    KEEPERS[i] + PAIRS[i][0] + b"SB"[i:i + 1] + bytes([i + 1]) + le(7 * i, 8) for i in range(2))
members = blake(b"oblmemb\x01" + members_list)

tenant, people = 1, 1
people_path = ((tenant << 6 | people) << 36)
addresses = le(2, 4) + path(54, people_path | 5) + path(60, (people_path | 6) << 6 | 3)
requests = []
for i in range(3):
    ident, blind = counting(0x20 * i, 16), counting(0x30 + i, 32)
    listed = addresses if i == 0 else le(1, 4) + path(54, people_path | (100 + i))
    requests.append({"id": ident, "blind": blind, "addresses": listed,
                     "digest": sha(ident + blind + listed)})
request_root = merkle([sha(b"\x00" + r["digest"]) for r in requests])
record = bytes([3]) + le(0x0102, 2) + counting(0x55, 32) + requests[0]["blind"] + addresses

epoch, term, previous = 0x0102030405, 9, counting(0x77, 32)
root_slot = bytes([3]) + counting(0x99, 32)
root_hash = blake(b"oblroot\x01" + root_slot)
plane_hash = blake(b"oblplane" + VAULT + le(epoch, 8) + previous + root_hash + members)
root_record = (le(epoch, 8) + le(term, 8) + previous + plane_hash + members
               + box(subkey(ANCHOR, b"oblroot1", 1), root_slot,
                     keeper_data(0x12) + le(epoch, 8) + plane_hash, SALT, 32))
row = (le(term, 8) + previous + root_hash + members + request_root + plane_hash + b"\x01"
       + counting(0x22, 32))
ack = (b"oblack1\x00" + VAULT + KEEPERS[0] + b"S" + bytes(7) + le(term, 8) + le(epoch, 8)
       + previous + plane_hash + request_root + members)
register_key = bytes([7]) + (1).to_bytes(2, "big") + (2).to_bytes(2, "big") + (3).to_bytes(2, "big")
signing = b"OBLSIGN1" + bytes([1, 1, 0, 0]) + VAULT + KEEPERS[0] + PAIRS[0][0]
signing += box(subkey(KEK, b"oblsys_1", 4), counting(1, 32), keeper_data(0x14) + PAIRS[0][0],
               SALT, 32)
signing += sha(signing)

out = {
    "vault": VAULT, "keepers": KEEPERS, "kek": KEK, "anchor": ANCHOR,
    "public_keys": [pair[0] for pair in PAIRS],
    "member_list": members_list, "members": members,
    "requests": requests, "request_root": request_root, "empty_request_root": merkle([]),
    "request_record": record, "opening_commitment": counting(0x55, 32),
    "request_box": box(subkey(KEK, b"oblsys_1", 2), record,
                       keeper_data(0x16) + requests[0]["id"] + le(epoch, 8) + le(0, 2) + le(1, 2),
                       SALT, 16),
    "epoch": epoch, "term": term, "previous": previous, "root_slot": root_slot,
    "root_hash": root_hash, "hash": plane_hash, "root_record": root_record,
    "chain_row": row, "signed_request_root": counting(0x22, 32),
    "acknowledgement": ack, "signature": sign(PAIRS[0][1], ack),
    "register_key": register_key, "register_value": 0x1122334455,
    "register": box(subkey(KEK, b"oblsys_1", 1), le(0x1122334455, 8),
                    keeper_data(0x15) + register_key, SALT, 16),
    "state": box(subkey(KEK, b"oblsys_1", 3), le(2, 4) + le(99, 8) + le(1000, 8)
                 + counting(0x66, 32), keeper_data(0x17), SALT, 16),
    "log_root": counting(0x66, 32),
    "signing_file": signing,
}


def as_hex(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [as_hex(item) for item in value]
    if isinstance(value, dict):
        return {key: as_hex(item) for key, item in value.items()}
    return value


with open("plane.json", "x", encoding="ascii") as file:
    json.dump(as_hex(out), file, indent=1)
    file.write("\n")
