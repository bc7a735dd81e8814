#!/usr/bin/env python3
"""The gate against an evaluator in another language, over random (policy, person, request) triples.

Usage: evaluator_test.py GATE_ANSWERS. OUBLIETTE_TRIPLES says how many (default 40000), and
OUBLIETTE_SEED repeats a run.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys

import model
import random_cases

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "vault/policy/example_policy.json"
PER_POLICY = 1_000
CODES = ("PURPOSE_UNKNOWN", "PURPOSE_NOT_ALLOWED", "RECIPIENT_SUSPENDED", "AGREEMENT_EXPIRED",
         "FIELD_NOT_NECESSARY", "ASSESSMENT_BLOCKED", "PAUSED", "RESTRICTED",
         "CROSS_BORDER_BLOCKED", "CROSS_BORDER_NO_CONSENT", "CONSENT_STALE", "CONSENT_MISSING",
         "CONSENT_EXPIRED", "ORDER_REQUIRED", "RETENTION_ENDED", "LINKAGE", "plain", "last4",
         "city", "exists", "pseudo")


class Gate:
    """The product's gate, a line at a time; questions go in batches."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, encoding="utf-8")

    def ask(self, lines):
        # In parts that fit the pipes of both directions.
        answers = []
        for start in range(0, len(lines), 40):
            part = lines[start:start + 40]
            self.process.stdin.write("".join(json.dumps(line) + "\n" for line in part))
            self.process.stdin.flush()
            answers += [self.process.stdout.readline().rstrip("\n") for _ in part]
        return answers

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, "gate_answers failed"


class BrokenModel(model.Model):
    """The positive control: objection forgotten, one of the steps a reader may overlook."""

    def consent_failures(self, recipient, name, purpose, person, now):
        return super().consent_failures(recipient, name, {**purpose, "objection": False}, person,
                                        now)


def compare(gate, choose, count, evaluator, answers_seen=None):
    """The disagreements among `count` triples."""
    example = json.loads(EXAMPLE.read_text())
    disagreements = []
    for start in range(0, count, PER_POLICY):
        policy = example if start == 0 else random_cases.random_policy(choose, example)
        policy = {**policy, "policy": {**policy["policy"], "version": 5}}
        assert gate.ask([{"policy": json.dumps(policy)}]) == ["ok"]
        slots = random_cases.slots_of(policy)
        questions = [random_cases.random_question(choose, policy, slots)
                     for _ in range(min(PER_POLICY, count - start))]
        reader = evaluator(policy)
        for question, found in zip(questions, gate.ask(questions)):
            expected = reader.answer(question)
            if answers_seen is not None:
                answers_seen[found.split()[0]] += 1
            if expected != found:
                disagreements.append((policy, question, expected, found))
    return disagreements


def main():
    count = int(os.environ.get("OUBLIETTE_TRIPLES", "40000"))
    seed = int(os.environ.get("OUBLIETTE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}, {count} triples", flush=True)
    gate = Gate(sys.argv[1])
    broken = compare(gate, random.Random(seed), min(count, 5_000), BrokenModel)
    assert broken, "the seeded mistake was not noticed"
    seen = collections.Counter()
    disagreements = compare(gate, random.Random(seed), count, model.Model, seen)
    gate.close()
    for _, question, expected, found in disagreements[:5]:
        print(json.dumps(question), "\n  model:", expected, "\n  gate: ", found)
    print(f"{len(disagreements)} disagreements; {len(broken)} with the seeded mistake")
    rare = [code for code in CODES if seen[code] < count // 4_000]
    assert not rare, f"a run that never got to {rare} proves nothing about them"
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
