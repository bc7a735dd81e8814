"""Keepers of the built binary: one is lost and replaced, one comes back, both are lost.

Run as: keepers_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import json
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

from vault_process import SPOKEN, Program, VaultProcess

PROGRAM = None  # set by main
PATIENCE = 60  # seconds for a keeper that is tried again


class Keepers(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-keepers-"))
        self.vault = VaultProcess(PROGRAM, self.home / "vault").init().start()
        self.tokens = {}
        for name in ("anna", "ben", "cora", "dora"):
            self.person(name)

    def tearDown(self):
        if self.vault.process is not None:
            self.vault.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    # ---- Steps.
    def person(self, name):
        self.assertEqual(self.vault.consent(name).status, 200)
        answer = self.vault.put(name, username=f"user of {name}")
        self.assertEqual(answer.status, 200, answer.body)
        self.tokens[name] = answer.json["tokens"]["username"]

    def erase(self, name, wait=1):
        return self.vault.request("POST", f"/v1/subjects/{name}/erase",
                                  {"ground": "no_longer_using"}, key="privacy_officer",
                                  headers={"Prefer": f"wait={wait}"})

    def shown(self, name):
        item = self.vault.detokenize(self.tokens[name]).json["items"][0]
        return item["error"]["code"] if "error" in item else item["value"]

    def erasure(self, identifier):
        return self.vault.request("GET", f"/v1/erasures/{identifier}", key="privacy_officer").json

    def wait_final(self, identifier):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.erasure(identifier)
            if found["state"] == "final" and "receipt" in found:
                return found
            time.sleep(0.2)
        self.fail("it did not become final")

    def keepers(self):
        done = self.vault.client("keeper", "list", "--json", key="key_operator")
        self.assertEqual(done.code, 0, done.err)
        return json.loads(done.out)["keepers"]

    def verify(self, erasure):
        file = self.home / "receipt.json"
        file.write_text(json.dumps(erasure))
        keys = self.home / "receipt-keys.json"  # as of now: a new keeper has a new key
        keys.write_bytes(self.vault.request("GET", "/v1/receipts/keys", key=None).body)
        done = PROGRAM.run("receipt", "verify", file, "--vault-key", keys)
        self.assertEqual(done.code, 0, done.out.decode() + done.err)
        return done.out.decode()

    def configured(self):
        return json.loads((self.vault.data / "vault.json").read_text())["keepers"]

    def said(self, text):
        return text.encode() in bytes(SPOKEN.bytes)

    # ---- Stories.
    def test_a_lost_keeper_is_replaced(self):
        self.vault.stop()
        shutil.rmtree(self.vault.keepers[1])
        self.vault.start()
        self.assertTrue(self.said("a keeper is offline: erasures wait for it"))
        self.assertEqual(self.shown("anna"), "user of anna")
        self.person("emil")
        answer = self.erase("ben")
        self.assertEqual((answer.status, answer.json["state"]), (202, "effective"))
        self.assertEqual(self.shown("ben"), "ERASED")
        warnings = self.vault.request("GET", "/v1/status", key="auditor").json["warnings"]
        self.assertIn("a keeper is offline: erasures wait for it", warnings)

        lost = self.keepers()[1]
        self.assertEqual((lost["state"], lost["online"]), ("active", False))
        fresh = self.home / "keeper3"
        done = self.vault.client("keeper", "enrol", fresh, "--replaces", lost["id"],
                                 key="key_operator")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn(b" active", done.out)
        final = self.wait_final(answer.json["id"])
        told = self.verify(final)
        self.assertIn(lost["id"] + " was expelled", told)
        self.assertEqual(self.configured(), [str(self.vault.keepers[0]), str(fresh)])

        # New people are in a new bank, also after a restart.
        keys = self.vault.request("GET", "/v1/keys", key="key_operator").json
        self.assertEqual(keys["people"], {"banks": 2, "bank": 1})
        self.person("frida")
        self.vault.stop()
        shutil.rmtree(self.vault.keepers[0])
        self.vault.start()
        self.assertEqual(self.shown("anna"), "user of anna")
        self.assertEqual(self.shown("frida"), "user of frida")
        self.assertEqual(self.shown("ben"), "ERASED")
        states = {keeper["id"]: keeper["state"] for keeper in self.keepers() if "id" in keeper}
        self.assertEqual(states[lost["id"]], "expelled")

    def test_a_keeper_that_was_away_comes_back(self):
        away = self.home / "away"
        self.vault.stop()
        self.vault.keepers[1].rename(away)
        self.vault.start()
        waiting = [self.erase(name, wait=0) for name in ("anna", "ben", "cora")]
        for answer in waiting:
            self.assertEqual(answer.status, 202, answer.body)
        for _ in range(2):
            done = self.vault.client("rotate", "anchor", key="key_operator")
            self.assertEqual(done.code, 0, done.err)
        refused = self.vault.client("rotate", "bank", key="key_operator")
        self.assertNotEqual(refused.code, 0)
        away.rename(self.vault.keepers[1])
        for answer in waiting:
            self.verify(self.wait_final(answer.json["id"]))
        for keeper in self.keepers():
            self.assertTrue(keeper["online"])
        self.assertEqual(self.shown("dora"), "user of dora")
        self.assertEqual(self.erase("dora").status, 200)

    def test_an_expelled_keeper_does_not_come_back(self):
        second = self.keepers()[1]
        done = self.vault.client("keeper", "expel", second["id"], key="key_operator")
        self.assertEqual(done.code, 2, done.err)  # nothing was typed
        done = self.vault.client("keeper", "expel", second["id"], "--confirm", second["id"],
                                 key="key_operator")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn(b"anchors are overwritten", done.out)
        self.assertEqual(self.erase("ben").status, 200)
        last = self.keepers()[0]["id"]
        done = self.vault.client("keeper", "expel", last, "--confirm", last, key="key_operator")
        self.assertEqual(done.code, 4)
        self.assertIn("every key would be gone", done.err)
        self.vault.stop()
        config = json.loads((self.vault.data / "vault.json").read_text())
        config["keepers"].append(str(self.vault.keepers[1]))
        (self.vault.data / "vault.json").write_text(json.dumps(config))
        self.vault.start()
        self.assertTrue(self.said("was expelled"))
        self.assertTrue(self.said("there is one keeper only"))
        self.assertEqual(self.configured(), [str(self.vault.keepers[0])])
        self.assertEqual(self.shown("anna"), "user of anna")

    def test_enrolling_is_refused_with_the_remedy(self):
        for directory, word in ((self.vault.keepers[0], "neither in another keeper"),
                                (self.vault.data / "keeper", "nor in the data directory"),
                                (self.vault.keys, "not empty"),
                                ("keeper3", "absolute path"),
                                (self.home / "no" / "parent", "make its parent")):
            with self.subTest(str(directory)):
                done = self.vault.client("keeper", "enrol", directory, key="key_operator")
                self.assertEqual(done.code, 4, done.err)
                self.assertIn(word, done.err)
        done = self.vault.client("keeper", "enrol", self.home / "k", key="auditor")
        self.assertEqual(done.code, 4)
        self.assertFalse((self.home / "k").exists())
        bad = self.vault.request("POST", "/v1/keys/rotate", {"key": "token"}, key="key_operator")
        self.assertEqual((bad.status, bad.code), (400, "MALFORMED"))
        self.assertIn("bank", bad.json["detail"])

    def test_banks_and_scrub(self):
        done = self.vault.client("rotate", "bank", "--json", key="key_operator")
        self.assertEqual((done.code, json.loads(done.out)["bank"]), (0, 1), done.err)
        self.person("emil")
        done = self.vault.client("keeper", "scrub", "--json", key="key_operator")
        self.assertEqual(done.code, 0, done.err)
        scrubbed = json.loads(done.out)
        self.assertGreater(scrubbed["pages"], 10)
        self.assertEqual((scrubbed["repaired"], scrubbed["unrepairable"]), (0, 0))
        self.vault.stop()
        self.vault.start()
        self.person("frida")
        for name in ("anna", "emil", "frida"):
            self.assertEqual(self.shown(name), f"user of {name}")

    def test_without_any_keeper_it_says_what_that_means(self):
        self.vault.stop()
        for keeper in self.vault.keepers:
            shutil.rmtree(keeper)
        done = PROGRAM.run("serve", "--data", self.vault.data, "--listen", "127.0.0.1:0")
        self.assertGreater(done.code, 0)
        self.assertIn("nothing that is stored can be read, nor any backup", done.err)


if __name__ == "__main__":
    PROGRAM = Program(sys.argv.pop(1))
    unittest.main(verbosity=2)
