"""A vault of the real binary with something of everything in it, and what a reader should find."""

import contextlib
import pathlib
import shutil
import sys
import time

from .lmdb_file import LmdbFile
from .reading import Damaged

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from vault_process import VaultProcess  # noqa: E402

PEOPLE = 8
ERASED, FIELD_DELETED, REPLACED, WITHDRAWN, OBJECTING, MANY = 1, 2, 3, 4, 5, 6
FIELDS = {
    "username": lambda n: f"user {n}",
    "mobile": lambda n: f"+86 139 0000-{n:04d}",
    "email": lambda n: f"Person.{n}@Example.org",
    "real_name": lambda n: f"Lǐ  Míng {n}",
    "industry": lambda n: "steel",
    "address": lambda n: {"lines": [f"{n} Long Road"], "city": "Shanghai", "country": "CN"},
}
FORMAT_FIELDS = ("mobile", "email")  # as the example policy says
LOG_ENTRIES_MIN = 256
WAIT_SECONDS = 60
ITEM_COUNT = 60  # chat texts of one person: more items than the first area holds


def id_of(number):
    return f"person-{number}"


class Story:
    """Runs the story once. `fields` is {external id: {field: [values]}} of the living, `tokens`
    {(external id, field): token} of recipient web."""

    def __init__(self, program, home):
        self.vault = VaultProcess(program, home).init().start()
        self.fields, self.tokens = {}, {}
        self.old_fields = {}
        self.backup = self.vault.home / "backup"
        for number in range(PEOPLE):
            self._store(number)
        self._many_items()
        self._read_much()
        self.revoked = self._revoke_a_client()
        self._back_up()
        self._revoke()
        self.random_token = self._random_token()
        self.table_tokens = self._table_tokens()
        self.checkpoint = self._checkpoint()
        self._wait_for_tiles()
        assert self.vault.stop() == 0

    def _ok(self, answer):
        assert answer.status == 200, answer.body
        return answer.json

    def _store(self, number):
        subject = id_of(number)
        self._ok(self.vault.consent(subject))
        values = {field: make(number) for field, make in FIELDS.items()}
        stored = self._ok(self.vault.put(subject, **values))
        self.fields[subject] = {field: [value] for field, value in values.items()}
        self.tokens.update({(subject, field): token for field, token in stored["tokens"].items()})

    def _many_items(self):
        """Values whose end is known, and enough of them to reach the second area of items."""
        subject = id_of(MANY)
        texts = [f"message {n} of {subject} " + "x" * n * 11 for n in range(ITEM_COUNT)]
        items = [{"subject": subject, "field": "chat_text", "value": text} for text in texts]
        self._ok(self.vault.request("POST", "/v1/tokenize", {"items": items, "purpose": "support"},
                                    key="app-support_desk"))
        order = {"total": 12.5, "paid": True}
        self._ok(self.vault.request("POST", "/v1/tokenize", {"items": [
            {"subject": subject, "field": "order_info", "value": order}], "purpose": "provide"}))
        self.fields[subject].update(chat_text=texts, order_info=[order])

    def _read_much(self):
        """Enough entries for a tile of the log."""
        for _ in range(LOG_ENTRIES_MIN // len(self.tokens) + 1):
            self._ok(self.vault.detokenize(*self.tokens.values()))

    def _wait_for_tiles(self):
        """Tiles are stored beside requests, some time after their entries."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(Damaged):  # read while the server writes
                file = LmdbFile(self.vault.data / "store/data.mdb")
                has_tiles = bool(file.tables["tiles"])
                file.close()
                if has_tiles:
                    return
            time.sleep(0.2)
        raise AssertionError("no tile was stored")

    def _checkpoint(self):
        """The newest signed head of the log."""
        answer = self.vault.request("GET", "/v1/audit/checkpoint", key=None)
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def _revoke_a_client(self):
        name = "short-lived"
        for verb in (["enrol", name, "--role", "app", "--recipient", "web", "--out",
                      self.vault.keys / "short.key"], ["revoke", name]):
            done = self.vault.client("client", *verb, key="policy_admin")
            assert done.code == 0, done.err
        return name

    def _back_up(self):
        done = self.vault.client("backup", self.backup, key="key_operator")
        assert done.code == 0, done.err
        self.old_fields = {subject: {field: list(values) for field, values in fields.items()}
                           for subject, fields in self.fields.items()}
        # As `restore` would place it.
        (self.vault.home / "restored/store").mkdir(parents=True)
        shutil.copy(self.backup / "data.mdb", self.vault.home / "restored/store/data.mdb")

    def _revoke(self):
        self._ok(self.vault.put(id_of(REPLACED), username="a new name"))
        self.fields[id_of(REPLACED)]["username"] = ["a new name"]
        self._ok(self.vault.put(id_of(FIELD_DELETED), email="another@example.org"))
        self.deleted = self._ok(self.vault.request(
            "DELETE", f"/v1/subjects/{id_of(FIELD_DELETED)}/fields/email?purpose=own_account"))
        del self.fields[id_of(FIELD_DELETED)]["email"]
        self._ok(self.vault.consent(id_of(WITHDRAWN), "improve", kind="express"))
        self._ok(self.vault.consent(id_of(WITHDRAWN), "improve", granted=False))
        self._ok(self.vault.consent(id_of(REPLACED), "improve", kind="express"))
        self._ok(self.vault.consent(id_of(OBJECTING), "not_objected.promote", granted=False))
        self.erased = self._ok(self.vault.request(
            "POST", f"/v1/subjects/{id_of(ERASED)}/erase", {"ground": "no_longer_using"},
            key="privacy_officer", headers={"Prefer": "wait=30"}))
        assert self.erased["state"] == self.deleted["state"] == "final"
        del self.fields[id_of(ERASED)]

    def _table_tokens(self):
        """One of each other kind, for the same stored value."""
        made = {}
        for name, kind in (("one_time", "one_time"), ("used", "one_time"), ("handle", "handle"),
                           ("value", "value")):
            answer = self._ok(self.vault.request("POST", "/v1/tokenize", {
                "items": [{"subject": id_of(0), "field": "email"}], "purpose": "own_account",
                "token": {"kind": kind}}))
            made[name] = answer["items"][0]["token"]
        assert self._ok(self.vault.detokenize(made["used"]))["failed"] == 0
        assert self._ok(self.vault.detokenize(made["used"]))["failed"] == 1
        return made

    def _random_token(self):
        """A token that differs each time, for a stored value, and pinned to nothing."""
        made = self._ok(self.vault.request("POST", "/v1/tokenize", {
            "items": [{"subject": id_of(0), "field": "email"}], "purpose": "own_account",
            "token": {"kind": "pointer", "expires_in": 3600}}))
        assert made["failed"] == 0, made
        return made["items"][0]["token"]
