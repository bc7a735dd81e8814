"""Rows of table `table_tokens` (vault/tokens/token_row.hpp)."""

import struct
from typing import NamedTuple, Optional

from . import address
from .primitives import VALUE, blake2b, open_box, subkey
from .reading import Reader, check

TOKEN_ROW, COUNT_ROW = 1, 2
TABLE_TOKEN, HANDLE, TOKEN_COUNT = 0x07, 0x08, 0x30
FORMAT, ONE_TIME, HANDLE_KIND, VALUE_KIND = 3, 4, 5, 6
OPEN, USED = 0, 1
CLASS_LAST = 12


class Place(NamedTuple):
    tenant: int
    recipient: int
    kid: int
    find: bytes

    def leaf(self):
        return address.system(self.tenant, address.TOKEN_ROW, self.recipient, self.kid)


class Token(NamedTuple):
    kind: int
    state: int
    field: int
    expiry: int
    members: tuple  # of (number of a person, salt32)
    generation: int
    handle: Optional[int]


class Dead(NamedTuple):
    key: str  # "recipient" or "handle"


class Count(NamedTuple):
    recipient: int
    kid: int
    generation: int
    count: int


def class_of(find):
    bits = f"{int.from_bytes(find[:2], 'big'):016b}"
    return min(len(bits) - len(bits.lstrip("1")), CLASS_LAST)


def find_key(tree, tenant, recipient, kid, text):
    """Under which key the row of a text lies; None if the recipient was cut off."""
    leaf = tree.find(address.system(tenant, address.TOKEN_ROW, recipient, kid))
    return leaf and blake2b(text.encode(), key=subkey(leaf, "obltok_1", 1), size=16)


def decode(tree, key, row):
    """(place, Token or Dead) of a token row; (None, Count or Dead) of a count row."""
    reader = Reader(key, "table_tokens: key")
    kind = reader.u8()
    tenant, recipient, kid = reader.be16(), reader.be16(), reader.be16()
    check(kind in (TOKEN_ROW, COUNT_ROW), "table_tokens: a row of unknown kind")
    place = Place(tenant, recipient, kid, reader.take(16) if kind == TOKEN_ROW else b"")
    if kind == COUNT_ROW:
        reader.take(8)
        generation = reader.be16()
    reader.end()
    leaf = tree.find(place.leaf())
    if kind == TOKEN_ROW:
        return place, _token(tree, place, leaf, row)
    if leaf is None:
        return None, Dead("recipient")
    plain = open_box(subkey(leaf, "obltok_1", 2), VALUE, row,
                     b"obl1" + bytes([TOKEN_COUNT, 0]) + key, "table_tokens: count")
    return None, Count(recipient, kid, generation, *struct.unpack("<Q", plain))


def _token(tree, place, leaf, row):
    reader = Reader(row, "table_tokens")
    row_format, suite, generation = reader.u8(), reader.u8(), reader.u16()
    check(row_format in (1, 2) and suite == 1, "table_tokens: format of the future")
    handle = reader.u64() if row_format == 2 else None
    head, box = row[:reader.at], row[reader.at:]
    key = leaf and subkey(leaf, "obltok_1", 2)
    if handle is not None:
        leaf = tree.find(address.handle(place.tenant, handle))
        key = leaf and subkey(leaf, "obltok_1", 3)
    if key is None:
        return Dead("recipient" if handle is None else "handle")
    bound = b"obl1" + bytes([TABLE_TOKEN if handle is None else HANDLE, 0]) + struct.pack(
        "<HHH", place.tenant, place.recipient, place.kid) + place.find + head
    return _plaintext(open_box(key, VALUE, box, bound, "table_tokens"), generation, handle)


def _plaintext(plain, generation, handle):
    reader = Reader(plain, "table_tokens")
    kind, state, field, expiry, count = (reader.u8(), reader.u8(), reader.u16(), reader.u32(),
                                         reader.u16())
    reader.zeros(2)
    members = tuple((reader.u64(), reader.u32()) for _ in range(count))
    reader.end()
    check(kind in (FORMAT, ONE_TIME, HANDLE_KIND, VALUE_KIND), "table_tokens: unknown kind")
    check((kind == HANDLE_KIND) == (handle is not None), "table_tokens: handle and kind differ")
    check(state == OPEN or (state == USED and kind == ONE_TIME), "table_tokens: unknown state")
    check(bool(members) == (state == OPEN), "table_tokens: nobody's token")
    check(len(members) <= 1 or kind == VALUE_KIND, "table_tokens: a token of several people")
    return Token(kind, state, field, expiry, members, generation, handle)
