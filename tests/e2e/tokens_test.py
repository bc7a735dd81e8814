"""Tokens of the built binary over HTTPS: kinds, refusals, one-time openings across kill -9.

OUBLIETTE_TOKEN_ROUNDS (3 unless told) kills the server so many times."""

import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from vault_process import Program, VaultProcess  # noqa: E402

PROGRAM = None
ROUNDS = int(os.environ.get("OUBLIETTE_TOKEN_ROUNDS", 3))
SEED = int(os.environ.get("OUBLIETTE_SEED", random.SystemRandom().randrange(2**32)))
TOKENS_PER_ROUND = 40
OPENERS = 4


class TokensTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-tokens-"))
        cls.vault = VaultProcess(PROGRAM, cls.home).init().start()
        cls.random = random.Random(SEED)

    @classmethod
    def tearDownClass(cls):
        cls.vault.stop()
        shutil.rmtree(cls.home)

    def person(self, subject, **fields):
        self.assertEqual(self.vault.consent(subject).status, 200)
        answer = self.vault.put(subject, **fields)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["tokens"]

    def tokenize(self, items, **token):
        body = {"items": items, "purpose": "own_account"}
        if token:
            body["token"] = token
        answer = self.vault.request("POST", "/v1/tokenize", body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def token(self, subject, field="mobile", **token):
        return self.tokenize([{"subject": subject, "field": field}], **token)["items"][0]["token"]

    def error_of(self, *tokens, **more):
        answer = self.vault.detokenize(*tokens, **more)
        self.assertEqual(answer.status, 200, answer.body)
        return [(item["error"]["code"], item["error"]["status"]) if "error" in item
                else item["value"] for item in answer.json["items"]]

    def test_every_kind_and_its_refusals(self):
        number = "+8613900001111"
        tokens = self.person("kinds", mobile=number, email="kinds@example.org")
        self.assertRegex(tokens["mobile"], r"^\+999[0-9]{12}$")
        self.assertRegex(tokens["email"], r"^[a-z2-7]{26}@[a-z-]+\.invalid$")
        once = self.token("kinds", kind="one_time")
        made = {kind: self.token("kinds", kind=kind)
                for kind in ("pointer", "deterministic", "format", "handle", "value")}
        self.assertEqual(made["format"], tokens["mobile"])
        self.assertEqual(self.error_of(*made.values()), [number] * len(made))
        self.assertEqual(self.error_of(once, once), [number, ("TOKEN_USED", 410)])
        ends = self.token("kinds", kind="format", expires_in=1)
        time.sleep(2.1)
        self.assertEqual(self.error_of(ends), [("TOKEN_EXPIRED", 410)])
        unknown = ("NOT_FOUND", 404)
        bad = [tokens["mobile"][:-1], tokens["mobile"] + "0", tokens["email"].upper(),
               "\uff0b" + tokens["mobile"][1:], made["pointer"] + "A", "obt1.", once.swapcase()]
        self.assertEqual(self.error_of(*bad), [unknown] * len(bad))
        self.assertEqual(self.error_of(tokens["mobile"], ends, once, purpose="support",
                                       key="app-support_desk"), [unknown] * 3)
        answer = self.vault.request("POST", "/v1/tokenize", {
            "items": [{"subject": "kinds", "field": "mobile"}], "purpose": "own_account",
            "token": {"kind": "magic"}})
        self.assertEqual((answer.status, answer.code), (422, "TOKEN_KIND_UNKNOWN"))
        erased = self.vault.request("POST", "/v1/subjects/kinds/erase", {"ground": "other"},
                                    key="privacy_officer", headers={"Prefer": "wait=30"})
        self.assertEqual(erased.status, 200, erased.body)
        self.assertEqual(self.error_of(*made.values()), [("ERASED", 410)] * len(made))
        self.assertEqual(self.error_of(tokens["mobile"], purpose="support",
                                       key="app-support_desk"), [unknown])

    def test_one_bad_item_leaves_the_others(self):
        self.person("batch", username="b")
        count = 2_000
        bad = self.random.randrange(count)
        items = [{"subject": "batch", "field": "mobile", "value": f"+86139{n:08}"}
                 for n in range(count)]
        items[bad]["value"] = "no phone"
        answer = self.tokenize(items, kind="format")
        self.assertEqual(answer["failed"], 1)
        self.assertEqual(answer["items"][bad]["error"]["code"], "VALUE_INVALID")
        self.assertTrue(all("token" in item for n, item in enumerate(answer["items"]) if n != bad))
        self.assertNotIn("no phone", json.dumps(answer))

    def test_inspection_shows_no_value(self):
        number = "+8613900002222"
        token = self.person("inspected", mobile=number)["mobile"]
        done = self.vault.client("token", "inspect", "--json", key="key_operator",
                                 stdin=token.encode())
        self.assertEqual(done.code, 0, done.err)
        facts = json.loads(done.out)
        self.assertEqual(facts, {"kind": "format", "kid": 0, "recipient": "web",
                                 "field": "mobile", "state": "open"})
        body = {"token": token}
        for key, status in (("app-web", 403), ("policy_admin", 403), ("privacy_officer", 200)):
            answer = self.vault.request("POST", "/v1/tokens/inspect", body, key=key)
            self.assertEqual(answer.status, status, key)
            self.assertNotIn(number[1:].encode(), answer.body)
        missing = self.vault.request("POST", "/v1/tokens/inspect", {"token": "nothing"},
                                     key="key_operator")
        self.assertEqual((missing.status, missing.code), (404, "NOT_FOUND"))

    def test_poison_raises_an_alarm(self):
        path = "/v1/recipients/web/poison"
        denied = self.vault.request("POST", path, {"field": "mobile"})
        self.assertEqual(denied.status, 403)
        planted = self.vault.request("POST", path, {"field": "mobile"}, key="privacy_officer")
        self.assertEqual(planted.status, 200, planted.body)
        self.assertEqual(self.error_of(planted.json["token"]), [("NOT_FOUND", 404)])
        status = self.vault.request("GET", "/v1/status", key="key_operator").json
        self.assertIn("POISON", json.dumps(status["warnings"]))

    def test_one_time_openings_across_kill_9(self):
        number = "+8613900003333"
        self.person("once", mobile=number)
        opened = {}

        def opener(tokens):
            for token in tokens:
                try:
                    [shown] = self.error_of(token)
                except Exception:  # the server was killed: at most the answer is lost
                    continue
                if shown == number:
                    opened[token] = opened.get(token, 0) + 1
                else:
                    self.assertEqual(shown, ("TOKEN_USED", 410))

        everything = []
        for _ in range(ROUNDS):
            batch = [{"subject": "once", "field": "mobile"}] * TOKENS_PER_ROUND
            tokens = [item["token"] for item in self.tokenize(batch, kind="one_time")["items"]]
            everything += tokens
            with concurrent.futures.ThreadPoolExecutor(OPENERS) as pool:
                running = [pool.submit(opener, tokens) for _ in range(OPENERS)]
                time.sleep(self.random.uniform(0.02, 0.3))
                self.vault.kill()
                for one in running:
                    one.result()
            self.vault.start()
        opener(everything)  # what was not opened before opens now, once
        opener(everything)
        self.assertTrue(opened)
        self.assertEqual(set(opened.values()), {1})
        self.assertLessEqual(set(opened), set(everything))


if __name__ == "__main__":
    print(f"OUBLIETTE_SEED={SEED}", file=sys.stderr)
    PROGRAM = Program(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
