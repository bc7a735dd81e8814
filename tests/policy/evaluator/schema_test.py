#!/usr/bin/env python3
"""The published JSON Schema and the vault's reader take and refuse the same documents.

Usage: schema_test.py GATE_ANSWERS. Random changes of the example policy; OUBLIETTE_DOCUMENTS says
how many (default 1500), OUBLIETTE_SEED repeats a run. Needs python3-jsonschema.
"""

import copy
import json
import os
import pathlib
import random
import sys

import jsonschema

from evaluator_test import EXAMPLE, Gate

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "api/policy.schema.json"
VALUES = [None, True, False, 0, 1, 3, -1, 65_536, 2_000_000_000, 0.5, 1.5, "", "policy", "plain",
          "*", "CN", "cn", "P1Y", "P", "PT", "P1X", "P2W3D", "2030-03-31", "2030-13-01",
          "2022-08-10T00:00:00Z", "password", "a b", "-a", "x" * 65, "x" * 64, "last:4", "last:65",
          "first:0", "email.domain", "per_tenant", [], ["policy"], ["policy", "policy"], ["a b"],
          [1], {}, {"kind": "plain"}, {"kind": "mask"}, {"a b": {}}, {"mobile": "plain"}]


def places(node, path=()):
    """All paths into a document."""
    yield path
    members = node.items() if isinstance(node, dict) else (
        enumerate(node) if isinstance(node, list) else ())
    for key, child in members:
        yield from places(child, (*path, key))


def changed(choose, example):
    document = copy.deepcopy(example)
    for _ in range(choose.choice([1, 1, 1, 2])):
        path = choose.choice([path for path in places(document) if path])
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        kind = choose.randrange(4)
        if kind == 0:
            del parent[path[-1]]
        elif kind == 1 and isinstance(parent, dict):
            parent[choose.choice(["extra", "x" * 65, "guardian", "keep", "bits", "since"])] = (
                choose.choice(VALUES))
        else:
            parent[path[-1]] = choose.choice(VALUES)
    return document


def is_beyond_a_schema(document):
    """What JSON Schema cannot say: a version above the one it supersedes."""
    head = document.get("policy")
    if not isinstance(head, dict):
        return False
    version, before = head.get("version"), head.get("supersedes", 0)
    return (isinstance(version, int) and isinstance(before, int) and before >= version)


def main():
    count = int(os.environ.get("OUBLIETTE_DOCUMENTS", "1500"))
    seed = int(os.environ.get("OUBLIETTE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}, {count} documents", flush=True)
    choose = random.Random(seed)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    example = json.loads(EXAMPLE.read_text())
    assert validator.is_valid(example), "the example does not fit its own schema"
    documents = [changed(choose, example) for _ in range(count)]
    documents = [document for document in documents if not is_beyond_a_schema(document)]
    gate = Gate(sys.argv[1])
    taken = []
    for document in documents:
        taken += gate.ask([{"reads": json.dumps(document)}])
    gate.close()
    wrong = 0
    for document, answer in zip(documents, taken):
        if validator.is_valid(document) != (answer == "ok"):
            wrong += 1
            if wrong <= 5:
                errors = [error.json_path + ": " + error.message[:120]
                          for error in validator.iter_errors(document)]
                print("reader:", answer, "schema:", errors, describe(example, document))
    accepted = taken.count("ok")
    print(f"{wrong} disagreements; {accepted} of {len(taken)} taken")
    assert len(taken) // 20 < accepted < len(taken) * 19 // 20, "one-sided: proves nothing"
    return 1 if wrong else 0


def describe(example, document):
    """The places in which a document differs from the example."""
    before = {path: json.dumps(at(example, path)) for path in places(example)}
    return [(path, json.dumps(at(document, path))[:60]) for path in places(document)
            if json.dumps(at(document, path)) != before.get(path)][-2:]


def at(node, path):
    for key in path:
        node = node[key]
    return node


if __name__ == "__main__":
    sys.exit(main())
