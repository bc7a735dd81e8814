#!/usr/bin/env python3
"""Second encoder of `anchor.cell` and `seal.slots`, from the grammars alone (libsodium by ctypes).

Wrote keeper.json once, on 2026-11-22. The file is frozen: a reader that cannot open it has broken
the format of vaults that exist. Run again only for a new format version, into a new file.
"""
import ctypes
import ctypes.util
import hashlib
import json

sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
assert sodium.sodium_init() >= 0


def box(key, plaintext, associated_data, salt):
    """Box v1 with a structural commitment (32 bytes)."""
    header = bytes([1, 1, 32])
    length = len(associated_data).to_bytes(2, "little")
    okm = hashlib.blake2b(header + salt + length + associated_data, key=key, digest_size=64).digest()
    out = ctypes.create_string_buffer(len(plaintext) + 16)
    size = ctypes.c_ulonglong()
    assert sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        out, ctypes.byref(size), plaintext, ctypes.c_ulonglong(len(plaintext)), None,
        ctypes.c_ulonglong(0), None, bytes(12), okm[:32]) == 0
    return header[:2] + salt + okm[32:64] + out.raw


def subkey(key, context, number):
    out = ctypes.create_string_buffer(32)
    assert sodium.crypto_kdf_derive_from_key(
        out, ctypes.c_size_t(32), ctypes.c_uint64(number), context, key) == 0
    return out.raw


def argon2id(passphrase, salt, memory_kib, passes):
    out = ctypes.create_string_buffer(32)
    assert sodium.crypto_pwhash(
        out, ctypes.c_ulonglong(32), passphrase, ctypes.c_ulonglong(len(passphrase)), salt,
        ctypes.c_ulonglong(passes), ctypes.c_size_t(memory_kib * 1024), 2) == 0
    return out.raw


def le(value, size):
    return value.to_bytes(size, "little")


def cell_block(vault, keeper, kek, slot, cell_class, anchor, sequence, epoch, salt):
    header = b"OBLCELL1" + bytes([1, 1, slot, cell_class]) + bytes(4) + vault + keeper + bytes(16)
    ad = b"obl1" + b"\x11" + vault + keeper + bytes([slot, cell_class])
    content = anchor + le(sequence, 8) + le(epoch, 8)
    return header + box(subkey(kek, b"oblcell1", 1), content, ad, salt)


def seal_slot(vault, keeper, kind, generation, secret, salt, box_salt, kek, cost=(0, 0)):
    if kind == 1:
        wrapping = argon2id(secret, salt, *cost)
    else:
        wrapping = hashlib.blake2b(
            b"obl/seal/1" + bytes([kind]) + salt, key=secret, digest_size=32).digest()
    ad = b"obl1" + b"\x13" + bytes([kind, generation]) + vault + keeper + salt
    return (bytes([kind, generation, 0, 0]) + salt + le(cost[0], 4) + le(cost[1], 4)
            + box(wrapping, kek, ad, box_salt))


def seal_file(vault, keeper, slots):
    body = b"OBLSEAL1" + bytes([1, 1, 0, 0]) + vault + keeper + le(len(slots), 2) + b"".join(slots)
    return body + hashlib.sha256(body).digest()


def run(start, size):
    return bytes((start + i) % 256 for i in range(size))


def main():
    vault, keeper = run(0x10, 16), run(0x30, 16)
    kek, old_kek, anchor = run(0x50, 32), run(0x70, 32), run(0x90, 32)
    key_file, credential, passphrase = run(0xB0, 32), run(0xD0, 32), b"correct horse battery"
    slots = [
        seal_slot(vault, keeper, 1, 7, passphrase, run(1, 16), run(2, 16), kek, (64, 2)),
        seal_slot(vault, keeper, 2, 6, key_file, run(3, 16), run(4, 16), old_kek),
        seal_slot(vault, keeper, 2, 7, key_file, run(5, 16), run(6, 16), kek),
        seal_slot(vault, keeper, 3, 7, credential, run(7, 16), run(8, 16), kek),
    ]
    block = cell_block(vault, keeper, kek, 1, ord("S"), anchor, 0x0102030405060708, 0x1112131415161718,
                       run(9, 16))
    print(json.dumps({
        "vault": vault.hex(), "keeper": keeper.hex(), "kek": kek.hex(), "old_kek": old_kek.hex(),
        "generation": 7, "old_generation": 6,
        "anchor": anchor.hex(), "sequence": 0x0102030405060708, "epoch": 0x1112131415161718,
        "slot": 1, "class": "S", "cell_block_start": block.hex(),
        "passphrase": passphrase.decode(), "key_file": key_file.hex(),
        "credential": credential.hex(), "seal_slots": seal_file(vault, keeper, slots).hex(),
    }, indent=1))


main()
