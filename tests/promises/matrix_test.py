"""Who may call what, and who may see what, for every route, role, recipient, purpose and field.

The routes and roles come from openapi.json, what a recipient may see from the policy, read by the
evaluator that shares no code with the vault. The rest of the matrix is tried in process
(tests/api/matrix_test.cpp).

Run as: matrix_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import concurrent.futures
import http.client
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

from vault_process import POLICY, Program, VaultProcess

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/policy/evaluator"))
import model  # noqa: E402  (beside the gate's own test)

PROGRAM = None  # set by main
VALUES = {"username": "ann", "mobile": "+8613800000001", "email": "ann@example.org",
          "real_name": "Ann Example", "industry": "tea", "region": "north",
          "website": "https://example.org", "address": {"lines": ["1 Road"], "city": "Xi'an"}}
STAFF = ("privacy_officer", "key_operator", "policy_admin", "auditor")


class EveryRecipient(VaultProcess):
    APPS = tuple(name for name in json.loads(POLICY.read_text())["recipients"])


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-matrix-"))
        cls.policy = json.loads(POLICY.read_text())
        # Step 13 is not the matrix's: it depends on what was read before.
        cls.policy["never_together"] = []
        cls.policy["recipients"]["marketing"].pop("subjects_per_hour")
        file = cls.home / "policy.json"
        file.write_text(json.dumps(cls.policy))
        cls.vault = EveryRecipient(PROGRAM, cls.home / "vault")
        done = PROGRAM.run(*cls.vault.init_arguments(policy=file))
        assert done.code == 0, done.err
        cls.vault.start()
        for subject in ("living", "gone"):
            for slot in cls.policy["consents"]:
                assert cls.vault.consent(subject, slot).status == 200
            answer = cls.vault.put(subject, **VALUES)
            assert answer.status == 200, answer.body
        erased = cls.vault.request("POST", "/v1/subjects/gone/erase",
                                   {"ground": "no_longer_using"}, key="privacy_officer",
                                   headers={"Prefer": "wait=30"})
        assert erased.status == 200, erased.body

    @classmethod
    def tearDownClass(cls):
        cls.vault.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    def in_parallel(self, work, cells):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda cell: work(*cell), cells))

    # ---- Roles.
    def test_a_role_calls_what_the_description_gives_it_and_nothing_else(self):
        document = json.loads((ROOT / "api/openapi.json").read_text())
        roles = {"app-web": "app", **{name: name for name in STAFF}}
        cells = []
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["operationId"] in ("backup", "exit_tenant", "cut_off_region"):
                    continue  # tried by tests of their own: nothing is left afterwards
                for key in roles:
                    cells.append((method.upper(), path, operation, key))
        self.assertGreater(len(cells), 200)

        def probe(method, path, operation, key):
            parts = [part if not part.startswith("{") else "0" for part in path.split("/")]
            # No such member anywhere: whoever may call it is told so, and nothing happens.
            body = b'{"no-such-member":0}' if method in ("PUT", "POST") else None
            answer = self.vault.request(method, "/".join(parts) + "?no-such-parameter=0", body,
                                        key=key)
            allowed = operation.get("x-oubliette-roles")
            is_denied = answer.code == "ROLE_DENIED"
            expected = allowed is not None and roles[key] not in allowed
            return None if is_denied == expected else (method, path, key, answer.body)
        self.assertEqual([hole for hole in self.in_parallel(probe, cells) if hole], [])

    # ---- Recipients, purposes, fields.
    def leaks(self, reader):
        """Cells in which the vault shows what `reader` does not, or the other way round."""
        fields = [field for field in self.policy["fields"] if field in VALUES]
        cells = [(recipient, purpose) for recipient in self.policy["recipients"]
                 for purpose in self.policy["purposes"]]
        person = {"granted": [*self.policy["consents"], "switch.abroad", "switch.promotion",
                              "switch.adult", "not_objected.promote"],
                  "expires": {}, "seen": 3, "region": "", "paused": False, "restricted": False,
                  "account_closed": 0, "last_activity": 1, "campaign_ended": 0}
        now = 218_000_000  # somewhen before the agreements end, soon after everything was stored

        def probe(recipient, purpose):
            answer = self.vault.request(
                "GET", f"/v1/subjects/living?purpose={purpose}&fields={','.join(fields)}",
                key=f"app-{recipient}")
            found = []
            for field in fields:
                item = answer.json["fields"][field]
                question = {"recipient": recipient, "purpose": purpose, "field": field, "want": "",
                            "now": now, "collected": now, "suspended": False, "blocked": False,
                            "seen": [], "person": {**person, "last_activity": now}}
                expected = reader.answer(question).split()[0]
                shown = item["error"]["code"] if "error" in item else item["transform"]
                if shown != expected:
                    found.append((recipient, purpose, field, expected, shown))
            return found
        return [leak for leaks in self.in_parallel(probe, cells) for leak in leaks]

    def test_a_recipient_sees_what_its_cells_show_and_nothing_else(self):
        self.assertEqual(self.leaks(model.Model(self.policy)), [])

    def test_the_matrix_notices_a_hole(self):
        narrower = json.loads(json.dumps(self.policy))
        del narrower["purposes"]["support"]["fields"]["email"]
        holes = self.leaks(model.Model(narrower))
        self.assertEqual({(purpose, field) for _, purpose, field, _, _ in holes},
                         {("support", "email")})

    # ---- Nothing about a person for who has no right.
    def test_erased_living_and_unknown_are_the_same_bytes_without_the_right(self):
        def body(key, purpose, subject):
            connection = http.client.HTTPSConnection("127.0.0.1", self.vault.port,
                                                     context=self.vault.context(), timeout=60)
            connection.request(
                "GET", f"/v1/subjects/{subject}?purpose={purpose}&fields=username,mobile",
                headers={"Authorization": f"Bearer {self.vault.key(key)}",
                         "X-Request-Id": "same"})
            answer = connection.getresponse()
            headers = sorted((name, value) for name, value in answer.getheaders()
                             if name not in ("Date",))
            content = answer.read()
            connection.close()
            return answer.status, headers, content
        for key, purpose in (("app-finance", "own_account"), ("app-web", "credit_score"),
                             ("app-hosting", "support"), ("key_operator", "own_account"),
                             ("app-marketing", "subject_rights")):
            seen = {repr(body(key, purpose, subject))
                    for subject in ("living", "gone", "never-seen")}
            self.assertEqual(len(seen), 1, (key, purpose, seen))
        # The control: with the right one can tell.
        seen = {repr(body("app-web", "own_account", subject)) for subject in ("living", "gone")}
        self.assertEqual(len(seen), 2)


if __name__ == "__main__":
    PROGRAM = Program(sys.argv.pop(1))
    unittest.main(verbosity=2)
