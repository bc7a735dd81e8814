"""Orders and holds (vault/exception_table.hpp, vault/exception_rows.hpp, vault/approvals.hpp)."""

import struct
from typing import NamedTuple, Optional

from . import address
from .primitives import VALUE, open_box, subkey
from .reading import Reader, check

RECORD = 0x20
ROW_SUBKEY = 0x20
PER_RECIPIENT = 0xFFFF
NOBODY = (1 << 64) - 1


class Approvals(NamedTuple):
    needed: int
    roles: int
    until: int
    given: list  # of (client, role, time)


class Order(NamedTuple):
    state: int  # 1 waiting, 2 live, 3 closed
    is_public: bool
    opener: int
    times: tuple  # opened, expires, closed, notice due, notice given
    subjects: int
    hashes: list  # paper, permit, evidence of the notice
    approvals: Approvals
    texts: list  # basis, clause, authority, mark, tell
    fields: list


class Hold(NamedTuple):
    state: int  # 1 waiting, 2 live, 3 released, 4 lapsed
    bars_telling: bool
    extension: int
    subject: Optional[int]
    placer: int
    times: tuple  # placed, review, ended
    evidence: bytes
    extends: bytes
    approvals: Approvals
    release: Approvals
    texts: list  # ground, clause, law
    categories: list
    fields: list


class Exception_(NamedTuple):
    kind: str
    identity: bytes
    number: int
    is_pending: bool
    due: int
    is_alive: bool
    content: object


def _texts(reader, count):
    return [reader.take(reader.u8()).decode() for _ in range(count)]


def _numbers(reader):
    return [reader.u16() for _ in range(reader.u16())]


def _approvals(reader):
    needed, roles, until = reader.u8(), reader.u16(), reader.u32()
    given = [(reader.u16(), reader.u16(), reader.u32()) for _ in range(reader.u8())]
    check(1 <= needed <= 17 and roles and len(given) <= needed, "approvals of odd number")
    check(all(role.bit_count() == 1 for _, role, _ in given), "an approval in two roles")
    check(len({client for client, _, _ in given}) == len(given), "one client approves twice")
    return Approvals(needed, roles, until, given)


def _order(reader):
    check(reader.u8() == 1, "order: format of the future")
    state, flags = reader.u8(), reader.u8()
    reader.zeros(1)
    check(state in (1, 2, 3) and flags in (0, 1), "order: unknown state or flag")
    head = (state, flags == 1, reader.u16(), tuple(reader.u32() for _ in range(5)), reader.u32())
    hashes = [reader.take(32) for _ in range(3)]
    return Order(*head, hashes, _approvals(reader), _texts(reader, 5), _numbers(reader))


def _hold(reader):
    check(reader.u8() == 1, "hold: format of the future")
    state, flags, extension, subject = reader.u8(), reader.u8(), reader.u8(), reader.u64()
    check(state in (1, 2, 3, 4) and flags in (0, 1), "hold: unknown state or flag")
    check((subject == NOBODY) == (state > 2), "hold: one that has ended names somebody")
    head = (state, flags == 1, extension, None if subject == NOBODY else subject, reader.u16(),
            tuple(reader.u32() for _ in range(3)), reader.take(32), reader.take(16))
    return Hold(*head, _approvals(reader), _approvals(reader), _texts(reader, 3),
                _numbers(reader), _numbers(reader))


def decode_exception(tree, tenant, key, row):
    kind, identity = key[0], key[1:]
    check(kind in (1, 2) and len(identity) == 16, "exceptions: a malformed key")
    what = f"exception {identity.hex()}"
    reader = Reader(row[:12], what)
    check(reader.u8() == 1, f"{what}: format of the future")
    pending = reader.u8()
    reader.zeros(2)
    number, due = reader.u32(), reader.u32()
    check(pending in (0, 1), f"{what}: neither pending nor not")
    leaf = tree.find(address.system(tenant, address.EXCEPTION, 0, 0))
    check(leaf is not None, f"{what}: the key of all rows is dead")
    bound = b"obl1" + struct.pack("<BBHB", RECORD, 0, tenant, kind) + identity + struct.pack(
        "<BII", pending, number, due)
    plain = open_box(subkey(leaf, "oblsys_1", ROW_SUBKEY), VALUE, row[12:], bound, what)
    reader = Reader(plain, what)
    content = (_order if kind == 1 else _hold)(reader)
    reader.end()
    own = address.system(tenant, address.EXCEPTION, 1 + number // PER_RECIPIENT,
                         number % PER_RECIPIENT)
    return Exception_({1: "order", 2: "hold"}[kind], identity, number, pending == 1, due,
                      tree.find(own) is not None, content)
