"""People's rows of the data plane (vault/people/records.hpp, boxes.hpp)."""

import struct
from typing import NamedTuple, Optional

from . import address
from .primitives import VALUE, blake2b, box_size, open_box, subkey
from .reading import Reader, check

PERSON, HOT, AUDIT_COUNTER, VALUE_ROW, MARKER, EXTERNAL_ID = 0x01, 0x02, 0x03, 0x10, 0x11, 0x12
ORDER_LINK, HOLD_LINK, NOTE = 0x20, 0x21, 0x22
WAITING_ERASURE, HELD_DAY, PUBLIC_SOURCE = b"\x00", b"\x01", b"\x02"  # notes
TOLD, REQUEST_LINK = 0x23, 0x24
GIVEN_TOKEN, GIVEN_HANDLE = 0x2C, 0x2D
RECORD_TYPES = {PERSON: 0x03, HOT: 0x04, AUDIT_COUNTER: 0x0C, VALUE_ROW: 0x01, MARKER: 0x05,
                EXTERNAL_ID: 0x0B, ORDER_LINK: 0x21, HOLD_LINK: 0x21, TOLD: 0x26,
                GIVEN_TOKEN: 0x2E, GIVEN_HANDLE: 0x2F}
INDEX_TRUTH = 0x02
HEADER = 12
TRUTH_BOX = box_size(20, VALUE)


class Place(NamedTuple):
    """What the key of a row says: `field` is a field's or a slot's number."""
    tenant: int
    local: int
    kind: int
    field: int = 0
    item: int = 0
    rest: bytes = b""  # of a link, or the kind of a note
    recipient: int = 0   # of a given token
    token_kind: int = 0  # of a given token

    def person(self):
        return address.person(self.tenant, self.local)

    def bound(self, record_type, header):
        return b"obl1" + bytes([record_type, 0]) + struct.pack(
            "<HQHI", self.tenant, self.local, self.field, self.item) + header


class Header(NamedTuple):
    format: int
    suite: int
    schema: int
    retention_class: int
    day: int
    region: int
    generation: int


class Dead(NamedTuple):
    """A row that does not open any more: which of its keys is dead."""
    key: str  # "person", "item", "retention day" or "region"


class Value(NamedTuple):
    kind: int  # 1 text, 2 JSON
    collected: int
    text: bytes
    salt32: int
    header: Header
    truth: Optional[tuple]  # fingerprint, normaliser version, index kid


class Marker(NamedTuple):
    slot: int
    version: int
    kind: int
    told: int
    granted: int
    expires: int
    evidence: bytes


class PersonRow(NamedTuple):
    next_item: int
    skipped_from: int
    skipped_to: int


class Hot(NamedTuple):
    granted: int
    seen_version: int
    home_region: int
    flags: int
    earliest_expiry: int
    account_closed: int
    last_activity: int
    campaign_ended: int


def decode_key(key):
    reader = Reader(key, "people: key")
    shard, tenant = reader.be16(), reader.be16()
    local = int.from_bytes(reader.take(5), "big")
    check(local >> 36 == 0 and shard == local >> 20, "people: a key in another shard")
    place = Place(tenant, local, reader.u8())
    if place.kind in (VALUE_ROW, MARKER):
        place = place._replace(field=reader.be16(), item=reader.be32())
    elif place.kind == GIVEN_TOKEN:
        place = place._replace(field=reader.be16(), item=reader.be32(), recipient=reader.be16(),
                               token_kind=reader.u8())
    elif place.kind == GIVEN_HANDLE:
        place = place._replace(item=reader.be32())
    elif place.kind == EXTERNAL_ID:
        place = place._replace(item=reader.be32())
        check(place.item == 0, "people: an external id that is not item 0")
    elif place.kind in (ORDER_LINK, HOLD_LINK):
        place = place._replace(rest=reader.take(16))
    elif place.kind == NOTE:
        place = place._replace(rest=reader.take(1))
        check(place.rest in (WAITING_ERASURE, HELD_DAY, PUBLIC_SOURCE), "people: unknown note")
        if place.rest != WAITING_ERASURE:
            place = place._replace(field=reader.be16(), item=reader.be32())
    elif place.kind == REQUEST_LINK:
        reader.take(16)
    else:
        check(place.kind in (PERSON, HOT, AUDIT_COUNTER, TOLD), "people: a row of unknown kind")
    reader.end()
    return place


def split_header(row, what):
    header = row[:HEADER]
    check(len(header) == HEADER, f"{what}: no header")
    fields = Header(*struct.unpack("<BBHHHHH", header))
    check(fields.format in (1, 2) and fields.suite == 1, f"{what}: format of the future")
    return header, fields, row[HEADER:]


def padded_size(size):
    """Multiples of 16 up to 256; above that Padme: with E = floor(log2(size)) and
    S = floor(log2(E)) + 1, the last E - S bits are zero."""
    if size <= 256:
        return -(-size // 16) * 16
    exponent = size.bit_length() - 1
    unit = 1 << (exponent - exponent.bit_length())
    return -(-size // unit) * unit


def _padding(reader, size, what):
    check(len(reader.data) == padded_size(size), f"{what}: padded to another size")
    reader.zeros(len(reader.data) - reader.at)


class Opener:
    """Opens rows of people with the keys of one key tree."""

    def __init__(self, tree):
        self.tree = tree

    def open(self, key, row):
        """(place, record), or (place, Dead)."""
        place = decode_key(key)
        if place.kind == REQUEST_LINK:
            check(not row, "people: a request's link with a value")
            return place, None
        what = f"people: person {place.local}, kind {place.kind:#04x}"
        header, fields, body = split_header(row, what)
        if place.kind == NOTE and place.rest == HELD_DAY:
            check(body == b"", f"{what}: more than a header")
            return place, fields
        check(place.kind == VALUE_ROW or fields.format == 1, f"{what}: format of another row")
        check(place.kind not in (VALUE_ROW, MARKER) or fields.schema == place.field,
              f"{what}: the header is of another field")
        check(place.kind != GIVEN_TOKEN or
              (fields.schema, fields.retention_class) == (place.recipient, place.token_kind),
              f"{what}: the header is of another token")
        if place.kind == VALUE_ROW:
            return place, self._value(place, header, fields, body, what)
        if place.kind in (ORDER_LINK, HOLD_LINK, NOTE):
            return place, self._exception(place, header, body, what)
        return place, self._record(place, header, body, what)

    def _exception(self, place, header, body, what):
        """The id in a link or a waiting erasure; source and date of a value that was public."""
        owner = self.tree.find(address.item(place.person(), place.item))
        if owner is None:
            return Dead("item")
        kind, number = {NOTE: (0x22, 0x22)}.get(place.kind, (0x21, 0x20))
        if place.rest == PUBLIC_SOURCE:
            kind, number = 0x23, 0x23
        plain = open_box(subkey(owner, "oblitem1", number), VALUE, body, place.bound(kind, header),
                         what)
        if place.kind != NOTE:
            find = blake2b(bytes([place.kind]), plain, key=subkey(owner, "oblitem1", 0x21), size=16)
            check(find == place.rest, f"{what}: a link under another name")
        check(len(plain) == (36 if place.rest == PUBLIC_SOURCE else 16), f"{what}: odd size")
        return plain

    def _record(self, place, header, body, what):
        of_item = place.kind in (MARKER, EXTERNAL_ID) or (place.kind == GIVEN_TOKEN and place.item)
        if of_item:
            seed = self.tree.find(address.item(place.person(), place.item))
            number = {MARKER: 1, EXTERNAL_ID: 2, GIVEN_TOKEN: 16}[place.kind]
            context, dead = "oblitem1", Dead("item")
        else:
            seed = self.tree.find(address.fixed(place.person()))
            number = {PERSON: 1, HOT: 2, AUDIT_COUNTER: 4, TOLD: 0x26, GIVEN_HANDLE: 5,
                      GIVEN_TOKEN: 16}[place.kind]
            context, dead = "oblsubj1", Dead("person")
        if seed is None:
            return dead
        plain = open_box(subkey(seed, context, number), VALUE, body,
                         place.bound(RECORD_TYPES[place.kind], header), what)
        decode = {PERSON: _person_row, HOT: _hot_row, AUDIT_COUNTER: _counter, MARKER: _marker,
                  TOLD: _told, EXTERNAL_ID: _external_id, GIVEN_TOKEN: _given_token,
                  GIVEN_HANDLE: _given_handle}[place.kind]
        return decode(plain, what)

    def _value(self, place, header, fields, body, what):
        parts = {
            "item": address.item(place.person(), place.item),
            "retention day": address.retention(place.tenant, fields.retention_class, fields.day)}
        if fields.region:
            parts["region"] = address.region(place.tenant, fields.region)
        keys = {name: self.tree.find(where) for name, where in parts.items()}
        for name, key in keys.items():
            if key is None:
                return Dead(name)
        value_key = blake2b(b"obl/val/1", keys["retention day"], keys.get("region", bytes(32)),
                            key=keys["item"])
        truth = None
        if fields.format == 2:
            plain = open_box(subkey(value_key, "oblidx_1", 0), VALUE, body[:TRUTH_BOX],
                             place.bound(INDEX_TRUTH, header), f"{what}, index truth")
            truth = struct.unpack("<16sHH", plain)
            body = body[TRUTH_BOX:]
        plain = open_box(value_key, VALUE, body, place.bound(RECORD_TYPES[VALUE_ROW], header), what)
        salt32, = struct.unpack_from("<I", body, 2)
        return _decode_value(plain, salt32, fields, truth, what)


def _decode_value(plain, salt32, fields, truth, what):
    reader = Reader(plain, what)
    kind, collected, size = reader.u8(), reader.u32(), reader.u32()
    text = reader.take(size)
    _padding(reader, 9 + size, what)
    check(kind in (1, 2), f"{what}: a value of unknown kind")
    check(salt32 != 0, f"{what}: a salt that says floating")
    return Value(kind, collected, text, salt32, fields, truth)


def _person_row(plain, what):
    reader = Reader(plain, what)
    row = PersonRow(reader.u32(), reader.u32(), reader.u32())
    reader.zeros(4)
    reader.end()
    check(row.skipped_from <= row.skipped_to <= row.next_item, f"{what}: counters out of order")
    return row


def _hot_row(plain, what):
    reader = Reader(plain, what)
    granted = int.from_bytes(reader.take(16), "little")
    head = (granted, reader.u16(), reader.u16(), reader.u8())
    reader.zeros(3)
    row = Hot(*head, *(reader.u32() for _ in range(4)))
    reader.zeros(24)
    reader.end()
    return row


def _counter(plain, what):
    reader = Reader(plain, what)
    reserved = reader.u64()
    reader.end()
    return reserved


def _told(plain, what):
    reader = Reader(plain, what)
    told = []
    while reader.at < len(plain):
        told.append((reader.u16(), reader.u16()))
    check(told == sorted(set(told)), f"{what}: recipients out of order")
    return told


def _marker(plain, what):
    reader = Reader(plain, what)
    head = (reader.u16(), reader.u16(), reader.u8(), reader.u8())
    reader.zeros(2)
    marker = Marker(*head, reader.u32(), reader.u32(), reader.take(32))
    reader.end()
    check(marker.kind in (1, 2, 3), f"{what}: a consent of unknown kind")
    return marker


class GivenToken(NamedTuple):
    kid: int
    text: str


def _given_token(plain, what):
    reader = Reader(plain, what)
    kid, size = reader.u16(), reader.u8()
    text = reader.take(size)
    check(len(plain) == -(-(3 + size) // 16) * 16, f"{what}: padded to another size")
    reader.zeros(len(plain) - reader.at)
    check(0 < size <= 128, f"{what}: a token of odd size")
    return GivenToken(kid, text.decode())


def _given_handle(plain, what):
    reader = Reader(plain, what)
    local = reader.u64()
    reader.end()
    check(local >> 36 == 0, f"{what}: a handle's number is too large")
    return local


def _external_id(plain, what):
    reader = Reader(plain, what)
    size = reader.u8()
    external_id = reader.take(size)
    _padding(reader, 1 + size, what)
    check(0 < size <= 128, f"{what}: an external id of odd size")
    return external_id.decode()


def fingerprint(index_leaf, field, normalised):
    return blake2b(normalised, key=subkey(index_leaf, "oblidx_1", field), size=16)


def pseudonym(fixed_key, number):
    """The person in his or her audit entry `number` (vault/audit/entry.hpp)."""
    return blake2b(struct.pack("<Q", number), key=subkey(fixed_key, "oblaud_1", 0), size=16)
