"""The built binary from outside: bad input, tables, crashes, and that nothing leaks into talk.

Run as: e2e_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import base64
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from vault_process import POLICY, SPOKEN, Program, VaultProcess

PROGRAM = None  # set by main
PEOPLE = 2000

# Planted in every request of this run; none may be seen in talk or in an error.
CANARY = "zq" + secrets.token_hex(6)
CANARY_ID = f"id-{CANARY}"
CANARY_VALUE = f"value-{CANARY}"
CANARY_MAIL = f"{CANARY}@example.org"
PLANTED = {CANARY}


def plant(*texts):
    """Tokens and keys that must not be repeated either."""
    PLANTED.update(texts)


def tree(directory):
    """Every file below, with its content."""
    found = {}
    for path in sorted(pathlib.Path(directory).rglob("*")):
        if path.is_file():
            found[str(path.relative_to(directory))] = path.read_bytes()
    return found


@contextlib.contextmanager
def temporary_home():
    home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-e2e-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


class WithVault(unittest.TestCase):
    """One served vault for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-e2e-"))
        cls.vault = VaultProcess(PROGRAM, cls.home / "vault").init().start()
        plant(*(cls.vault.key(name) for name in ("app-web", "privacy_officer", "policy_admin")))

    @classmethod
    def tearDownClass(cls):
        if cls.vault.process is not None:
            cls.vault.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    def expect(self, answer, status, code):
        self.assertEqual((answer.status, answer.code), (status, code), answer.body)
        self.assertTrue(answer.json["detail"], "the problem names no remedy")
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")

    def fails(self, done, *words):
        """Ended with a code that is not 0 and one line that names the remedy."""
        self.assertNotEqual(done.code, 0)
        self.assertGreater(done.code, 0, "ended by a signal")
        lines = [line for line in done.err.splitlines() if line]
        talk = [line for line in lines if line.startswith("oubliette: ")]
        self.assertTrue(talk, done.err)
        for word in words:
            self.assertIn(word, done.err)

    def person(self, subject, **fields):
        self.assertEqual(self.vault.consent(subject).status, 200)
        answer = self.vault.put(subject, **fields)
        self.assertEqual(answer.status, 200, answer.body)
        plant(*answer.json["tokens"].values())
        return answer.json["tokens"]


class BadRequests(WithVault):
    def tokenize(self, body, **more):
        return self.vault.request("POST", "/v1/tokenize", body, **more)

    def good(self):
        return {"items": [{"subject": CANARY_ID, "field": "username", "value": CANARY_VALUE}],
                "purpose": "own_account"}

    def test_bodies_that_are_not_understood(self):
        text = json.dumps(self.good())
        bad = {
            "unknown member": json.dumps({**self.good(), "extra": CANARY}),
            "unknown member of an item": text.replace('"field"', '"feild"'),
            "wrong type": json.dumps({**self.good(), "items": CANARY}),
            "number for a subject": text.replace(f'"{CANARY_ID}"', "7"),
            "duplicate key": text[:-1] + f', "purpose": "{CANARY}"}}',
            "escaped duplicate key": text[:-1] + f', "purp\\u006fse": "{CANARY}"}}',
            "depth": '{"items":' + "[" * 100_000 + "]" * 100_000 + "}",
            "depth of 17": text.replace(f'"{CANARY_VALUE}"', "[" * 15 + "]" * 15),
            "truncated": text[:-3],
            "two documents": text + text,
            "empty": "",
            "array": "[]",
            "comment": text + "// " + CANARY,
            "lone surrogate": text.replace(CANARY_VALUE, "\\ud800" + CANARY),
            "NaN": text.replace(f'"{CANARY_VALUE}"', "NaN"),
        }
        for name, body in bad.items():
            with self.subTest(name):
                answer = self.tokenize(body.encode())
                self.expect(answer, 400, "MALFORMED")
        for name, bytes_ in {"invalid": b"\xff\xfe", "overlong": b"\xc0\xaf",
                             "surrogate": b"\xed\xa0\x80", "truncated": b"\xe4\xb8"}.items():
            with self.subTest("UTF-8 " + name):
                body = text.encode().replace(CANARY_VALUE.encode(), CANARY.encode() + bytes_)
                self.expect(self.tokenize(body), 400, "MALFORMED")
        null = self.tokenize(text.replace(f'"{CANARY_VALUE}"', "null").encode())
        self.assertEqual(null.json["items"], [{"error": {"code": "VALUE_INVALID", "status": 422}}])
        self.expect(self.vault.request("GET", f"/v1/subjects/{CANARY_ID}?purpose=own_account"
                                              "&fields=username"), 404, "NOT_FOUND")

    def test_size_and_media_type(self):
        body = json.dumps({**self.good(), "purpose": CANARY + "x" * 5_000_000}).encode()
        self.expect(self.tokenize(body), 413, "TOO_LARGE")
        for media in ("text/plain", "application/xml", "application/jsonp",
                      "multipart/form-data; boundary=x"):
            with self.subTest(media):
                answer = self.tokenize(json.dumps(self.good()).encode(),
                                       headers={"Content-Type": media})
                self.expect(answer, 415, "MEDIA_TYPE")
        many = {**self.good(), "items": self.good()["items"] * 10_001}
        self.expect(self.tokenize(many), 413, "TOO_LARGE")

    def test_routes_and_methods(self):
        self.expect(self.vault.request("GET", f"/v1/{CANARY}"), 404, "NOT_FOUND")
        self.expect(self.vault.request("GET", f"/v1/subjects/{CANARY}/nothing"), 404, "NOT_FOUND")
        self.expect(self.vault.request("DELETE", "/v1/tokenize"), 405, "METHOD_NOT_ALLOWED")
        # A method that no route has.
        self.expect(self.vault.request("PATCH", f"/v1/subjects/{CANARY}", {}), 501,
                    "NOT_IMPLEMENTED")
        answer = self.vault.request("GET", f"/v1/subjects/{CANARY}?purpose=own_account&fields="
                                           f"username&{CANARY}={CANARY}")
        self.expect(answer, 400, "MALFORMED")

    def test_requests_that_are_no_http(self):
        for name, data in {
            "no http": CANARY.encode() + b"\r\n\r\n",
            "long line": b"GET /" + CANARY.encode() * 5000 + b" HTTP/1.1\r\n\r\n",
            "both lengths": b"POST /v1/tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "two lengths": b"POST /v1/tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                           b"Content-Length: 4\r\n\r\nabc",
            "header": b"GET /livez HTTP/1.1\r\nHost: x\r\n" + CANARY.encode() + b" : x\r\n\r\n",
            "http 1.0 line feed": b"GET /" + CANARY.encode() + b"\n\n",
        }.items():
            with self.subTest(name):
                got = self.vault.raw(data)
                self.assertTrue(not got or got.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501")), got[:200])
        self.assertEqual(self.vault.request("GET", "/livez", key=None).status, 200)

    def test_credentials(self):
        def ask(raw_key):
            return self.vault.request("GET", f"/v1/subjects/{CANARY_ID}?purpose=own_account"
                                             "&fields=username", raw_key=raw_key)
        good = self.vault.key("app-web")
        self.expect(self.vault.request("POST", "/v1/tokenize", self.good(), key=None), 401,
                    "UNAUTHENTICATED")
        bodies = set()
        for key in ("obk_999_" + good.split("_", 2)[2], CANARY, "obk_" + CANARY, good[:-1],
                    good[:20] + ("A" if good[20] != "A" else "B") + good[21:], good + "A", ""):
            plant(*([key] if len(key) > 10 else []))
            answer = ask(key)
            self.expect(answer, 401, "UNAUTHENTICATED")
            bodies.add(answer.body.replace(answer.json["request_id"].encode(), b""))
        self.assertEqual(len(bodies), 1, "wrong keys can be told apart")
        self.expect(self.vault.request("POST", "/v1/tokenize", self.good(), key="auditor"), 403,
                    "ROLE_DENIED")
        self.expect(self.vault.request("GET", "/v1/clients"), 403, "ROLE_DENIED")

    def test_a_revoked_client_is_out_at_once_and_for_ever(self):
        made = self.vault.client("client", "enrol", "short-lived", "--role", "app", "--recipient",
                                 "web", "--out", self.vault.keys / "short.key",
                                 key="policy_admin")
        self.assertEqual(made.code, 0, made.err)
        plant(self.vault.key("short"))
        path = "/v1/subjects/nobody?purpose=own_account&fields=username"
        self.expect(self.vault.request("GET", path, key="short"), 404, "NOT_FOUND")
        gone = self.vault.client("client", "revoke", "short-lived", key="policy_admin")
        self.assertEqual(gone.code, 0, gone.err)
        self.expect(self.vault.request("GET", path, key="short"), 401, "UNAUTHENTICATED")
        self.vault.kill()
        self.vault.start()
        self.expect(self.vault.request("GET", path, key="short"), 401, "UNAUTHENTICATED")
        self.assertEqual(self.vault.client("client", "revoke", "short-lived",
                                           key="policy_admin").code, 4)

    def test_tokens_and_purposes(self):
        tokens = self.person(f"{CANARY_ID}-t", username=CANARY_VALUE, email=CANARY_MAIL)
        token = tokens["username"]
        middle = len(token) // 2
        flipped = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1:]
        plant(flipped)
        answer = self.vault.detokenize(token, flipped, CANARY, "")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["items"][0]["value"], CANARY_VALUE)
        self.assertEqual(answer.json["failed"], 3)
        for item in answer.json["items"][1:]:
            self.assertEqual(item, {"error": {"code": "NOT_FOUND", "status": 404}})
        other = self.vault.detokenize(token, purpose="support", key="app-support_desk")
        self.assertEqual(other.json["items"][0]["error"]["code"], "NOT_FOUND")
        for purpose, code in {CANARY: "PURPOSE_UNKNOWN", "support": "PURPOSE_NOT_ALLOWED",
                              "improve": "CONSENT_MISSING"}.items():
            with self.subTest(code):
                answer = self.vault.detokenize(token, purpose=purpose)
                self.assertEqual(answer.json["items"][0]["error"]["code"], code)
        refused = self.vault.put(f"{CANARY_ID}-t", mobile=CANARY, username="new " + CANARY)
        self.expect(refused, 422, "VALUE_INVALID")
        self.assertEqual(refused.json["errors"], [{"field": "mobile", "code": "VALUE_INVALID"}])
        self.expect(self.vault.put(f"{CANARY_ID}-none", username=CANARY), 403, "CONSENT_MISSING")
        self.assertEqual(self.vault.detokenize(token).json["items"][0]["value"], CANARY_VALUE)

    def test_erasure(self):
        subject = f"{CANARY_ID}-e"
        token = self.person(subject, username=CANARY_VALUE)["username"]
        path = f"/v1/subjects/{subject}/erase"
        body = {"ground": "no_longer_using"}
        self.expect(self.vault.request("POST", path, body, key="app-marketing"), 403,
                    "ROLE_DENIED")
        done = self.vault.request("POST", path, body, key="privacy_officer",
                                  headers={"Prefer": "wait=30"})
        self.assertEqual((done.status, done.json["state"]), (200, "final"), done.body)
        self.assertEqual(len(done.json["receipt"]["acknowledgements"]), 2)
        item = self.vault.detokenize(token).json["items"][0]
        self.assertEqual(item, {"error": {"code": "ERASED", "status": 410}})
        gone = self.vault.request("GET", f"/v1/subjects/{subject}?purpose=own_account"
                                         "&fields=username")
        never = self.vault.request("GET", f"/v1/subjects/{CANARY}-never?purpose=own_account"
                                          "&fields=username")
        strip = lambda a: a.body.replace(a.json["request_id"].encode(), b"")
        self.assertEqual((gone.status, strip(gone)), (404, strip(never)))
        self.expect(self.vault.request("POST", path, body, key="privacy_officer"), 404,
                    "NOT_FOUND")
        later = self.vault.request("GET", f"/v1/erasures/{done.json['id']}",
                                   key="privacy_officer")
        self.assertNotIn("r", later.json)
        self.assertEqual(later.json["receipt"], done.json["receipt"])

    def test_clients_that_hang_or_go_away(self):
        head = (f"POST /v1/tokenize HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                f"{self.vault.key('app-web')}\r\nContent-Type: application/json\r\n"
                "Content-Length: 1000\r\n\r\n" + CANARY).encode()
        for _ in range(20):
            plain = socket.create_connection(("127.0.0.1", self.vault.port))
            tls = self.vault.context().wrap_socket(plain, server_hostname="localhost")
            tls.sendall(head)
            tls.close()
        for data in (b"", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n\r\n", os.urandom(500)):
            with socket.create_connection(("127.0.0.1", self.vault.port)) as plain:
                plain.sendall(data)
        self.assertEqual(self.vault.request("GET", "/livez", key=None).status, 200)


class BadStarts(WithVault):
    def init_fails(self, home, *words, **changed):
        vault = VaultProcess(PROGRAM, home)
        before = tree(home)
        done = PROGRAM.run(*vault.init_arguments(**changed))
        self.fails(done, *words)
        left = {name for name in tree(home) if name not in before and name != "seal.key"}
        self.assertEqual(left, set(), "something half written was left")

    def test_keepers_where_they_must_not_be(self):
        with temporary_home() as home:
            (home / "keeper1").mkdir()
            (home / "link").symlink_to(home / "keeper1")
            one = home / "keeper1"
            for name, keepers in {"one": [one], "equal": [one, one],
                                  "by link": [one, home / "link"],
                                  "inside the other": [one, one / "x"],
                                  "inside the data": [one, home / "data/keeper"],
                                  "is the data": [one, home / "data"]}.items():
                with self.subTest(name):
                    self.init_fails(home, keepers=keepers)
            with self.subTest("data inside a keeper"):
                self.init_fails(home, data=home / "keeper1/data")
            with self.subTest("not empty"):
                (home / "full").mkdir()
                (home / "full/mine").write_text("mine")
                self.init_fails(home, keepers=[one, home / "full"])
                self.assertEqual((home / "full/mine").read_text(), "mine")

    def test_policy_tenant_and_seal(self):
        with temporary_home() as home:
            self.init_fails(home, policy=home / "missing.json")
            self.init_fails(home, "tenant", tenant="someone")
            self.init_fails(home, seal="magic:" + str(home))
            (home / "open.key").write_text("00" * 32 + "\n")
            (home / "open.key").chmod(0o644)
            self.init_fails(home, seal=f"keyfile:{home}/open.key")
            policy = json.loads(POLICY.read_text())
            policy["fields"]["fax"] = {"category": "contact", "type": "phone",
                                       "identifier": "direct", "token": "pointer", "clause": "1"}
            (home / "bad.json").write_text(json.dumps(policy))
            self.init_fails(home, "LINT_FIELD_WITHOUT_PURPOSE", policy=home / "bad.json")
            (home / "none.json").write_text("{")
            self.init_fails(home, policy=home / "none.json")
            done = PROGRAM.run("policy", "lint", home / "bad.json")
            self.assertNotEqual(done.code, 0)
            self.assertIn("LINT_FIELD_WITHOUT_PURPOSE", done.out.decode() + done.err)

    def test_a_policy_that_is_not_published_says_why(self):
        with temporary_home() as home:
            vault = VaultProcess(PROGRAM, home).init().start()
            same = vault.request("POST", "/v1/policy/publish", POLICY.read_bytes(), "policy_admin")
            self.assertEqual((same.status, same.json["code"]), (409, "VERSION_FROZEN"))
            self.assertEqual(same.json["findings"][0]["pointer"], "/policy/version")
            policy = json.loads(POLICY.read_text())
            policy["policy"].update(version=4, supersedes=3)
            del policy["policy"]["controller"]["contact"]
            bad = vault.request("POST", "/v1/policy/publish", policy, "policy_admin")
            self.assertEqual((bad.status, bad.json["code"]), (422, "VALUE_INVALID"))
            self.assertIn("LINT_NO_CONTACT", [found["code"] for found in bad.json["findings"]])
            policy = json.loads(POLICY.read_text())
            policy["policy"].update(version=4, supersedes=3)
            policy["purposes"]["support"]["fields"]["mobile"] = "plain"
            diff = vault.request("POST", "/v1/policy/diff", policy, "policy_admin")
            self.assertEqual([change["kind"] for change in diff.json["changes"]], ["transform.weakened"])
            self.assertIn("DIFF_MATERIAL", [found["code"] for found in diff.json["findings"]])
            silent = vault.request("POST", "/v1/policy/publish", policy, "policy_admin")
            self.assertEqual((silent.status, silent.json["code"]), (422, "VALUE_INVALID"))
            policy = json.loads(POLICY.read_text())
            policy["policy"].update(version=4, supersedes=3)
            good = vault.request("POST", "/v1/policy/publish", policy, "policy_admin")
            self.assertEqual((good.status, good.json["version"]), (200, 4))
            self.assertEqual(vault.request("GET", "/v1/policy", key=None).json["policy"]["version"], 4)
            vault.stop()

    def test_keepers_in_memory_need_a_word(self):
        if not os.path.isdir("/dev/shm"):
            print("skipped: no /dev/shm here")
            return
        with temporary_home() as home:
            shm = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-e2e-", dir="/dev/shm"))
            try:
                keepers = [shm / "a", shm / "b"]
                vault = VaultProcess(PROGRAM, home, cell_class=None)
                vault.keepers = keepers
                self.fails(PROGRAM.run(*vault.init_arguments()), "--cell-class besteffort")
                self.assertEqual(tree(shm), {})
                vault.cell_class = "besteffort"
                vault.init().start()
                self.assertEqual(vault.consent("c-1").status, 200)
                vault.stop()
            finally:
                shutil.rmtree(shm)

    def test_a_second_vault_in_the_same_place(self):
        with temporary_home() as home:
            vault = VaultProcess(PROGRAM, home).init()
            before = tree(home)
            self.fails(PROGRAM.run(*vault.init_arguments()))
            other = vault.init_arguments(data=home / "other", keys=home / "other-keys")
            self.fails(PROGRAM.run(*other))
            after = tree(home)
            self.assertEqual({n: d for n, d in after.items() if n in before}, before)
            vault.start()
            self.assertEqual(vault.consent("c-1").status, 200)
            self.assertEqual(vault.stop(), 0)

    def test_serve_twice_and_occupied_ports(self):
        done = PROGRAM.run("serve", "--data", self.vault.data, "--listen", "127.0.0.1:0")
        self.fails(done)
        with temporary_home() as home:
            other = VaultProcess(PROGRAM, home).init()
            done = PROGRAM.run("serve", "--data", other.data, "--listen",
                               f"127.0.0.1:{self.vault.port}")
            self.fails(done, str(self.vault.port))
            done = PROGRAM.run("serve", "--data", other.data, "--listen", "nowhere")
            self.fails(done)
            other.start()
            other.stop()
        self.fails(PROGRAM.run("serve", "--data", "/nonexistent/x"), "init")
        self.assertEqual(self.vault.request("GET", "/readyz", key=None).status, 200)

    def test_serve_with_the_wrong_seal_or_without_keepers(self):
        with temporary_home() as home:
            vault = VaultProcess(PROGRAM, home).init()
            serve = ("serve", "--data", vault.data, "--listen", "127.0.0.1:0")
            seal = home / "seal.key"
            right = seal.read_text()
            seal.write_text("11" * 32 + "\n")
            self.fails(PROGRAM.run(*serve), "seal")
            seal.write_text(CANARY)
            self.fails(PROGRAM.run(*serve))
            seal.unlink()
            self.fails(PROGRAM.run(*serve), str(seal))
            self.assertFalse(seal.exists())
            seal.write_text(right)
            seal.chmod(0o600)
            for keeper in vault.keepers:
                keeper.rename(str(keeper) + ".away")
            self.fails(PROGRAM.run(*serve))
            self.assertFalse(any(keeper.exists() for keeper in vault.keepers))
            for keeper in vault.keepers:
                pathlib.Path(str(keeper) + ".away").rename(keeper)
            vault.start()
            self.assertEqual(vault.consent("c-1").status, 200)
            vault.stop()


class Doctor(WithVault):
    def test_it_examines_a_vault_beside_its_server_and_without_one(self):
        # The vaults of these tests have their key file beside the keepers: that is a problem.
        doctor = ["doctor", "--data", self.vault.data]
        for is_running in (True, False):
            with self.subTest(is_running=is_running):
                plain = PROGRAM.run(*doctor)
                self.assertEqual(plain.code, 9, plain.err)
                self.assertIn(b"PROBLEM seal", plain.out)
                found = PROGRAM.run(*doctor, "--json")
                self.assertEqual(found.code, 9, found.err)
                answer = json.loads(found.out)
                problems = [f for f in answer["findings"] if f["level"] == "PROBLEM"]
                self.assertEqual([f["check"] for f in problems], ["seal"])
                self.assertEqual(answer["problems"], 1)
                self.assertTrue(problems[0]["remedy"])
                server, = [f["fact"] for f in answer["findings"] if f["check"] == "server"]
                self.assertEqual("runs as process" in server, is_running)
            if is_running:
                self.vault.stop()
        self.vault.start()

    def test_no_vault(self):
        done = PROGRAM.run("doctor", "--data", self.home / "nothing")
        self.assertEqual(done.code, 9)
        self.assertIn(b"oubliette init", done.out)


class Tables(WithVault):
    MAPS = ("--map", "real_name=real_name", "--map", "mobile=mobile", "--map", "email=email",
            "--map", "address=address")
    COLUMNS = ("--column", "real_name", "--column", "mobile", "--column", "email", "--column",
               "address")

    def tokenize(self, source, out, *more, vault=None, purpose="own_account"):
        return (vault or self.vault).client("tokenize", "--csv", source, "--out", out,
                                            "--subject", "user_name", *self.MAPS, "--purpose",
                                            purpose, "--consent", "policy", *more)

    def detokenize(self, source, out, *more, vault=None, purpose="own_account"):
        return (vault or self.vault).client("detokenize", "--csv", source, "--out", out,
                                            *self.COLUMNS, "--purpose", purpose, *more)

    def people(self, name, count=PEOPLE, seed=1):
        path = self.home / name
        done = PROGRAM.run("people", "--count", count, "--seed", seed, "--out", path)
        self.assertEqual(done.code, 0, done.err)
        return path

    def test_round_trip(self):
        import csv
        source = self.people("people.csv")
        tokens = self.home / "tokens.csv"
        done = self.tokenize(source, tokens)
        self.assertEqual(done.code, 0, done.err)
        with open(source, newline="") as original, open(tokens, newline="") as replaced:
            rows = list(csv.DictReader(original))
            hidden = list(csv.DictReader(replaced))
        self.assertEqual(len(rows), PEOPLE)
        self.assertEqual([r["user_name"] for r in rows], [h["user_name"] for h in hidden])
        text = tokens.read_text()
        for row, token_row in zip(rows, hidden):
            for column in ("mobile", "email"):
                if row[column]:
                    self.assertNotIn(row[column], text)
            for column in ("real_name", "mobile", "email", "address"):
                self.assertEqual(bool(row[column]), token_row[column].startswith("obl1."))
        back = self.home / "back.csv"
        done = self.detokenize(tokens, back)
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(back.read_bytes(), source.read_bytes())
        wrong = self.home / "wrong.csv"
        done = self.detokenize(tokens, wrong, "--on-error", "report", purpose="improve")
        self.assertEqual(done.code, 3, done.err)
        shown = wrong.read_text()
        for row in rows[:200]:
            for column in ("mobile", "email"):
                if row[column]:
                    self.assertNotIn(row[column], shown)

    def test_tables_that_cannot_be_used(self):
        good = "user_name,real_name,mobile,email,address\n"
        for name, (text, words) in {
            "ragged": (good + f"{CANARY},a,b\n", ["2"]),
            "too wide": (good + f"{CANARY},a,,,,x\n", ["2"]),
            "missing column": (f"user_name,real_name,mobile\n{CANARY},,\n", ["email"]),
            "open quote": (good + f'{CANARY},"a,,,\n', []),
            "empty file": ("", []),
            "not UTF-8": (None, []),
        }.items():
            with self.subTest(name):
                source = self.home / "bad.csv"
                if text is None:
                    source.write_bytes(good.encode() + CANARY.encode() + b",\xff\xfe,,,\n")
                else:
                    source.write_text(text)
                out = self.home / "bad.out.csv"
                self.fails(self.tokenize(source, out), *words)
                self.assertFalse(out.exists(), "half a table was left under the final name")
                for left in self.home.glob("bad.out.csv*"):
                    left.unlink()
        source = self.people("few.csv", 3)
        self.fails(self.tokenize(self.home / "missing.csv", self.home / "x.csv"), "missing.csv")
        self.fails(self.tokenize(source, "/nonexistent/x.csv"), "/nonexistent")
        self.fails(self.tokenize(source, "/proc/x.csv"))
        self.fails(self.tokenize(source, source))
        self.fails(self.tokenize(source, self.home / "y.csv", "--consent", "nothing"))
        self.fails(self.tokenize(source, self.home / "z.csv", purpose=CANARY))
        self.assertFalse((self.home / "z.csv").exists())

    def test_disk_full(self):
        source = self.people("full.csv", 500)
        mount = self.home / "small"
        mount.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(mount)],
                              capture_output=True, check=False)
        if made.returncode != 0:
            print("skipped disk_full: a tmpfs cannot be mounted here")
            return
        try:
            done = self.tokenize(source, mount / "out.csv")
            self.fails(done)
            self.assertTrue(not (mount / "out.csv").exists() or
                            (mount / "out.csv.state").exists())
            subprocess.run(["mount", "-o", "remount,size=8m", str(mount)], check=True)
            done = self.tokenize(source, mount / "out.csv")
            self.assertEqual(done.code, 0, done.err)
            done = self.detokenize(mount / "out.csv", mount / "back.csv")
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual((mount / "back.csv").read_bytes(), source.read_bytes())
        finally:
            subprocess.run(["umount", str(mount)], check=False)

    def test_a_killed_server_and_the_same_command_again(self):
        with temporary_home() as home:
            vault = VaultProcess(PROGRAM, home).init().start()
            source = self.people("killed.csv", PEOPLE, 9)
            tokens = home / "tokens.csv"
            arguments = ("--batch", "50", "--connections", "2")
            first = {}
            runner = threading.Thread(target=lambda: first.setdefault(
                "done", self.tokenize(source, tokens, *arguments, vault=vault)))
            runner.start()
            state = pathlib.Path(str(tokens) + ".state")
            deadline = time.monotonic() + 60
            while not state.exists() and time.monotonic() < deadline and runner.is_alive():
                time.sleep(0.002)
            time.sleep(0.15)
            vault.kill()
            runner.join()
            if first["done"].code == 0:
                print("note: the table was finished before the server was killed")
            else:
                # What there is is marked as unfinished.
                self.assertEqual(tokens.exists(), state.exists())
            vault.start()
            done = self.tokenize(source, tokens, *arguments, vault=vault)
            self.assertEqual(done.code, 0, done.err)
            back = home / "back.csv"
            done = self.detokenize(tokens, back, vault=vault)
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual(back.read_bytes(), source.read_bytes())
            vault.stop()


class Zanaries(unittest.TestCase):
    """Last: what the run planted was never said."""

    def test_nothing_planted_was_said(self):
        said = bytes(SPOKEN.bytes)
        self.assertGreater(len(said), 1000)
        for text in PLANTED:
            raw = text.encode()
            for form in (raw, raw.hex().encode(), base64.b64encode(raw)[:-4]):
                if len(form) < 8:
                    continue
                at = said.find(form)
                around = said[max(0, at - 120):at] if at >= 0 else b""
                self.assertEqual(at, -1, f"a planted text was said after {around!r}")


if __name__ == "__main__":
    PROGRAM = Program(sys.argv.pop(1))
    unittest.main(verbosity=2)
