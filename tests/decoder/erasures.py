"""Erasure and queue rows (vault/erasure_rows.hpp), and what proves that an erasure is final."""

import struct
from typing import NamedTuple, Optional

from . import address
from .audit import ENTRY
from .keeper import ACTIVE_MEMBER, ChainRow, Request, decode_members, request_digest
from .primitives import blake2b, is_signed, merkle_leaf, root_of_proof, sha256, subkey
from .reading import Reader, check

EFFECTIVE, FINAL = 1, 2
SCOPES = {1: "subject", 2: "field", 3: "category", 4: "consent", 5: "client", 6: "token_key",
          7: "superseded", 8: "retention_day", 9: "region", 10: "recipient", 11: "bank",
          12: "tenant"}


class Acknowledgement(NamedTuple):
    keeper: bytes
    public_key: bytes
    cell_class: bytes
    term: int
    epoch: int
    previous: bytes
    hash: bytes
    request_root: bytes
    members: bytes
    signature: bytes

    def is_signed(self, vault):
        message = (b"oblack1\x00" + vault + self.keeper + self.cell_class + bytes(7)
                   + struct.pack("<QQ", self.term, self.epoch) + self.previous + self.hash
                   + self.request_root + self.members)
        check(len(message) == 192, "an acknowledgement of another size")
        return is_signed(self.public_key, message, self.signature)


class Finality(NamedTuple):
    epoch: int
    hash_before: bytes
    hash_after: bytes
    request_index: int
    request_count: int
    proof: list
    acknowledgements: list
    chain: list
    members: list


class LogRecord(NamedTuple):
    """Where the log says that an erasure is final, and the signed head at that commit."""
    index: int
    entry: bytes
    keys: list
    checkpoint: str


class Erasure(NamedTuple):
    scope: str
    state: int
    ground: int
    accepted: int
    commitment: bytes
    blind: bytes
    addresses: list
    finality: Optional[Finality]
    body: bytes
    log: Optional[LogRecord]


class Queued(NamedTuple):
    request: Request
    due: int
    signed: bytes
    tag: bytes

    def is_authentic(self, leaf):
        return blake2b(self.signed, key=subkey(leaf, "oblsys_1", 7), size=32) == self.tag


def join_pieces(rows, what):
    """{request id: row} of a table keyed by request id and piece."""
    joined = {}
    expected = {}
    for key in sorted(rows):
        reader = Reader(key, what)
        identity, piece = reader.take(16), reader.be16()
        reader.end()
        check(piece == expected.get(identity, 0), f"{what}: a piece is missing")
        check(0 < len(rows[key]) <= 60_000, f"{what}: a piece of odd size")
        expected[identity] = piece + 1
        joined[identity] = joined.get(identity, b"") + rows[key]
    return joined


def decode_erasure(row):
    reader = Reader(row, "erasure")
    check(reader.u8() == 1, "erasure: format of the future")
    scope, state = reader.u8(), reader.u8()
    reader.zeros(1)
    check(scope in SCOPES and state in (EFFECTIVE, FINAL), "erasure: unknown scope or state")
    head = (SCOPES[scope], state, reader.u16(), reader.u32(), reader.take(32), reader.take(32),
            address.decode_list(reader, "erasure"))
    finality = _decode_finality(reader) if state == FINAL else None
    body = row[:reader.at]
    log = _decode_log_record(reader) if state == FINAL else None
    reader.end()
    return Erasure(*head, finality, body, log)


def _decode_log_record(reader):
    index, entry = reader.u64(), reader.take(ENTRY)
    keys = [reader.take(32) for _ in range(reader.u8())]
    return LogRecord(index, entry, keys, reader.take(reader.u16()).decode())


def _decode_finality(reader):
    head = (reader.u64(), reader.take(32), reader.take(32), reader.u64(), reader.u64())
    proof = [reader.take(32) for _ in range(reader.u32())]
    acknowledgements = [
        Acknowledgement(reader.take(16), reader.take(32), reader.take(1), reader.u64(),
                        reader.u64(), *(reader.take(32) for _ in range(4)), reader.take(64))
        for _ in range(reader.u32())]
    chain = [ChainRow.read(reader.u64(), reader) for _ in range(reader.u32())]
    members = decode_members(reader.take(reader.u32()))
    return Finality(*head, proof, acknowledgements, chain, members)


def decode_queued(identity, row):
    reader = Reader(row, "queue")
    check(reader.u8() == 1, "queue: format of the future")
    scope = reader.u8()
    check(scope in SCOPES, "queue: unknown scope")
    ground, due, commitment, blind = reader.u16(), reader.u32(), reader.take(32), reader.take(32)
    addresses = address.decode_list(reader, "queue")
    tag = reader.take(32)
    reader.end()
    return Queued(Request(identity, scope, ground, commitment, blind, addresses), due,
                  b"obl/queue/1" + identity + row[:-32], tag)


def verify(identity, erasure, vault):
    """Checks an erasure that is final from the row alone: chain, signatures of all members, and
    that the request is under the request root."""
    final = erasure.finality
    what = "erasure"
    check(final.chain and final.chain[0].epoch == final.epoch, f"{what}: the chain starts late")
    first = final.chain[0]
    check((first.previous, first.hash) == (final.hash_before, final.hash_after),
          f"{what}: the chain has other hashes")
    for row in final.chain:
        check(row.is_consistent(vault), f"{what}: a chain row has another hash")
    for before, row in zip(final.chain, final.chain[1:]):
        check((row.epoch, row.previous) == (before.epoch + 1, before.hash),
              f"{what}: the chain is broken")
    check(final.members.hash == final.chain[-1].members, f"{what}: other members")
    rows = {row.epoch: row for row in final.chain}
    for ack in final.acknowledgements:
        check(ack.is_signed(vault), f"{what}: a signature does not verify")
        row = rows.get(ack.epoch)
        check(row is not None and (ack.previous, ack.hash, ack.members) ==
              (row.previous, row.hash, row.members), f"{what}: an acknowledgement is off the chain")
    signers = {(ack.keeper, ack.public_key) for ack in final.acknowledgements}
    active = {(m.keeper, m.public_key) for m in final.members.list if m.status == ACTIVE_MEMBER}
    check(active <= signers, f"{what}: a member did not acknowledge")
    digest = request_digest(identity, erasure.blind, erasure.addresses)
    root = root_of_proof(merkle_leaf(digest), final.request_index, final.request_count, final.proof)
    check(root == first.request_root, f"{what}: not under the request root")


def digest_in_log(identity, erasure, vault):
    """What the log's entry binds: everything in the row but the log record (vault/receipt.hpp)."""
    return sha256(b"obl/leaf/1", vault, identity, erasure.body)[:16]
