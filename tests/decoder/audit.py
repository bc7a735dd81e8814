"""The audit log (vault/audit/entry.hpp, audit_log.hpp): entries, and the root over all of them."""

import struct
from typing import NamedTuple

from .primitives import Frontier, merkle_leaf
from .reading import Reader, check

ENTRY = 52
ACTIONS = {
    1: "put", 2: "tokenize", 3: "detokenize", 4: "read", 5: "search", 6: "match",
    7: "delete_field", 8: "consent_grant", 9: "consent_withdraw", 10: "erase_accepted",
    11: "erase_final", 12: "policy_publish", 13: "policy_refused", 14: "client_enrol",
    15: "client_revoke", 16: "start", 17: "rollback_accepted", 18: "backup", 19: "decide",
    20: "superseded", 21: "vault_created", 22: "consent_list"}


class Entry(NamedTuple):
    action: str
    result: int
    transform: int
    minutes: int
    actor: int
    purpose: int
    policy_version: int
    field: int
    pseudonym: bytes
    failed_steps: int
    object: bytes


def decode_entry(data):
    reader = Reader(data, "audit entry")
    check(reader.u8() == 1, "audit entry: format of the future")
    action = reader.u8()
    check(action in ACTIONS, f"audit entry: unknown action {action}")
    head = (ACTIONS[action], reader.u8(), reader.u8(), reader.u32(), *(reader.u16()
                                                                       for _ in range(4)))
    entry = Entry(*head, reader.take(16), reader.u16(), reader.zeros(2) or reader.take(16))
    reader.end()
    return entry


class Log:
    """All segments, hashed again. `roots` maps the size after each segment to its root."""

    def __init__(self, segments, meta):
        self.entries, self.roots = [], {0: Frontier().root()}
        frontier = Frontier()
        for key in sorted(segments):
            first, = struct.unpack(">Q", key)
            what = f"audit segment {first}"
            check(first == frontier.size, f"{what}: entries before it are missing")
            reader = Reader(segments[key], what)
            root = reader.take(32)
            count, odd = divmod(len(segments[key]) - 32, ENTRY)
            check(count > 0 and not odd, f"{what}: cut off")
            for _ in range(count):
                encoded = reader.take(ENTRY)
                frontier.add(merkle_leaf(encoded))
                self.entries.append(decode_entry(encoded))
            check(frontier.root() == root, f"{what}: another root")
            self.roots[frontier.size] = root
        self.size, self.root = frontier.size, frontier.root()
        standing = struct.pack("<Q", frontier.size) + b"".join(frontier.peaks)
        check(meta == standing, "meta row log: the log is longer, shorter or another one")
