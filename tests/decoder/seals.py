"""`seal.slots`: from an unseal secret to the keys of a keeper (vault/keys/seal_slots.hpp)."""

import struct
from typing import NamedTuple

from .primitives import STRUCTURAL, argon2id, blake2b, box_size, open_box, sha256
from .reading import Damaged, Reader, check

PASSPHRASE, KEYFILE, CREDENTIAL = 1, 2, 3


class Secret(NamedTuple):
    type: int
    bytes: bytes


class Kek(NamedTuple):
    key: bytes
    generation: int


def key_file_secret(path):
    text = path.read_text()
    secret = bytes.fromhex(text.strip())
    check(text == secret.hex() + "\n" and len(secret) == 32, "the key file is malformed")
    return Secret(KEYFILE, secret)


def passphrase_secret(passphrase):
    return Secret(PASSPHRASE, passphrase)


def _wrapping_key(slot_type, secret, salt, memory_kib, passes):
    if slot_type == PASSPHRASE:
        return argon2id(secret, salt, memory_kib, passes)
    return blake2b(b"obl/seal/1", bytes([slot_type]), salt, key=secret)


def open_seals(data, vault, keeper, secret):
    """The Keks that `secret` opens, one per generation; all slots are checked for their form."""
    what = "seal.slots"
    reader = Reader(data[:-32], what)
    check(sha256(data[:-32]) == data[-32:], f"{what}: the check sum is another one")
    reader.expect(b"OBLSEAL1\x01\x01\x00\x00", "magic or version")
    reader.expect(vault, "the vault id")
    reader.expect(keeper, "the keeper id")
    found = []
    for _ in range(reader.u16()):
        slot_type, generation = reader.u8(), reader.u8()
        reader.zeros(2)
        salt, memory_kib, passes = reader.take(16), reader.u32(), reader.u32()
        box = reader.take(box_size(32, STRUCTURAL))
        check(slot_type in (PASSPHRASE, KEYFILE, CREDENTIAL), f"{what}: a slot of unknown type")
        check((memory_kib > 0 and passes > 0) == (slot_type == PASSPHRASE)
              and (slot_type == PASSPHRASE or memory_kib == passes == 0),
              f"{what}: costs do not fit the type")
        if slot_type != secret.type:
            continue  # a wrap opens with a secret of its type only
        bound = b"obl1\x13" + struct.pack("<BB", slot_type, generation) + vault + keeper + salt
        try:
            key = open_box(_wrapping_key(slot_type, secret.bytes, salt, memory_kib, passes),
                           STRUCTURAL, box, bound, what)
        except Damaged:
            continue  # a slot of another secret looks the same
        found.append(Kek(key, generation))
    reader.end()
    check(found, f"{what}: the secret opens no slot, or the slots are damaged")
    return found
