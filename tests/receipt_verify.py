#!/usr/bin/env python3
"""Verifies the receipt of an erasure, offline, from the written formats alone.

Shares no code with the product; Python's standard library only. The formats are those of
vault/receipt.hpp, vault/erasure_rows.hpp, vault/keys/records.hpp and vault/audit/*.hpp.

    receipt_verify.py FILE [--keys receipt-keys.json] [--external-id ID]

Ends with 0 and "verified", or with 1 and the first check that failed.
"""

import argparse
import base64
import calendar
import hashlib
import json
import re
import struct
import sys
import time

EPOCH = 1577836800  # 2020-01-01T00:00:00Z
SCOPES = {"subject": 1, "field": 2, "category": 3, "region": 9, "recipient": 10, "bank": 11,
          "tenant": 12}
SYSTEM, PEOPLE, REGION = 0, 1, 5  # classes of addresses
GROUNDS = {"other": 0, "unlawful": 1, "no_consent": 2, "breach": 3, "no_longer_using": 4,
           "withdrawn": 5}
STATUS = {"joining": 1, "active": 2, "expelled": 3}
CELLS = {"S": "software overwrite in place: flash remnants possible",
         "B": "best effort: this file system does not overwrite in place, so remnants are likely"}
ERASE_FINAL = 11


class Failed(Exception):
    pass


def need(condition, check):
    if not condition:
        raise Failed(check)


# ---- Ed25519 (RFC 8032 5.1), verification only.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT % P
    if (x * x - x2) % P:
        return None
    return P - x if x & 1 != sign else x


BY = 4 * pow(5, P - 2, P) % P
BX = recover_x(BY, 0)
BASE = (BX, BY, 1, BX * BY % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decode_point(data):
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    x = recover_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


def signed_by(public_key, message, signature):
    if len(public_key) != 32 or len(signature) != 64:
        return False
    a, r = decode_point(public_key), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little")
    left, right = multiply(s, BASE), add(r, multiply(h % L, a))
    return ((left[0] * right[2] - right[0] * left[2]) % P == 0 and
            (left[1] * right[2] - right[1] * left[2]) % P == 0)


# ---- Hashes and encodings.

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def blake2b(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def unhex(text, size):
    need(isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text), "form")
    return bytes.fromhex(text)


def seconds(text):
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), "form")
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - EPOCH


def root_from_path(leaf, index, size, path):
    """RFC 9162 2.1.3.2; None if the path does not fit the index."""
    if index >= size:
        return None
    node, last, rest = leaf, size - 1, list(path)
    while last:
        if not rest and (index & 1 or index != last):
            return None
        if index & 1:
            node = sha256(b"\1", rest.pop(0), node)
        elif index < last:
            node = sha256(b"\1", node, rest.pop(0))
        index, last = index >> 1, last >> 1
    return None if rest else node


def unique(pairs):
    need(len({name for name, _ in pairs}) == len(pairs), "form")
    return dict(pairs)


# ---- The parts of a receipt.

def members_hash(receipt):
    out = struct.pack("<H", len(receipt["keepers"]))
    names = []
    for keeper in receipt["keepers"]:
        need(keeper["cell"] == CELLS.get(keeper["class"]), "form")
        names.append(unhex(keeper["id"], 16))
        out += names[-1] + unhex(keeper["public_key"], 32) + keeper["class"].encode()
        out += struct.pack("<BQ", STATUS[keeper["status"]], keeper["last_epoch"])
    need(names == sorted(set(names)), "form")
    return out, blake2b(b"oblmemb\x01", out)


def acknowledged(vault, ack):
    return (b"oblack1\0" + vault + unhex(ack["keeper"], 16) + ack["class"].encode() + bytes(7)
            + struct.pack("<QQ", ack["term"], ack["epoch"])
            + b"".join(unhex(ack[name], 32) for name in ("prev_h", "h", "req_root", "members")))


def check_acknowledgements(receipt, vault):
    keepers = {keeper["id"]: keeper for keeper in receipt["keepers"]}
    rows = {(row["epoch"], row["h"]): row for row in receipt["chain"]}
    for ack in receipt["acknowledgements"]:
        keeper, row = keepers.get(ack["keeper"]), rows.get((ack["epoch"], ack["h"]))
        need(keeper and row, "signatures")
        need(all(ack[name] == keeper[name] for name in ("public_key", "class")), "signatures")
        need(all(ack[name] == row[name] for name in ("term", "prev_h", "members")), "signatures")
        need(signed_by(unhex(ack["public_key"], 32), acknowledged(vault, ack),
                       unhex(ack["signature"], 64)), "signatures")
    registered = {id_ for id_, keeper in keepers.items() if keeper["status"] != "expelled"}
    need(registered and registered <= {ack["keeper"] for ack in receipt["acknowledgements"]},
         "completeness")


def check_chain(receipt, vault, members):
    before, last = receipt["h_before"], None
    need(receipt["chain"] and receipt["chain"][0]["epoch"] == receipt["epoch"] and
         receipt["chain"][0]["h"] == receipt["h_after"], "chain")
    for row in receipt["chain"]:
        need(row["prev_h"] == before and (last is None or row["epoch"] > last), "chain")
        h = blake2b(b"oblplane", vault, struct.pack("<Q", row["epoch"]),
                    unhex(row["prev_h"], 32), unhex(row["root_hash"], 32),
                    unhex(row["members"], 32))
        need(h == unhex(row["h"], 32), "chain")
        before, last = row["h"], row["epoch"]
    need(unhex(receipt["chain"][-1]["members"], 32) == members, "chain")
    need(any(ack["epoch"] == last for ack in receipt["acknowledgements"]), "chain")


def fits(scope, addresses):
    """True if these are the keys of one whole scope, or, of a field, some below one person."""
    bits = [address[0] for address in addresses]
    # tenant 12 | class 6 | local 36 | below a person
    numbers = [int.from_bytes(address[1:], "big") >> 26 for address in addresses]
    classes = {number >> 36 & 63 for number in numbers}
    if scope == "subject" and bits[0] != 54:  # around a legal hold: slot 0 and what is not held
        slots = int.from_bytes(addresses[0][1:], "big") >> 20 & 63
        return (min(bits) > 54 and len(set(numbers)) == 1 and classes == {PEOPLE}
                and bits[0] <= 60 and slots == 0)
    if scope in ("field", "category"):
        return min(bits) > 54 and len(set(numbers)) == 1 and classes == {PEOPLE}
    if scope == "recipient":
        return min(bits) >= 18 and classes == {SYSTEM}
    wanted = {"subject": (54, PEOPLE), "region": (54, REGION), "bank": (30, PEOPLE),
              "tenant": (12, SYSTEM)}[scope]
    return bits == [wanted[0]] and (scope == "tenant" or classes == {wanted[1]})


def check_request(receipt):
    addresses = [unhex(address, 11) for address in receipt["addresses"]]
    # An address list is ordered by the left-aligned bytes, then by the number of bits.
    order = [(address[1:], address[0]) for address in addresses]
    need(order and order == sorted(set(order)), "request")
    need(fits(receipt["scope"], addresses), "request")
    root = receipt["chain"][0]["req_root"]
    need(any(ack["epoch"] == receipt["epoch"] and ack["req_root"] == root
             for ack in receipt["acknowledgements"]), "request")
    digest = sha256(unhex(receipt["request_id"], 16), unhex(receipt["r2"], 32),
                    struct.pack("<I", len(addresses)), *addresses)
    found = root_from_path(sha256(b"\0", digest), receipt["request_index"],
                           receipt["request_count"],
                           [unhex(node, 32) for node in receipt["request_proof"]])
    need(found == unhex(root, 32), "request")


def row_bytes(row, numbers, names):
    return (struct.pack(f"<{len(numbers)}Q", *(row[name] for name in numbers))
            + b"".join(unhex(row[name], 32) for name in names))


def body_of(receipt, member_list):
    """The bytes that the log's entry binds: the erasure's row without its log record."""
    held = {"partly_held": 1, "held": 2}[receipt["held"]] if "kept" in receipt else 0
    out = struct.pack("<BBBBHI", 1, SCOPES[receipt["scope"]], 2, held, GROUNDS[receipt["ground"]],
                      seconds(receipt["accepted_at"]))
    out += unhex(receipt["commitment"], 32) + unhex(receipt["r2"], 32)
    out += struct.pack("<I", len(receipt["addresses"]))
    out += b"".join(unhex(address, 11) for address in receipt["addresses"])
    if held:
        out += bytes([len(receipt["kept"])])
        for kept in receipt["kept"]:
            for text in (kept["category"].encode(), kept["code"].encode()):
                out += bytes([len(text)]) + text
            out += struct.pack("<I", seconds(kept["until"]))
    out += row_bytes(receipt, ["epoch"], ["h_before", "h_after"])
    out += struct.pack("<QQ", receipt["request_index"], receipt["request_count"])
    out += struct.pack("<I", len(receipt["request_proof"]))
    out += b"".join(unhex(node, 32) for node in receipt["request_proof"])
    out += struct.pack("<I", len(receipt["acknowledgements"]))
    for ack in receipt["acknowledgements"]:
        out += unhex(ack["keeper"], 16) + unhex(ack["public_key"], 32) + ack["class"].encode()
        out += row_bytes(ack, ["term", "epoch"], ["prev_h", "h", "req_root", "members"])
        out += unhex(ack["signature"], 64)
    out += struct.pack("<I", len(receipt["chain"]))
    for row in receipt["chain"]:
        out += row_bytes(row, ["epoch", "term"],
                         ["prev_h", "root_hash", "members", "req_root", "h"])
    return out + struct.pack("<I", len(member_list)) + member_list


def check_log_entry(receipt, vault, member_list):
    entry = unhex(receipt["audit_entry"], 52)
    request = unhex(receipt["request_id"], 16)
    minutes = struct.unpack_from("<I", entry, 4)[0]
    digest = sha256(b"obl/leaf/1", vault, request, body_of(receipt, member_list))[:16]
    expected = (struct.pack("<BBBBIHHHH", 1, ERASE_FINAL, 0, 0, minutes, 0, 0, 0, 0) + digest
                + struct.pack("<HH", 0, 0) + request)
    need(entry == expected, "log_entry")
    need(seconds(receipt["irrecoverable_after"]) == 60 * (minutes + 1), "log_entry")
    need(seconds(receipt["accepted_at"]) <= 60 * (minutes + 1), "log_entry")


def parse_vkey(text):
    name, key_id, key = text.split("+", 2)
    data = base64.b64decode(key, validate=True)
    need(len(data) == 33 and data[0] == 1, "form")
    need(sha256(name.encode(), b"\n", data)[:4].hex() == key_id, "form")
    need(base64.b64encode(data).decode() == key, "form")
    return name, data[1:]


def check_checkpoint(receipt, vault):
    """Size and root of the signed head; every line must be of a named key."""
    head, _, signatures = receipt["checkpoint"].partition("\n\n")
    origin, size, root = head.split("\n")
    name = "oubliette." + vault.hex()
    need(re.fullmatch(re.escape(name) + r"/g(0|[1-9]\d*)", origin), "checkpoint")
    need(re.fullmatch(r"0|[1-9]\d*", size), "checkpoint")
    need(base64.b64encode(base64.b64decode(root, validate=True)).decode() == root, "checkpoint")
    lines = signatures.split("\n")
    need(lines.pop() == "" and lines and len(lines) == len(receipt["log_keys"]), "checkpoint")
    for line, vkey in zip(lines, receipt["log_keys"]):
        signer, key = parse_vkey(vkey)
        found = re.fullmatch("\u2014 (\\S+) (\\S+)", line)
        need(found and signer == name and found.group(1) == name, "checkpoint")
        data = base64.b64decode(found.group(2), validate=True)
        need(base64.b64encode(data).decode() == found.group(2), "checkpoint")
        need(data[:4] == sha256(name.encode(), b"\n\1", key)[:4], "checkpoint")
        need(signed_by(key, (head + "\n").encode(), data[4:]), "checkpoint")
    return int(size), base64.b64decode(root)


def notes_of(receipt):
    notes = []
    if sum(keeper["status"] != "expelled" for keeper in receipt["keepers"]) == 1:
        notes.append("only one keeper was registered")
    signers = {ack["keeper"] for ack in receipt["acknowledgements"]}
    for keeper in receipt["keepers"]:
        if keeper["status"] == "expelled" and keeper["id"] not in signers:
            notes.append(f"keeper {keeper['id']} was expelled and did not acknowledge: whoever "
                         "has it and its seal may have keys of before")
    for kept in receipt.get("kept", ()):
        notes.append(f"kept: {kept['category']}, {kept['code']}, until {kept['until']} at the "
                     "latest or until it is extended")
    return notes


def check_pins(receipt, keys):
    need(keys["vault"] == receipt["vault"], "pinned_keepers")
    pinned = {keeper["id"]: keeper["public_key"] for keeper in keys["keepers"]}
    for keeper in receipt["keepers"]:
        known = pinned.get(keeper["id"])
        need(known == keeper["public_key"] or known is None and keeper["status"] == "expelled",
             "pinned_keepers")
    need(set(keys["log"]) & set(receipt["log_keys"]), "pinned_log")


NAMES = {"format", "vault", "request_id", "scope", "ground", "accepted_at", "commitment", "r2",
         "addresses", "epoch", "h_before", "h_after", "request_index", "request_count",
         "request_proof", "keepers", "acknowledgements", "chain", "audit_index", "audit_entry",
         "inclusion_proof", "checkpoint", "log_keys", "irrecoverable_after", "notes"}


def check_frame(frame, receipt):
    """What stands around the receipt in an answer of the vault."""
    need(frame["id"] == "er_" + receipt["request_id"] and frame["state"] in {
        "final", receipt.get("held")}, "form")
    need(all(frame[name] == receipt[name] for name in ("scope", "ground", "accepted_at")), "form")


def verify(text, keys=None, external_id=None):
    """Returns when every check passed; raises Failed with the name of the first that did not."""
    frame = json.loads(text, object_pairs_hook=unique)
    receipt = frame if "request_id" in frame else frame["receipt"]
    if receipt is not frame:
        check_frame(frame, receipt)
    need(set(receipt) - {"held", "kept"} == NAMES and receipt["format"] == 1, "form")
    need(receipt["notes"] == notes_of(receipt), "form")
    vault = unhex(receipt["vault"], 16)
    member_list, members = members_hash(receipt)
    check_acknowledgements(receipt, vault)
    check_chain(receipt, vault, members)
    check_request(receipt)
    check_log_entry(receipt, vault, member_list)
    size, root = check_checkpoint(receipt, vault)
    leaf = sha256(b"\0", unhex(receipt["audit_entry"], 52))
    path = [unhex(node, 32) for node in receipt["inclusion_proof"]]
    need(root_from_path(leaf, receipt["audit_index"], size, path) == root, "log_inclusion")
    if keys is not None:
        check_pins(receipt, keys)
    if external_id is not None:
        opening = unhex(frame.get("r"), 32)
        need(sha256(b"obl/rcpt/1", opening, external_id.encode()) ==
             unhex(receipt["commitment"], 32), "commitment")


def flaw_of(text, keys=None, external_id=None):
    """The name of the check that fails, or None."""
    try:
        verify(text, keys, external_id)
    except Failed as failed:
        return str(failed)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, struct.error):
        return "form"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--keys")
    parser.add_argument("--external-id")
    arguments = parser.parse_args()
    keys = None
    if arguments.keys:
        with open(arguments.keys, encoding="utf-8") as file:
            keys = json.load(file)
    with open(arguments.file, encoding="utf-8") as file:
        flaw = flaw_of(file.read(), keys, arguments.external_id)
    print("verified" if flaw is None else f"failed: {flaw}")
    sys.exit(0 if flaw is None else 1)


if __name__ == "__main__":
    main()
