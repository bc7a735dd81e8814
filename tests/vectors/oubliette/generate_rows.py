#!/usr/bin/env python3
"""Known answers of the data plane's formats, from an implementation that shares no code with vault/.

Written from the grammars in the headers of vault/ and from the primitives of generate.py beside
it. rows.json is frozen: it stands for bytes on disk and in backups. Run with --check to compare it
with what this program computes, and with --write only for a format version that is not in use yet.
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys

from generate import box, ggm_descend, kdf, pattern, siv

HERE = pathlib.Path(__file__).parent
TENANT = 1
TYPES = {
    "value": 1, "index_truth": 2, "person_row": 3, "hot_row": 4, "marker": 5, "client": 10,
    "external_id": 11, "audit_counter": 12, "told": 0x26, "given_token": 46, "given_handle": 47,
}


def keyed(key, message, size=32):
    return hashlib.blake2b(message, key=key, digest_size=size).digest()


def prefix(tenant, local):
    return struct.pack(">HH", local >> 20, tenant) + local.to_bytes(5, "big")


def row_key(tenant, local, kind, field=0, item=0):
    key = prefix(tenant, local) + bytes([kind])
    if kind in (0x10, 0x11):
        return key + struct.pack(">HI", field, item)
    return key + (struct.pack(">I", 0) if kind == 0x12 else b"")


def header(form=1, schema=0, retention=0, day=0, region=0, generation=0):
    return struct.pack("<BBHHHHH", form, 1, schema, retention, day, region, generation)


def data(kind, tenant, local, field, item, head):
    number = TYPES[kind] if isinstance(kind, str) else kind
    out = b"obl1" + bytes([number, 0]) + struct.pack("<HQHI", tenant, local, field, item) + head
    assert len(out) == 34
    return out


def padded(size):
    if size <= 256:
        return -(-size // 16) * 16
    exponent = size.bit_length() - 1
    low = exponent - exponent.bit_length()
    return ((size + (1 << low) - 1) >> low) << low


def pad(plaintext):
    return plaintext + bytes(padded(len(plaintext)) - len(plaintext))


def value_plaintext(kind, collected, text):
    return pad(struct.pack("<BII", kind, collected, len(text)) + text)


def item_key(person, item):
    """KEYS 4.2: the four areas of items below a person's seed."""
    if item < 47:
        return ggm_descend(person, 1 + item, 6)
    if item < 687:
        return ggm_descend(person, 48 * 64 + item - 47, 12)
    if item < 12975:
        return ggm_descend(person, 60 * 64**2 + item - 687, 18)
    return ggm_descend(person, 63 * 64**3 + item - 12975, 24)


def sealed(key, kind, tenant, local, field, item, head, plaintext, seed):
    return box(key, 16, pattern(16, seed), plaintext, data(kind, tenant, local, field, item, head))


# ---- groups ------------------------------------------------------------------------------------


def key_cases():
    for local in (0, 1, 0xFFFFF, 0x100000, 0x123456789, 2**36 - 2):
        for tenant in (1, 0x7AB):
            yield {
                "tenant": tenant, "local": str(local), "prefix": prefix(tenant, local).hex(),
                "person": row_key(tenant, local, 1).hex(), "hot": row_key(tenant, local, 2).hex(),
                "audit_counter": row_key(tenant, local, 3).hex(),
                "external_id": row_key(tenant, local, 0x12).hex(), "field": 0x0102,
                "item": 0x01020304,
                "value": row_key(tenant, local, 0x10, 0x0102, 0x01020304).hex(),
                "marker": row_key(tenant, local, 0x11, 0x0102, 0x01020304).hex(),
            }


def header_cases():
    for f, s, c, d, r, g in ((1, 0, 0, 0, 0, 0), (1, 7, 3, 0xFFFF, 2, 1),
                             (2, 0xFFFE, 0x1234, 0xFFFE, 0xABCD, 0xFFFF)):
        yield {
            "format": f, "schema": s, "retention_class": c, "day": d, "region": r,
            "generation": g, "header": header(f, s, c, d, r, g).hex(),
        }


def associated_data_cases():
    for number in list(range(1, 13)):
        head = header(1, number, 5, 100 + number, 2, number)
        local, field, item = 0x0FEDCBA98 + number, 0x0101 * number, 0x01010101 * number
        yield {
            "type": number, "tenant": 0x0203, "local": str(local), "field": field, "item": item,
            "header": head.hex(), "data": data(number, 0x0203, local, field, item, head).hex(),
        }


def value_plaintext_cases():
    for size in (0, 1, 7, 8, 100, 247, 248, 300, 1000, 4096, 60000):
        kind, text = 1 + size % 2, bytes(0x20 + b % 0x5F for b in pattern(size, size & 0xFF))
        plaintext = value_plaintext(kind, 0x0C0FFEE0 + size, text)
        yield {
            "kind": kind, "collected": 0x0C0FFEE0 + size, "size": size,
            "text": text.decode() if size <= 1000 else "", "text_seed": size & 0xFF,
            "plaintext_size": len(plaintext),
            "plaintext": plaintext.hex() if size <= 1000 else "",
            "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
        }


def record_plaintext_cases():
    yield {"record": "person_row", "next_item": 0x01020304, "skipped_from": 0x10, "skipped_to": 47,
           "plaintext": struct.pack("<III4x", 0x01020304, 0x10, 47).hex()}
    yield {"record": "person_row", "next_item": 1, "skipped_from": 0, "skipped_to": 0,
           "plaintext": struct.pack("<III4x", 1, 0, 0).hex()}
    numbers = (0x0102030405060708, 0x1112131415161718, 0x0203, 0x0405, 7, 1000001, 1000002,
               1000003, 1000004)
    yield {"record": "hot_row", "granted_low": str(numbers[0]), "granted_high": str(numbers[1]),
           "seen_version": numbers[2], "home_region": numbers[3], "flags": numbers[4],
           "earliest_expiry": numbers[5], "account_closed": numbers[6],
           "last_activity": numbers[7], "campaign_ended": numbers[8],
           "plaintext": struct.pack("<QQHHB3xIIII24x", *numbers).hex()}
    yield {"record": "marker", "slot": 5, "version": 3, "kind": 3, "told": 2, "granted": 2000001,
           "expires": 3000001, "evidence": pattern(32, 9).hex(),
           "plaintext": (struct.pack("<HHBBxxII", 5, 3, 3, 2, 2000001, 3000001)
                         + pattern(32, 9)).hex()}
    for size in (1, 14, 15, 16, 128):
        name = ("subject-" * 16)[:size]
        yield {"record": "external_id", "id": name,
               "plaintext": pad(bytes([size]) + name.encode()).hex()}
    yield {"record": "index_truth", "fingerprint": pattern(16, 4).hex(), "normaliser": 1, "kid": 2,
           "plaintext": (pattern(16, 4) + struct.pack("<HH", 1, 2)).hex()}


def row_cases():
    """Whole rows of one person, under keys derived from the person's seed."""
    person, local = pattern(32, 0x51), 0x10203
    fixed = ggm_descend(person, 0, 6)
    head = header(region=2, generation=1)
    for kind, subkey, plain in (
        ("person_row", 1, struct.pack("<III4x", 49, 10, 47)),
        ("hot_row", 2, struct.pack("<QQHHB3xIIII24x", 5, 0, 3, 2, 1, 9, 8, 7, 6)),
        ("audit_counter", 4, struct.pack("<Q", 128)),
        ("told", 0x26, struct.pack("<HHHH", 2, 9, 7, 1)),
    ):
        key = kdf(fixed, b"oblsubj1", subkey)
        yield {"type": TYPES[kind], "person_seed": person.hex(), "key_of": "fixed",
               "context": "subject", "subkey": subkey, "tenant": TENANT, "local": str(local),
               "field": 0, "item": 0, "plaintext": plain.hex(),
               "row": (head + sealed(key, kind, TENANT, local, 0, 0, head, plain, subkey)).hex()}
    for item in (3, 46, 47, 686, 687, 12974, 12975, 275118):
        head = header(schema=5, region=2, generation=1)
        plain = struct.pack("<HHBBxxII", 5, 3, 3, 2, 2000001, 0) + pattern(32, item & 0xFF)
        key = kdf(item_key(person, item), b"oblitem1", 1)
        yield {"type": TYPES["marker"], "person_seed": person.hex(), "key_of": "item",
               "context": "item", "subkey": 1, "tenant": TENANT, "local": str(local), "field": 5,
               "item": item, "plaintext": plain.hex(),
               "row": (head + sealed(key, "marker", TENANT, local, 5, item, head, plain,
                                     item & 0xFF)).hex()}
    head, plain = header(region=2), pad(bytes([5]) + b"ann-1")
    key = kdf(item_key(person, 0), b"oblitem1", 2)
    yield {"type": TYPES["external_id"], "person_seed": person.hex(), "key_of": "item",
           "context": "item", "subkey": 2, "tenant": TENANT, "local": str(local), "field": 0,
           "item": 0, "plaintext": plain.hex(),
           "row": (head + sealed(key, "external_id", TENANT, local, 0, 0, head, plain, 77)).hex()}


def value_row_cases():
    item, day, region = pattern(32, 1), pattern(32, 2), pattern(32, 3)
    local, field, number = 0x10203, 9, 4
    for case, has_truth in enumerate((False, True)):
        region_key = region if has_truth else bytes(32)
        key = keyed(item, b"obl/val/1" + day + region_key)
        head = header(2 if has_truth else 1, field, 3, 2500, 2 if has_truth else 0, 1)
        plain = value_plaintext(1, 1000, b"+49 151 0000000")
        row = head
        truth = pattern(16, 40) + struct.pack("<HH", 1, 0)
        if has_truth:
            row += sealed(kdf(key, b"oblidx_1", 0), "index_truth", TENANT, local, field, number,
                          head, truth, 60)
        salt = pattern(16, 70 + case)
        row += sealed(key, "value", TENANT, local, field, number, head, plain, 70 + case)
        yield {"item_key": item.hex(), "retention_key": day.hex(), "region_key": region_key.hex(),
               "value_key": key.hex(), "tenant": TENANT, "local": str(local), "field": field,
               "item": number, "header": head.hex(), "plaintext": plain.hex(),
               "index_truth": truth.hex() if has_truth else "", "salt": salt.hex(),
               "salt32": struct.unpack("<I", salt[:4])[0], "row": row.hex()}


def token_cases():
    for kind, nonce in ((1, pattern(8, 200)), (2, bytes(8))):
        leaf = pattern(32, 90 + kind)
        mac, encryption = kdf(leaf, b"obltok_1", 1), kdf(leaf, b"obltok_1", 2)
        local, field, salt32, recipient, kid, expiry = 0xABCDEF012, 258, 0xDEADBEEF, 7, 3, 123456
        payload = local.to_bytes(5, "little") + struct.pack(
            "<HIHBHI", field, salt32, recipient, kind, 0, expiry) + nonce
        ad = b"obltok1\0" + struct.pack("<HHH", TENANT, recipient, kid)
        raw = struct.pack("<H", kid) + siv(mac, encryption, ad, payload)
        text = "obl1." + base64.urlsafe_b64encode(raw).decode()
        assert len(payload) == 28 and len(raw) == 54 and len(text) == 77
        yield {"leaf": leaf.hex(), "mac": mac.hex(), "encryption": encryption.hex(),
               "tenant": TENANT, "local": str(local), "field": field, "salt32": salt32,
               "recipient": recipient, "kid": kid, "kind": kind, "expiry": expiry,
               "nonce": nonce.hex(), "payload": payload.hex(), "token": text}


def table_token_cases():
    """A row of each kind, used, poison, with several members, and counts."""
    cases = ((3, 0, "9990001112223334", [(41, 0)]), (4, 0, "obt1." + "A" * 40, [(41, 77)]),
             (4, 1, "obt1." + "B" * 40, []), (5, 0, "obt1." + "C" * 40, [(2**36 - 2, 0)]),
             (6, 0, "obt1." + "D" * 40, [(1, 2), (3, 4), (5, 6)]), (3, 2, "+999123456789012", []),
             (3, 3, "q@t.invalid", []))
    for n, (kind, state, text, members) in enumerate(cases):
        leaf, handle_leaf = pattern(32, 20 + n), pattern(32, 40 + n)
        recipient, kid, generation, field, expiry, handle = 7 + n, n, 3 * n, 258, 99 * n, 0x500 + n
        find = keyed(kdf(leaf, b"obltok_1", 1), text.encode(), 16)
        head = struct.pack("<BBH", 2 if kind == 5 else 1, 1, generation)
        key = kdf(leaf, b"obltok_1", 2)
        if kind == 5:
            head += struct.pack("<Q", handle)
            key = kdf(handle_leaf, b"obltok_1", 3)
        plaintext = struct.pack("<BBHIHH", kind, state, field, expiry, len(members), 0)
        for local, salt32 in members:
            plaintext += struct.pack("<QI", local, salt32)
        ad = b"obl1" + bytes([8 if kind == 5 else 7, 0]) + struct.pack(
            "<HHH", TENANT, recipient, kid) + find + head
        place = struct.pack(">HHH", TENANT, recipient, kid)
        bits = f"{int.from_bytes(find, 'big'):0128b}"
        count_key = bytes([2]) + place + pattern(8, n) + struct.pack(">H", generation)
        count = box(kdf(leaf, b"obltok_1", 2), 16, pattern(16, 60 + n), struct.pack("<Q", 1000 + n),
                    b"obl1" + bytes([0x30, 0]) + count_key)
        yield {"leaf": leaf.hex(), "handle_leaf": handle_leaf.hex(), "text": text,
               "find": find.hex(), "class": min(12, len(bits) - len(bits.lstrip("1"))),
               "tenant": TENANT, "recipient": recipient, "kid": kid, "generation": generation,
               "handle": handle if kind == 5 else -1, "kind": kind, "state": state, "field": field,
               "expiry": expiry, "members": [list(member) for member in members],
               "key": (bytes([1]) + place + find).hex(),
               "row": (head + box(key, 16, pattern(16, 80 + n), plaintext, ad)).hex(),
               "shape": pattern(8, n).hex(), "count": 1000 + n, "count_key": count_key.hex(),
               "count_row": count.hex()}


def given_cases():
    for item, text, n in ((0, "+999123456789012", 1), (9, "9" * 13, 2), (500, "x" * 128, 3)):
        key, field, recipient, kind, kid, local = pattern(32, 30 + n), 258, 7 + n, 3, n, 0x100041
        context, number = (b"oblsubj1", 16) if item == 0 else (b"oblitem1", 16)
        plaintext = struct.pack("<HB", kid, len(text)) + text.encode()
        plaintext += bytes(-len(plaintext) % 16)
        head = header(schema=recipient, retention=kind, region=2, generation=n)
        handle_head, handle = header(region=2, generation=n), 0x777 + n
        yield {"seed": key.hex(), "tenant": TENANT, "local": str(local), "field": field,
               "item": item, "recipient": recipient, "kind": kind, "kid": kid, "text": text,
               "key": (prefix(TENANT, local) + bytes([0x2C]) + struct.pack(
                   ">HIHB", field, item, recipient, kind)).hex(),
               "row": (head + sealed(kdf(key, context, number), "given_token", TENANT, local, field,
                                     item, head, plaintext, 70 + n)).hex(),
               "n": n, "handle": handle,
               "handle_key": (prefix(TENANT, local) + bytes([0x2D]) + struct.pack(">I", n)).hex(),
               "handle_row": (handle_head + sealed(
                   kdf(key, b"oblsubj1", 5), "given_handle", TENANT, local, 0, n, handle_head,
                   struct.pack("<Q", handle), 75 + n)).hex()}


def entry_bytes(action, result, transform, minutes, actor, purpose, version, field, pseudonym,
                failed, request, recipient=0):
    out = struct.pack("<BBBBIHHHH", 1, action, result, transform, minutes, actor, purpose, version,
                      field) + pseudonym + struct.pack("<HH", failed, recipient) + request
    assert len(out) == 52
    return out


def merkle_leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def merkle_root(leaves):
    """RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def entry_cases():
    fixed = ggm_descend(pattern(32, 0x51), 0, 6)
    for n in (0, 1, 64, 2**40):
        pseudonym = keyed(kdf(fixed, b"oblaud_1", 0), struct.pack("<Q", n), 16)
        result = (0, 34, 1, 7)[n % 4]
        fields = (1 + n % 21, result, n % 9, 3600000 + n % 99, 2, 3, 4, 5)
        request = pattern(16, 5) if n % 2 else bytes(16)
        yield {"fixed_key": fixed.hex(), "n": str(n), "pseudonym": pseudonym.hex(),
               "action": fields[0], "result": result, "transform": fields[2],
               "minutes": fields[3], "actor": 2, "purpose": 3, "policy_version": 4, "field": 5,
               "failed_steps": 1 << 8 if result else 0, "recipient": 258 + n % 3,
               "object": request.hex(),
               "entry": entry_bytes(*fields, pseudonym, 1 << 8 if result else 0, request,
                                    258 + n % 3).hex()}


def log_cases():
    """Segments of 1, 2, 3 and 4 entries: what the tables hold after four commits."""
    entries = [entry_bytes(1 + i, i % 3, 0, 1000 + i, i, 0, 1, i, pattern(16, i), 0, bytes(16))
               for i in range(10)]
    leaves, segments, size = [merkle_leaf(e) for e in entries], [], 0
    for count in (1, 2, 3, 4):
        root = merkle_root(leaves[: size + count])
        segments.append({"key": struct.pack(">Q", size).hex(), "count": count,
                         "segment": (root + b"".join(entries[size : size + count])).hex()})
        size += count
    peaks = [merkle_root(leaves[:8]), merkle_root(leaves[8:10])]
    yield {"entries": [e.hex() for e in entries], "segments": segments,
           "log_row": (struct.pack("<Q", 10) + b"".join(peaks)).hex(),
           "empty_root": hashlib.sha256(b"").hexdigest()}


def erasure_cases():
    request, start = pattern(16, 33), struct.pack
    commitment, blind = pattern(32, 34), pattern(32, 35)
    person = bytes([54]) + ((TENANT << 42 | 1 << 36 | 0x10203) << (80 - 54)).to_bytes(10, "big")
    addresses = start("<I", 1) + person
    waiting = start("<BBBBHI", 1, 1, 1, 0, 5, 7000) + commitment + blind + addresses
    yield {"what": "effective", "id": request.hex(), "scope": 1, "ground": 5, "accepted": 7000,
           "commitment": commitment.hex(), "blind": blind.hex(), "local": 0x10203,
           "tenant": TENANT, "row": waiting.hex()}
    proof = [pattern(32, 50 + i) for i in range(3)]
    ack = (pattern(16, 60) + pattern(32, 61) + b"S" + start("<QQ", 4, 12) + pattern(32, 62)
           + pattern(32, 63) + pattern(32, 64) + pattern(32, 65) + pattern(64, 66))
    chain = (start("<QQ", 12, 4) + pattern(32, 70) + pattern(32, 71) + pattern(32, 72)
             + pattern(32, 73) + pattern(32, 74))
    finality = (start("<Q", 12) + pattern(32, 80) + pattern(32, 81) + start("<QQ", 1, 5)
                + start("<I", 3) + b"".join(proof) + start("<I", 1) + ack + start("<I", 1) + chain
                + start("<I", 5) + pattern(5, 75))
    body = start("<BBBBHI", 1, 2, 2, 0, 0, 7000) + commitment + blind + addresses + finality
    # The entry that binds the body, 2020-01-01 plus 118 minutes; then what signs the log's head.
    vault, checkpoint = pattern(16, 90), b"log\n7\nroot\n\nsignature\n"
    digest = hashlib.sha256(b"obl/leaf/1" + vault + request + body).digest()[:16]
    entry = entry_bytes(11, 0, 0, 118, 0, 0, 0, 0, digest, 0, request)
    for keys, note in (([], b""), ([pattern(32, 91), pattern(32, 92)], checkpoint)):
        log = (start("<Q", 6) + entry + start("<B", len(keys)) + b"".join(keys)
               + start("<H", len(note)) + note)
        yield {"what": "final", "id": request.hex(), "scope": 2, "ground": 0, "accepted": 7000,
               "commitment": commitment.hex(), "blind": blind.hex(), "local": 0x10203,
               "tenant": TENANT, "vault": vault.hex(), "irrecoverable_after": 119 * 60,
               "audit_index": 6, "audit_entry": entry.hex(), "checkpoint": note.decode(),
               "row": (body + log).hex()}


def queue_cases():
    # Paths: a person (54 bits), and an item below (60 bits): tenant 12 | class 6 | local 36 | slot.
    person = (TENANT << 42 | 1 << 36 | 0x10203) << (80 - 54)
    item = ((TENANT << 42 | 1 << 36 | 0x10203) << 6 | 4) << (80 - 60)
    paths = [bytes([54]) + person.to_bytes(10, "big"), bytes([60]) + item.to_bytes(10, "big")]
    row = (struct.pack("<BBHI", 1, 7, 3, 4242) + pattern(32, 1) + pattern(32, 2)
           + struct.pack("<I", 2) + b"".join(paths))
    leaf = pattern(32, 131)
    tag = keyed(kdf(leaf, b"oblsys_1", 7), b"obl/queue/1" + pattern(16, 33) + row)
    row += tag
    yield {"id": pattern(16, 33).hex(), "leaf": leaf.hex(), "tag": tag.hex(), "scope": 7, "ground": 3, "due": 4242,
           "commitment": pattern(32, 1).hex(), "blind": pattern(32, 2).hex(), "tenant": TENANT,
           "local": 0x10203, "item": 3, "row": row.hex()}


def fingerprint_cases():
    leaf = pattern(32, 120)
    for field, text in ((0, "ann-1"), (9, "+491510000000"), (65535, "")):
        key = kdf(leaf, b"oblidx_1", field)
        out = keyed(key, text.encode(), 16)
        yield {"leaf": leaf.hex(), "field": field, "normalised": text, "fingerprint": out.hex(),
               "index_key": str(struct.unpack("<Q", out[:8])[0])}


def verifier_cases():
    leaf, secret = pattern(32, 130), pattern(32, 131)
    yield {"leaf": leaf.hex(), "secret": secret.hex(),
           "verifier": keyed(kdf(leaf, b"oblsys_1", 2), secret).hex()}


def commitment_cases():
    for opening, name in ((pattern(32, 140), "ann-1"), (bytes(32), "x" * 128)):
        yield {"opening": opening.hex(), "external_id": name,
               "commitment": hashlib.sha256(b"obl/rcpt/1" + opening + name.encode()).hexdigest()}


GROUPS = {
    "keys": key_cases, "headers": header_cases, "associated_data": associated_data_cases,
    "value_plaintexts": value_plaintext_cases, "record_plaintexts": record_plaintext_cases,
    "rows": row_cases, "value_rows": value_row_cases, "tokens": token_cases,
    "audit_entries": entry_cases, "audit_logs": log_cases, "erasures": erasure_cases,
    "queue": queue_cases, "fingerprints": fingerprint_cases, "verifiers": verifier_cases,
    "commitments": commitment_cases, "table_tokens": table_token_cases,
    "given_tokens": given_cases,
}


def main():
    if sys.argv[1:] not in (["--check"], ["--write"]):
        sys.exit("usage: generate_rows.py --check | --write")
    content = {group: list(cases()) for group, cases in GROUPS.items()}
    text = json.dumps(content, indent=1) + "\n"
    file = HERE / "rows.json"
    if sys.argv[1] == "--write" and not file.exists():
        file.write_text(text)
    if file.read_text() != text:
        sys.exit("rows.json differs")
    print("rows.json", {group: len(cases) for group, cases in content.items()})


if __name__ == "__main__":
    main()
