"""Rows of the data plane that are small or about the vault itself: names, policies, clients."""

import json
import struct
from typing import NamedTuple

from . import address
from .people import Place
from .primitives import VALUE, open_box, sha256, subkey
from .reading import Reader, check

NAME_KINDS = {"field": 1, "purpose": 2, "recipient": 3, "slot": 4, "region": 5, "category": 6}
META = {b"format", b"vault", b"tenant", b"sequence", b"ready", b"log", b"log_key", b"sweep",
        b"term", b"numbers", b"handles"}
CLIENT_RECORD = 0x0A


class Meta(NamedTuple):
    vault: bytes
    tenant: str
    generation: int
    sequence: int
    log: bytes
    log_kid: int  # of the newest key that signs heads of the log
    term: int     # of the newest start
    numbers: int  # end of the newest lease of people's numbers
    handles: int  # the same of handles' numbers
    sweep: tuple  # day, and the next person that the pass over all people for it looks at


class Policy(NamedTuple):
    published: int
    digest: bytes
    document: dict


class Client(NamedTuple):
    recipient: int
    generation: int
    roles: int
    enrolled: int
    name: str
    keys: dict  # key number -> verifier


class DeadClient(NamedTuple):
    recipient: int


def decode_meta(rows):
    check(rows[b"format"] == struct.pack("<I", 1), "meta: format of the future")
    check(rows[b"ready"] == b"\x01", "meta: init did not end")
    check(len(rows[b"vault"]) == 16, "meta: no vault id")
    generation, sequence = struct.unpack("<IQ", rows[b"sequence"])
    log_kid, = struct.unpack("<H", rows.get(b"log_key", bytes(2)))
    term, = struct.unpack("<Q", rows.get(b"term", bytes(8)))
    numbers, = struct.unpack("<Q", rows.get(b"numbers", bytes(8)))
    handles, = struct.unpack("<Q", rows.get(b"handles", bytes(8)))
    sweep = struct.unpack("<HQ", rows.get(b"sweep", bytes(10)))
    return Meta(rows[b"vault"], rows[b"tenant"].decode(), generation, sequence, rows[b"log"],
                log_kid, term, numbers, handles, sweep)


def decode_names(rows):
    """{(kind, name): id}; ids are unique within their kind."""
    kinds = {number: kind for kind, number in NAME_KINDS.items()}
    names = {}
    for key, value in rows.items():
        check(key[0] in kinds and len(value) == 2, "names: a malformed row")
        names[kinds[key[0]], key[1:].decode()] = struct.unpack("<H", value)[0]
    ids = [(kind, number) for (kind, _), number in names.items()]
    check(len(ids) == len(set(ids)), "names: one id for two names")
    return names


def decode_policies(rows):
    texts, heads = {}, {}
    for key in sorted(rows):
        reader = Reader(key, "policies: key")
        version, part = reader.be16(), reader.be16()
        reader.end()
        reader = Reader(rows[key], "policies")
        if part == 0:
            heads[version] = (reader.u32(), reader.take(32), reader.take(32))
            texts[version] = [reader.rest()]
        else:
            check(len(texts.get(version, [])) == part, "policies: a part is missing")
            texts[version].append(reader.rest())
    policies, link = {}, bytes(32)
    for version, (published, digest, before) in sorted(heads.items()):
        text = b"".join(texts[version])
        check(sha256(text) == digest, f"policies: version {version} is damaged")
        policies[version] = Policy(published, digest, json.loads(text))
        check(policies[version].document["policy"]["version"] == version,
              "policies: a text of another version")
        check(before == link, f"policies: version {version} does not follow the one before it")
        canonical = json.dumps(policies[version].document, sort_keys=True, separators=(",", ":"),
                               ensure_ascii=False).encode()
        link = sha256(b"oubliette policy 1" + before + sha256(canonical))
    return policies


def decode_client(tree, tenant, key, row):
    """(number, Client), or (number, DeadClient) if it was revoked."""
    reader = Reader(key, "clients: key")
    number = reader.be16()
    reader.end()
    recipient, generation = struct.unpack_from("<HH", row)
    leaf = tree.find(address.system(tenant, address.CLIENT, recipient, number))
    if leaf is None:
        return number, DeadClient(recipient)
    what = f"client {number}"
    header = struct.pack("<BBHHHHH", 1, 1, 0, 0, 0, 0, 0)
    plain = open_box(subkey(leaf, "oblsys_1", 1), VALUE, row[4:],
                     Place(tenant, number, 0).bound(CLIENT_RECORD, header), what)
    reader = Reader(plain, what)
    roles, enrolled = reader.u16(), reader.u32()
    name = reader.take(reader.u8()).decode()
    keys = {reader.u16(): reader.take(32) for _ in range(reader.u16())}
    reader.end()
    return number, Client(recipient, generation, roles, enrolled, name, keys)


class Expiry(NamedTuple):
    tenant: int
    retention_class: int
    day: int
    row_key: bytes


def decode_expiry(key, value):
    reader = Reader(key, "expiry")
    row = Expiry(reader.be16(), reader.be16(), reader.be16(), reader.rest())
    check(value == b"", "expiry: a row with a value")
    return row
