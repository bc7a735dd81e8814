"""The story that erasure is for: a backup, an erasure, the loss of all data, and the restore.

Run as: story_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import json
import pathlib
import secrets
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import receipt_verify
from vault_process import Program, VaultProcess

PROGRAM = None  # set by main
STAYS = [f"stays-{i}" for i in range(20)]
LATER = [f"later-{i}" for i in range(20)]


def email(subject):
    return f"{subject}@example.org"


class Story(unittest.TestCase):
    """One vault lives through three days; the tests look at what is left of it."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-story-"))
        try:
            cls.vault = VaultProcess(PROGRAM, cls.home / "vault").init().start()
            cls.live_day_0()
            cls.live_day_1()
            cls.lose_everything()
            cls.restore_day_0()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        if cls.vault.process is not None:
            cls.vault.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    @classmethod
    def add(cls, subject):
        assert cls.vault.consent(subject).status == 200
        answer = cls.vault.put(subject, email=email(subject))
        assert answer.status == 200, answer.body
        return answer.json["tokens"]["email"]

    @classmethod
    def live_day_0(cls):
        cls.tokens = {subject: cls.add(subject) for subject in STAYS + ["erased", "withdraws"]}
        cls.field_token = cls.add("field")
        done = cls.vault.client("backup", cls.home / "backup", key="key_operator")
        assert done.code == 0, done.err

    @classmethod
    def live_day_1(cls):
        cls.later_tokens = {subject: cls.add(subject) for subject in LATER}
        done = cls.vault.client("erase", "erased", "--confirm", "erased", "--wait", "60", "--out",
                                cls.home / "receipt.json", key="privacy_officer")
        assert done.code == 0, done.err
        # A person whom the backup does not know.
        done = cls.vault.client("erase", LATER[0], "--confirm", LATER[0], "--wait", "60", "--out",
                                cls.home / "later.json", key="privacy_officer")
        assert done.code == 0, done.err
        answer = cls.vault.request("DELETE", "/v1/subjects/field/fields/email?purpose=own_account",
                                   headers={"Prefer": "wait=60"})
        assert answer.status == 200, answer.body
        (cls.home / "field.json").write_bytes(answer.body)
        assert cls.vault.consent("withdraws", granted=False).status == 200
        done = cls.vault.client("client", "revoke", "app-marketing", key="policy_admin")
        assert done.code == 0, done.err
        assert cls.vault.stop() == 0

    @classmethod
    def lose_everything(cls):
        shutil.rmtree(cls.vault.data)

    @classmethod
    def restore(cls, *arguments):
        command = ["restore", cls.home / "backup"]
        for keeper in cls.vault.keepers:
            command += ["--keeper", keeper]
        return PROGRAM.run(*command, "--seal", f"keyfile:{cls.vault.home}/seal.key", *arguments)

    @classmethod
    def restore_day_0(cls):
        drill = cls.restore("--drill", "--json")
        assert drill.code == 0, drill.err
        cls.drilled = json.loads(drill.out)
        done = cls.restore("--data", cls.vault.data)
        assert done.code == 0, done.err
        shutil.copy(cls.vault.data / "tls/ca.pem", cls.vault.keys / "ca.pem")
        cls.vault.port = None
        cls.vault.start()

    def opened(self, token, **more):
        item = self.vault.detokenize(token, **more).json["items"][0]
        return item["error"]["code"] if "error" in item else item["value"]

    def read(self, subject):
        return self.vault.request(
            "GET", f"/v1/subjects/{subject}?purpose=own_account&fields=email")

    def test_the_drill_counted_them_all(self):
        # Of 23 people one is erased; of 23 values two, and one waits for a consent.
        self.assertEqual(self.drilled["people"], {"open": 22, "erased": 1, "damaged": 0})
        self.assertEqual(self.drilled["values"]["damaged"], 0)
        self.assertEqual((self.drilled["values"]["open"], self.drilled["values"]["erased"]),
                         (21, 2))
        self.assertEqual((self.drilled["consents"]["open"], self.drilled["consents"]["erased"]),
                         (21, 2))

    def test_the_erased_person_is_gone(self):
        self.assertEqual(self.opened(self.tokens["erased"]), "ERASED")
        gone, never = self.read("erased"), self.read("never-seen")
        strip = lambda answer: answer.body.replace(answer.json["request_id"].encode(), b"")
        self.assertEqual((gone.status, strip(gone)), (404, strip(never)))
        found = self.vault.request("POST", "/v1/search", {
            "field": "email", "value": email("erased"), "purpose": "own_account"})
        self.assertEqual(found.json, {"subjects": []})

    def test_everybody_else_is_there(self):
        for subject in STAYS:
            self.assertEqual(self.opened(self.tokens[subject]), email(subject))
            self.assertEqual(self.read(subject).json["fields"]["email"]["value"], email(subject))

    def test_the_deleted_field_is_gone(self):
        self.assertEqual(self.opened(self.field_token), "ERASED")

    def test_what_was_withdrawn_stays_withdrawn(self):
        self.assertEqual(self.opened(self.tokens["withdraws"]), "CONSENT_MISSING")
        answer = self.vault.request("GET", "/v1/subjects/withdraws/consents")
        granted = [consent["granted"] for consent in answer.json["consents"]
                   if consent["slot"] == "policy"]
        self.assertNotIn(True, granted)

    def test_a_revoked_client_stays_out(self):
        token = self.tokens[STAYS[0]]
        answer = self.vault.detokenize(token, key="app-marketing")
        self.assertEqual((answer.status, answer.code), (401, "UNAUTHENTICATED"))
        self.assertEqual(self.opened(token), email(STAYS[0]))

    def test_old_tokens_never_open_another_person(self):
        fresh = {f"fresh-{i}": self.add(f"fresh-{i}") for i in range(60)}
        for subject, token in fresh.items():
            self.assertEqual(self.opened(token), email(subject))
        every = [*self.tokens.values(), *self.later_tokens.values(), *fresh.values()]
        self.assertEqual(len(set(every)), len(every))
        for subject, token in self.later_tokens.items():
            # The backup has never heard of them; the one who was erased is known to be.
            code = self.opened(token)
            self.assertIn(code, ("NOT_FOUND", "ERASED"), subject)
            self.assertEqual(self.read(subject).status, 404)
        for subject in STAYS:
            self.assertEqual(self.opened(self.tokens[subject]), email(subject))

    def test_receipts_still_verify(self):
        pins = self.vault.keys / "receipt-keys.json"
        for name, subject in (("receipt", "erased"), ("later", LATER[0]), ("field", "field")):
            file = self.home / f"{name}.json"
            done = PROGRAM.run("receipt", "verify", file, "--external-id", subject, "--vault-key",
                               pins)
            self.assertEqual(done.code, 0, done.out.decode() + done.err)
            self.assertIn(b"VERIFIED", done.out)
            flaw = receipt_verify.flaw_of(file.read_text(), json.loads(pins.read_text()), subject)
            self.assertIsNone(flaw)
            other = receipt_verify.flaw_of(file.read_text(), None, "somebody else")
            self.assertEqual(other, "commitment")
        # The keys that the restored vault names are the same.
        served = self.vault.request("GET", "/v1/receipts/keys", key=None)
        self.assertEqual(served.json, json.loads(pins.read_text()))

    def test_it_erases_again(self):
        subject = "again"
        token = self.add(subject)
        answer = self.vault.request("POST", f"/v1/subjects/{subject}/erase", {"ground": "breach"},
                                    key="privacy_officer", headers={"Prefer": "wait=60"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.opened(token), "ERASED")
        self.assertIsNone(receipt_verify.flaw_of(answer.body.decode(), None, subject))
        # A new generation is a new origin of the log, under the same key.
        self.assertIn("/g1\n", answer.json["receipt"]["checkpoint"])


class Receipts(unittest.TestCase):
    """What the verifiers, ours and the independent one, say of receipts that are not right."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-receipts-"))
        cls.vault = VaultProcess(PROGRAM, cls.home / "vault").init().start()
        for subject in ("ann", "bob"):
            assert cls.vault.consent(subject).status == 200
            assert cls.vault.put(subject, email=email(subject)).status == 200
        answer = cls.vault.request("POST", "/v1/subjects/ann/erase", {"ground": "withdrawn"},
                                   key="privacy_officer", headers={"Prefer": "wait=60"})
        assert answer.status == 200, answer.body
        cls.answer = answer
        cls.pins = json.loads((cls.vault.keys / "receipt-keys.json").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.vault.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    def verify(self, text, *arguments):
        file = self.home / (secrets.token_hex(4) + ".json")
        file.write_text(text)
        return PROGRAM.run("receipt", "verify", file, *arguments)

    def test_both_verifiers_take_it(self):
        text = self.answer.body.decode()
        self.assertIsNone(receipt_verify.flaw_of(text, self.pins, "ann"))
        done = self.verify(text, "--external-id", "ann", "--json")
        self.assertEqual(done.code, 0, done.err)
        said = json.loads(done.out)
        self.assertEqual((said["verified"], said["pinned"]), (True, False))
        self.assertIn("only those inside the file", done.err)
        id_file = self.home / "id"
        id_file.write_text("ann\n")
        done = self.verify(text, "--external-id-file", id_file, "--vkey", self.pins["log"][0])
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.err, "")

    def test_the_independent_verifier_notices_every_byte(self):
        text = json.dumps(self.answer.json, separators=(",", ":"), ensure_ascii=False)
        self.assertIsNone(receipt_verify.flaw_of(text, self.pins, "ann"))
        step = 7  # every byte in C++; here a sample that moves with the length of the receipt
        for at in range(len(text) % step, len(text), step):
            bad = text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1:]
            self.assertIsNotNone(receipt_verify.flaw_of(bad, self.pins, "ann"),
                                 f"byte {at}: {text[max(0, at - 30):at + 30]}")

    def test_both_name_the_same_flaw(self):
        changes = {
            "completeness": lambda receipt: receipt["acknowledgements"].pop(),
            "chain": lambda receipt: receipt.update(h_before="00" * 32),
            "request": lambda receipt: receipt.update(r2="00" * 32),
            "log_entry": lambda receipt: receipt.update(commitment="00" * 32),
            "log_inclusion": lambda receipt: receipt["inclusion_proof"].pop(),
        }
        for check, change in changes.items():
            with self.subTest(check):
                frame = json.loads(self.answer.body)
                change(frame["receipt"])
                text = json.dumps(frame)
                self.assertEqual(receipt_verify.flaw_of(text), check)
                done = self.verify(text)
                self.assertEqual(done.code, 8, done.err)
                self.assertRegex(done.out.decode(), f"FAIL  {check} ")

    def test_files_that_are_no_receipt(self):
        for text in ("", "{}", "[]", "nonsense", self.answer.body.decode()[:-1]):
            self.assertEqual(self.verify(text).code, 6)
        waiting = {name: value for name, value in self.answer.json.items()
                   if name not in ("receipt", "r")}
        waiting.update(state="effective", waiting_for=["00" * 16])
        done = self.verify(json.dumps(waiting))
        self.assertEqual(done.code, 6)
        self.assertIn("not final", done.err)
        self.assertEqual(self.verify(self.answer.body.decode(), "--vkey", "x").code, 2)

    def test_erasures_that_do_not_exist(self):
        for id_ in ("er_" + "00" * 16, "er_00", self.answer.json["id"].upper(), "x"):
            answer = self.vault.request("GET", f"/v1/erasures/{id_}", key="privacy_officer")
            self.assertEqual((answer.status, answer.code), (404, "NOT_FOUND"))
        for key in ("app-marketing", "key_operator", "policy_admin"):
            answer = self.vault.request("GET", f"/v1/erasures/{self.answer.json['id']}", key=key)
            self.assertEqual((answer.status, answer.code), (403, "ROLE_DENIED"), key)
        again = self.vault.request("POST", "/v1/subjects/ann/erase", {}, key="privacy_officer")
        self.assertEqual((again.status, again.code), (404, "NOT_FOUND"))

    def test_an_answer_that_does_not_wait(self):
        self.vault.consent("dora")
        answer = self.vault.request("POST", "/v1/subjects/dora/erase", {}, key="privacy_officer",
                                    headers={"Prefer": "wait=0"})
        self.assertEqual((answer.status, answer.json["state"]), (202, "effective"))
        self.assertEqual((len(answer.json["r"]), answer.json["waiting_for"]), (64, []))
        self.assertNotIn("receipt", answer.json)
        path = f"/v1/erasures/{answer.json['id']}"
        for _ in range(200):
            later = self.vault.request("GET", path, key="privacy_officer")
            if later.json["state"] == "final":
                break
            time.sleep(0.05)
        self.assertEqual(later.json["state"], "final")
        # The holder puts the two answers together.
        whole = {**later.json, "r": answer.json["r"]}
        self.assertIsNone(receipt_verify.flaw_of(json.dumps(whole), self.pins, "dora"))

    def test_the_same_receipt_each_time(self):
        path = f"/v1/erasures/{self.answer.json['id']}"
        first = self.vault.request("GET", path, key="privacy_officer")
        self.assertEqual(first.json["receipt"], self.answer.json["receipt"])
        self.assertNotIn("r", first.json)
        self.vault.consent("carl")
        self.vault.stop()
        self.vault.start()
        self.assertEqual(self.vault.request("GET", path, key="auditor").body, first.body)


def main():
    global PROGRAM
    PROGRAM = Program(sys.argv[1])
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])


if __name__ == "__main__":
    main()
