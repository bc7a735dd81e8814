"""The audit log (entry.hpp, audit_log.hpp, tiles.hpp, checkpoint.hpp of vault/audit): entries, the
root over all of them, tiles of the tree, signed heads."""

import base64
import hashlib
import struct
from typing import NamedTuple

from .primitives import Frontier, is_signed, merkle_leaf, merkle_node, public_key_of, subkey
from .reading import Reader, check

ENTRY = 52
ACTIONS = {
    1: "put", 2: "tokenize", 3: "detokenize", 4: "read", 5: "search", 6: "match",
    7: "delete_field", 8: "consent_grant", 9: "consent_withdraw", 10: "erase_accepted",
    11: "erase_final", 12: "policy_publish", 13: "policy_refused", 14: "client_enrol",
    15: "client_revoke", 16: "start", 17: "rollback_accepted", 18: "backup", 19: "decide",
    20: "superseded", 21: "vault_created", 22: "consent_list", 23: "keeper_enrol",
    24: "keeper_expel", 25: "bank_open", 26: "scrub", 27: "retention_end", 28: "cut_off",
    29: "log_origin", 30: "log_key_rotation", 31: "order_open", 32: "order_approve",
    33: "order_close", 34: "order_notice", 35: "hold_place", 36: "hold_approve",
    37: "hold_release", 38: "hold_lapse", 39: "erasure_resumed", 43: "request_open",
    44: "request_verify", 45: "request_accept", 46: "request_refuse", 47: "request_execute",
    48: "disclosure_list", 49: "request_close", 50: "request_package", 51: "account_close",
    52: "account_reopen", 53: "campaign_end", 54: "suppression", 55: "recall", 56: "recall_ack",
    57: "recipient_suspend", 58: "recipient_resume", 59: "assessment_record",
    60: "assessment_approve", 61: "export_alarm", 62: "replay", 67: "token_inspect",
    68: "poison_plant", 69: "poison_opened"}
TILE_WIDTH = 256


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
    recipient: int
    object: bytes


def decode_entry(data):
    reader = Reader(data, "audit entry")
    check(reader.u8() == 1, "audit entry: format of the future")
    action = reader.u8()
    check(action in ACTIONS, f"audit entry: unknown action {action}")
    head = (ACTIONS[action], reader.u8(), reader.u8(), reader.u32(), *(reader.u16()
                                                                       for _ in range(4)))
    entry = Entry(*head, reader.take(16), reader.u16(), reader.u16(), reader.take(16))
    reader.end()
    return entry


class Log:
    """All segments, hashed again. `roots` maps the size after each segment to its root."""

    def __init__(self, segments, meta):
        self.encoded, self.leaves, self.roots = [], [], {0: Frontier().root()}
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
                self.leaves.append(merkle_leaf(encoded))
                frontier.add(self.leaves[-1])
                self.encoded.append(encoded)
            check(frontier.root() == root, f"{what}: another root")
            self.roots[frontier.size] = root
        self.entries = [decode_entry(encoded) for encoded in self.encoded]
        self.size, self.root = frontier.size, frontier.root()
        standing = struct.pack("<Q", frontier.size) + b"".join(frontier.peaks)
        check(meta == standing, "meta row log: the log is longer, shorter or another one")

    def check_tile(self, key, row):
        """A stored tile is full, and made of the hashes that its entries make."""
        reader = Reader(key, "tiles: key")
        level, number = reader.u8(), reader.be64()
        reader.end()
        what = f"tile {number} of level {level}"
        span = TILE_WIDTH ** level  # entries below one hash
        check((number + 1) * TILE_WIDTH * span <= self.size, f"{what}: stored before it was full")
        first = number * TILE_WIDTH * span
        hashes = [_subtree(self.leaves[at:at + span])
                  for at in range(first, first + TILE_WIDTH * span, span)]
        check(row == _subtree(hashes) + b"".join(hashes), f"{what}: other hashes")


def _subtree(nodes):
    """The root of a complete tree over 2^n nodes."""
    while len(nodes) > 1:
        nodes = [merkle_node(left, right) for left, right in zip(nodes[::2], nodes[1::2])]
    return nodes[0]


def log_key(leaf):
    """The public key of the seed in a leaf of kind audit_sign."""
    return public_key_of(subkey(leaf, "oblsys_1", 3))


def open_checkpoint(note, vault, public_key):
    """(generation, size, root) of a head that this key signed."""
    body, _, lines = note.partition("\n\n")
    origin, size, root = body.split("\n")
    name = f"oubliette.{vault.hex()}"
    check(origin.startswith(f"{name}/g"), "a checkpoint of another log")
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]
    signatures = [base64.b64decode(line.removeprefix(f"\u2014 {name} "))
                  for line in lines.splitlines() if line.startswith(f"\u2014 {name} ")]
    ours = [signature[4:] for signature in signatures if signature[:4] == key_id]
    check(len(ours) == 1 and is_signed(public_key, body.encode() + b"\n", ours[0]),
          "a checkpoint that the log's key did not sign")
    return int(origin[len(name) + 2:]), int(size), base64.b64decode(root)
