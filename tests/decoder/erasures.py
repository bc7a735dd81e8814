"""Erasure and queue rows (vault/erasure_rows.hpp), and what proves that an erasure is final."""

import struct
from typing import NamedTuple, Optional

from . import address
from .keeper import ChainRow, Request, request_digest
from .primitives import is_signed, merkle_leaf, root_of_proof
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


class Erasure(NamedTuple):
    scope: str
    state: int
    ground: int
    accepted: int
    finished: int
    commitment: bytes
    blind: bytes
    audit_index: int
    finality: Optional[Finality]


class Queued(NamedTuple):
    request: Request
    due: int


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
    head = (SCOPES[scope], state, reader.u16(), reader.u32(), reader.u32(), reader.take(32),
            reader.take(32), reader.u64())
    finality = _decode_finality(reader) if state == FINAL else None
    reader.end()
    return Erasure(*head, finality)


def _decode_finality(reader):
    head = (reader.u64(), reader.take(32), reader.take(32), reader.u64(), reader.u64())
    proof = [reader.take(32) for _ in range(reader.u32())]
    acknowledgements = [
        Acknowledgement(reader.take(16), reader.take(32), reader.take(1), reader.u64(),
                        reader.u64(), *(reader.take(32) for _ in range(4)), reader.take(64))
        for _ in range(reader.u32())]
    chain = [ChainRow.read(reader.u64(), reader) for _ in range(reader.u32())]
    return Finality(*head, proof, acknowledgements, chain)


def decode_queued(identity, row):
    reader = Reader(row, "queue")
    check(reader.u8() == 1, "queue: format of the future")
    scope = reader.u8()
    check(scope in SCOPES, "queue: unknown scope")
    ground, due, commitment, blind = reader.u16(), reader.u32(), reader.take(32), reader.take(32)
    addresses = address.decode_list(reader, "queue")
    reader.end()
    return Queued(Request(identity, scope, ground, commitment, blind, addresses), due)


def verify(identity, erasure, vault, members, addresses_of):
    """Checks an erasure that is final: chain, signatures of all members, and that the request is
    under the request root. `addresses_of` offers lists of dead addresses that may be the request's:
    the vault itself does not keep them."""
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
    rows = {row.epoch: row for row in final.chain}
    for ack in final.acknowledgements:
        check(ack.is_signed(vault), f"{what}: a signature does not verify")
        row = rows.get(ack.epoch)
        check(row is not None and (ack.previous, ack.hash, ack.members) ==
              (row.previous, row.hash, row.members), f"{what}: an acknowledgement is off the chain")
    signers = {(ack.keeper, ack.public_key) for ack in final.acknowledgements}
    check(signers == members, f"{what}: a member did not acknowledge")
    for addresses in addresses_of(erasure.scope):
        digest = request_digest(identity, erasure.blind, addresses)
        root = root_of_proof(merkle_leaf(digest), final.request_index, final.request_count,
                             final.proof)
        if root == first.request_root:
            return addresses
    check(False, f"{what}: nothing dead is what the request root says")
