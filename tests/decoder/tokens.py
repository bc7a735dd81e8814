"""Pointer tokens (vault/tokens/pointer_token.hpp) and API keys (api/credentials.hpp)."""

import base64
import binascii
import re
import struct
from typing import NamedTuple

from . import address
from .primitives import blake2b, open_siv, subkey
from .reading import Reader, check

PREFIX = "obl1."
SIZE = 77


class Payload(NamedTuple):
    local: int
    field: int
    salt32: int
    recipient: int
    kind: int
    expiry: int
    nonce: bytes


def open_token(tree, tenant, recipient, text):
    """What a token of `recipient` points to."""
    check(text.startswith(PREFIX) and len(text) == SIZE, "no token")
    raw = base64.urlsafe_b64decode(text[len(PREFIX):])
    check(base64.urlsafe_b64encode(raw).decode() == text[len(PREFIX):], "a token spelled otherwise")
    kid, = struct.unpack_from("<H", raw)
    leaf = tree.find(address.system(tenant, address.TOKEN, recipient, kid))
    check(leaf is not None, "the recipient was cut off")
    bound = b"obltok1\x00" + struct.pack("<HHH", tenant, recipient, kid)
    plain = open_siv(subkey(leaf, "obltok_1", 1), subkey(leaf, "obltok_1", 2), bound, raw[2:],
                     "token")
    reader = Reader(plain, "token")
    local = int.from_bytes(reader.take(5), "little")
    head = (local, reader.u16(), reader.u32(), reader.u16(), reader.u8())
    check(reader.u16() == 0, "token: a set of purposes")
    payload = Payload(*head, reader.u32(), reader.take(8))
    reader.end()
    check(local >> 36 == 0 and payload.recipient == recipient, "token: of another recipient")
    check(payload.kind in (1, 2), "token: of unknown kind")
    check((payload.nonce == bytes(8)) == (payload.kind == 2), "token: nonce and kind do not fit")
    return payload


class ApiKey(NamedTuple):
    client: int
    number: int
    secret: bytes

    def verifier(self, tree, tenant, recipient):
        leaf = tree.find(address.system(tenant, address.API_KEY, recipient, self.number))
        if leaf is None:
            return None
        return blake2b(self.secret, key=subkey(leaf, "oblsys_1", 2))


def decode_api_key(text):
    found = re.fullmatch(r"(obk_c([1-9]\d{0,4})k([1-9]\d{0,4})_([0-9a-f]{64}))_([0-9a-f]{6})", text)
    check(found, "no API key")
    check(f"{binascii.crc32(found[1].encode()) & 0xFFFFFF:06x}" == found[5], "an API key mistyped")
    return ApiKey(int(found[2]), int(found[3]), bytes.fromhex(found[4]))
