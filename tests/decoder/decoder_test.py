"""The independent decoder against a vault of the real binary.

Run as: decoder_test.py PATH_OF_OUBLIETTE [unittest arguments]. OUBLIETTE_SEED repeats a run,
OUBLIETTE_FLIPS makes it longer (bits flipped in each table; 2 unless told).
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from decoder import address, people, primitives, story, tokens, tree  # noqa: E402
from decoder.backup import check_backup  # noqa: E402
from decoder.lmdb_file import LmdbFile  # noqa: E402
from decoder.reading import Damaged  # noqa: E402
from decoder.seals import key_file_secret, passphrase_secret  # noqa: E402
from decoder.vault import SWITCHES, TENANT, Vault  # noqa: E402
from vault_process import POLICY, Program, VaultProcess  # noqa: E402

PROGRAM = None  # set by main
STORY = None    # told by setUpModule
SEED = int(os.environ.get("OUBLIETTE_SEED", random.SystemRandom().randrange(2**32)))
DETERMINISTIC, FORMAT = 2, 3
FLIPS_PER_TABLE = int(os.environ.get("OUBLIETTE_FLIPS", 2))
PASSPHRASE = b"seven quiet words nobody would ever guess"

# Ranges of bytes that no reader can check, [from, to) by table and row size: neither a box nor a
# signature nor the log covers them (README.md).
UNCHECKED = {
    "meta sequence": lambda size: [(0, size)],
    "policies": lambda size: [(0, 4)],
    "clients": lambda size: [(2, 4)],
    "meta term": lambda size: [(0, size)],
    "meta numbers": lambda size: [(0, size)],
    "meta handles": lambda size: [(0, size)],
    "meta sweep": lambda size: [(0, size)],
    "chain": lambda size: [(0, 8), (104, 136), (168, size)],
    "pages": lambda size: [(0, 8)],
}


@contextlib.contextmanager
def opened(data, keepers, secret):
    vault = Vault(data, keepers, secret)
    try:
        yield vault
    finally:
        vault.close()


@contextlib.contextmanager
def flipped(path, byte, bit):
    with open(path, "r+b") as file:
        file.seek(byte)
        old = file.read(1)
        file.seek(byte)
        file.write(bytes([old[0] ^ 1 << bit]))
        file.flush()
        try:
            yield
        finally:
            file.seek(byte)
            file.write(old)


def setUpModule():
    global STORY
    print(f"OUBLIETTE_SEED={SEED}", file=sys.stderr)
    folder = tempfile.TemporaryDirectory(prefix="oubliette-decoder-")
    unittest.addModuleCleanup(folder.cleanup)
    STORY = story.Story(PROGRAM, pathlib.Path(folder.name))


class DecoderTest(unittest.TestCase):
    """One vault for all cases; each reads it anew."""

    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(SEED)
        cls.story = STORY
        cls.home = STORY.vault.home
        cls.keepers = STORY.vault.keepers
        cls.secret = key_file_secret(cls.home / "seal.key")

    def open(self):
        return opened(self.home / "data", self.keepers, self.secret)

    def open_restored(self):
        return opened(self.home / "restored", self.keepers, self.secret)

    def values_of(self, vault, external_id):
        """{field: [values]} as an application gave them."""
        _, person = vault.find(external_id)
        names = {number: name for (kind, name), number in vault.names.items() if kind == "field"}
        stored = {}
        for field, name in sorted(names.items()):
            if found := person.values(field):
                stored[name] = [json.loads(v.text) if v.kind == 2 else v.text.decode()
                                for v in found]
        return stored


class Whole(DecoderTest):
    def test_every_byte_is_explained(self):
        with self.open() as vault:
            self.assertEqual(vault.damage, [])
            self.assertEqual(vault.unexplained, [])
            self.assertEqual(len(vault.keepers), 2)
            for file in [vault.file, *(keeper.file for keeper in vault.keepers)]:
                self.assertEqual(file.lost, set())
            self.assertEqual({page for k in vault.keepers for page in k.orphans}, set())
            explained = sum(len(person.rows) for person in vault.people.values())
            self.assertEqual(explained, len(vault.rows["people"]))

    def test_values_are_those_that_were_stored(self):
        with self.open() as vault:
            living = {person.external_id for person in vault.people.values()}
            self.assertEqual(living, set(self.story.fields))
            for external_id, fields in self.story.fields.items():
                self.assertEqual(self.values_of(vault, external_id), fields)

    def test_searched_fields_have_an_index_truth_and_others_have_none(self):
        searched = {name for name, rule in json.loads(POLICY.read_text())["fields"].items()
                    if rule.get("search") == "blind_index"}
        with self.open() as vault:
            numbers = {vault.names["field", name] for name in searched}
            for person in vault.people.values():
                for place, value in person.of_kind(people.VALUE_ROW).items():
                    self.assertEqual(value.truth is not None, place.field in numbers)

    def test_consents_and_objections(self):
        with self.open() as vault:
            slot = {name: n for (kind, name), n in vault.names.items() if kind == "slot"}

            def hot(number):
                return vault.find(story.id_of(number))[1].only(people.HOT).granted

            objection = 1 << slot["not_objected.promote"]
            switches = sum(1 << slot[name] for name in SWITCHES)
            improve = 1 << slot["improve"]
            self.assertEqual(hot(0), 1 << slot["policy"] | objection | switches)
            self.assertEqual(hot(story.REPLACED), hot(0) | improve)
            self.assertEqual(hot(story.WITHDRAWN), hot(0))
            self.assertEqual(hot(story.OBJECTING), hot(0) & ~objection)
            _, granted = vault.find(story.id_of(story.REPLACED))
            self.assertEqual([m.version for m in granted.markers(slot["improve"])], [3])
            _, withdrawn = vault.find(story.id_of(story.WITHDRAWN))
            self.assertEqual(withdrawn.markers(slot["improve"]), [])
            local, _ = vault.find(story.id_of(story.OBJECTING))
            marker = address.implicit_marker(address.person(TENANT, local),
                                             slot["not_objected.promote"])
            self.assertIsNone(vault.tree.find(marker))
            local, _ = vault.find(story.id_of(0))
            self.assertIsNotNone(vault.tree.find(address.implicit_marker(
                address.person(TENANT, local), slot["not_objected.promote"])))

    def test_tokens_point_to_person_and_field(self):
        with self.open() as vault:
            web = vault.names["recipient", "web"]
            for (external_id, field), token in self.story.tokens.items():
                local, number, kind = vault.point_of(web, token)
                self.assertEqual(number, vault.names["field", field])
                self.assertEqual(kind, FORMAT if field in story.FORMAT_FIELDS else DETERMINISTIC)
                found = vault.find(external_id)
                if found:
                    self.assertEqual(local, found[0])
                else:
                    self.assertTrue(vault.is_erased(local))
            payload = tokens.open_token(vault.tree, TENANT, web, self.story.random_token)
            self.assertEqual((payload.local, payload.kind), (vault.find(story.id_of(0))[0], 1))
            self.assertGreater(payload.expiry, 0)
            other = vault.names["recipient", "support_desk"]
            with self.assertRaises(Damaged):
                tokens.open_token(vault.tree, TENANT, other, self.story.random_token)
            for token in self.story.table_tokens.values():
                self.assertRaises(Damaged, vault.point_of, other, token)

    def test_tokens_of_the_table_are_what_was_asked_for(self):
        with self.open() as vault:
            web = vault.names["recipient", "web"]
            owner = vault.find(story.id_of(0))[0]
            kinds = {"one_time": 4, "used": 4, "handle": 5, "value": 6}
            for name, token in self.story.table_tokens.items():
                local, _, kind = vault.point_of(web, token)
                with self.subTest(token=name):
                    self.assertEqual(kind, kinds[name])
                    # Nothing of the person is left in one that was used.
                    self.assertEqual(local, None if name == "used" else owner)

    def test_api_keys_fit_their_clients(self):
        with self.open() as vault:
            for name in ("app-web", "privacy_officer", "auditor"):
                key = tokens.decode_api_key(self.story.vault.key(name))
                client = vault.clients[key.client]
                self.assertEqual(client.name, name)
                self.assertEqual(client.keys[key.number],
                                 key.verifier(vault.tree, TENANT, client.recipient))
            names = {getattr(client, "name", None) for client in vault.clients.values()}
            self.assertNotIn(self.story.revoked, names)
            key = tokens.decode_api_key(self.story.vault.key("short"))
            web = vault.names["recipient", "web"]
            self.assertIsNone(key.verifier(vault.tree, TENANT, web))

    def test_log_entries_are_those_of_the_story(self):
        with self.open() as vault:
            about = {}
            pseudonyms = vault.pseudonyms()
            for entry in vault.log.entries:
                about.setdefault(pseudonyms.get(entry.pseudonym), []).append(entry)
            for external_id, fields in self.story.fields.items():
                stored = [e.field for e in about[vault.find(external_id)[0]]
                          if e.action in ("put", "tokenize") and e.result == 0]
                for field, values in fields.items():
                    self.assertGreaterEqual(stored.count(vault.names["field", field]), len(values))
            named = [e for e in vault.log.entries
                     if any(e.pseudonym) and e.action != "erase_final"]  # a digest, no pseudonym
            self.assertEqual(len({e.pseudonym for e in named}), len(named))
            unknown = {e.action for e in named if e.pseudonym not in pseudonyms}
            self.assertEqual(unknown, {"put", "consent_grant", "detokenize"})  # erased

    def test_the_signed_head_of_the_log_is_one_of_its_roots(self):
        with self.open() as vault:
            generation, size, root = vault.open_checkpoint(self.story.checkpoint)
            self.assertEqual(generation, 0)
            self.assertGreater(size, 0)
            self.assertEqual(vault.log.roots[size], root)
            other = self.story.checkpoint.replace(f"\n{size}\n", f"\n{size + 1}\n")
            with self.assertRaises(Damaged):
                vault.open_checkpoint(other)

    def test_the_log_has_tiles(self):
        with self.open() as vault:
            self.assertIn(bytes(9), vault.rows["tiles"])

    def test_values_whose_end_is_known_are_listed_by_day(self):
        with self.open() as vault:
            self.assertEqual(len(vault.expiry), story.ITEM_COUNT)
            category = vault.names["category", "messages"]
            self.assertEqual({row.retention_class for row in vault.expiry}, {category})


class Erased(DecoderTest):
    def test_receipts_of_final_erasures_are_proven(self):
        with self.open() as vault:
            self.assertEqual(len(vault.erasures), 2)
            self.assertEqual(set(vault.proven), set(vault.erasures))
            for answer in (self.story.erased, self.story.deleted):
                identity = bytes.fromhex(answer["receipt"]["request_id"])
                row = vault.erasures[identity]
                self.assertEqual(row.finality.hash_after.hex(), answer["receipt"]["h_after"])
            opening = bytes.fromhex(self.story.erased["r"])
            row = vault.erasures[bytes.fromhex(self.story.erased["receipt"]["request_id"])]
            self.assertEqual(row.commitment, primitives.sha256(
                b"obl/rcpt/1", opening, story.id_of(story.ERASED).encode()))

    def test_an_old_backup_does_not_open_what_was_erased(self):
        with self.open_restored() as vault:
            self.assertEqual(vault.damage, ["keepers: the data is rolled back"])
            erased = [person for local, person in vault.people.items() if vault.is_erased(local)]
            self.assertEqual(len(erased), 1)
            self.assertGreaterEqual(len(erased[0].rows), 4 + len(story.FIELDS))
            for record in erased[0].rows.values():
                self.assertIsInstance(record, people.Dead)
            for external_id, fields in self.story.old_fields.items():
                if external_id == story.id_of(story.ERASED):
                    self.assertIsNone(vault.find(external_id))
                    continue
                if external_id == story.id_of(story.FIELD_DELETED):
                    fields = {name: v for name, v in fields.items() if name != "email"}
                self.assertEqual(self.values_of(vault, external_id), fields)

    def test_a_backup_is_signed_by_the_vault(self):
        with self.open() as vault:
            manifest = check_backup(self.story.backup, vault.tree)
            self.assertEqual(manifest["vault"], vault.meta.vault.hex())
            digest = self.story.backup / "manifest.json"
            for file in (digest, self.story.backup / "data.mdb"):
                byte = self.random.randrange(file.stat().st_size)
                with self.subTest(file=file.name, byte=byte), flipped(file, byte, 0):
                    self.assertRaises(Damaged, check_backup, self.story.backup, vault.tree)

    def test_no_key_above_the_erased_is_left_in_the_tree(self):
        with self.open() as vault:
            local, _, _ = vault.point_of(vault.names["recipient", "web"],
                                         self.story.tokens[story.id_of(story.ERASED), "email"])
            gone = address.person(TENANT, local)
            for keeper in vault.keepers:
                self.assertIsNone(keeper.tree.find(gone))
                self.assertIsNone(keeper.tree.find(address.item(gone, 3)))
                seeds = [prefix for prefix, node in keeper.tree.nodes()
                         if node.tag == tree.SEED and prefix.covers(gone)]
                self.assertEqual(seeds, [])


class Damage(DecoderTest):
    """A bit that flips is reported, wherever a box, a hash or another row covers it."""

    def damage_after(self, path, byte, bit):
        with flipped(path, byte, bit), self.open() as vault:
            return vault.damage + vault.unexplained

    def checked_byte(self, name, table, key, size):
        unchecked = UNCHECKED.get(f"{table} {key.decode('latin-1')}", UNCHECKED.get(table))
        ranges = unchecked(size) if unchecked else []
        free = [at for at in range(size) if not any(low <= at < high for low, high in ranges)]
        return self.random.choice(free) if free else None

    def flip_rows(self, path):
        file = LmdbFile(path)
        places, page_size = dict(file.places), file.page_size
        file.close()
        self.assertEqual(page_size, 4096)
        by_table = {}
        for (table, key), place in places.items():
            by_table.setdefault(table, []).append((key, *place))
        flips = 0
        for table, rows in sorted(by_table.items()):
            for key, at, size in self.random.sample(rows, min(len(rows), FLIPS_PER_TABLE)):
                byte = self.checked_byte(path.name, table, key, size)
                if byte is None:
                    continue
                bit = self.random.randrange(8)
                flips += 1
                with self.subTest(table=table, row=key.hex(), byte=byte, bit=bit):
                    self.assertTrue(self.damage_after(path, at + byte, bit))
        return flips

    def test_a_flipped_bit_in_a_row_of_the_data(self):
        self.assertGreater(self.flip_rows(self.home / "data/store/data.mdb"), 2 * FLIPS_PER_TABLE)

    def test_a_flipped_bit_in_a_row_of_a_keeper(self):
        self.assertGreater(self.flip_rows(self.keepers[0] / "plane.1/data.mdb"), FLIPS_PER_TABLE)

    def test_a_flipped_bit_in_the_files_of_a_keeper(self):
        keeper = self.keepers[1]
        with self.open() as vault:
            slot = vault.keepers[1].anchor.slot
        for name, start, end in (("anchor.cell", slot * 65536, slot * 65536 + 178),
                                 ("seal.slots", 0, (keeper / "seal.slots").stat().st_size),
                                 ("signing.key", 0, (keeper / "signing.key").stat().st_size)):
            for _ in range(FLIPS_PER_TABLE):
                byte, bit = self.random.randrange(start, end), self.random.randrange(8)
                with self.subTest(file=name, byte=byte, bit=bit):
                    self.assertTrue(self.damage_after(keeper / name, byte, bit))

    def test_a_row_that_is_missing_or_of_another_vault(self):
        for table, key in (("root", b"root"), ("root", b"members")):
            path = self.keepers[0] / "plane.1/data.mdb"
            file = LmdbFile(path)
            at, _ = file.places[table, key]
            file.close()
            # The name of the row: another name, so that the row is missing.
            with self.subTest(row=key):
                self.assertTrue(self.damage_after(path, at - 1, 0))

    def test_a_file_that_nobody_knows_is_unexplained(self):
        stray = self.home / "data/store/notes.txt"
        stray.write_text("")
        with self.open() as vault:
            self.assertEqual(vault.unexplained, [("file", "store/notes.txt")])
        stray.unlink()

    def test_a_copied_page_file_of_another_keeper_does_not_open(self):
        copy = self.home / "mixed"
        shutil.copytree(self.keepers[0], copy)
        shutil.copy(self.keepers[1] / "plane.1/data.mdb", copy / "plane.1/data.mdb")
        with opened(self.home / "data", [copy], self.secret) as vault:
            self.assertEqual(vault.damage,
                             ["keeper mixed: no slot of the cell opens the root record"])


class Passphrase(unittest.TestCase):
    def test_a_passphrase_opens_the_keepers_and_another_does_not(self):
        with tempfile.TemporaryDirectory(prefix="oubliette-decoder-") as folder:
            home = pathlib.Path(folder)
            file = home / "passphrase"
            file.write_bytes(PASSPHRASE + b"\n")
            file.chmod(0o600)
            vault = VaultProcess(PROGRAM, home)
            done = PROGRAM.run(*vault.init_arguments(seal="passphrase"),
                               env={"OUBLIETTE_PASSPHRASE_FILE": str(file)})
            self.assertEqual(done.code, 0, done.err)
            with opened(vault.data, vault.keepers, passphrase_secret(PASSPHRASE)) as good:
                self.assertEqual((good.damage, good.unexplained), ([], []))
            with opened(vault.data, vault.keepers, passphrase_secret(PASSPHRASE[:-1])) as bad:
                self.assertEqual(len(bad.damage), 2)
                self.assertEqual(bad.people, {})


class Exceptions(unittest.TestCase):
    """Orders, holds, and an erasure that goes around one."""

    def post(self, vault, path, body, key="privacy_officer", **more):
        answer = vault.request("POST", path, body, key=key, **more)
        self.assertIn(answer.status, (200, 201), answer.body)
        return answer.json

    def test_every_byte_of_orders_and_holds_is_explained(self):
        review = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 20 * 86_400))
        paper = "ab" * 32
        with tempfile.TemporaryDirectory(prefix="oubliette-decoder-") as folder:
            vault = VaultProcess(PROGRAM, pathlib.Path(folder)).init().start()
            for subject in ("anna", "ben"):
                self.assertEqual(vault.consent(subject).status, 200)
                put = vault.request("PUT", f"/v1/subjects/{subject}", {
                    "fields": {"username": subject, "email": f"{subject}@example.org"},
                    "purpose": "own_account",
                    "sources": {"username": {"public_source": paper, "found": "2026-01-02"}}})
                self.assertEqual(put.status, 200, put.body)
            order = self.post(vault, "/v1/orders", {
                "basis": "criminal_case", "authority": "court", "subjects": ["anna", "ben"],
                "fields": ["username"], "paper_sha256": paper})["id"]
            self.post(vault, f"/v1/orders/{order}/approve", {})
            hold = self.post(vault, "/v1/holds", {
                "subject": "ben", "ground": "legal_obligation", "categories": ["account"],
                "review": review, "law": "tax code"})["id"]
            erased = self.post(vault, "/v1/subjects/ben/erase", {"ground": "breach"},
                               headers={"Prefer": "wait=30"})
            self.assertEqual(erased["state"], "partly_held")
            self.assertEqual(vault.stop(), 0)
            with opened(vault.data, vault.keepers, key_file_secret(vault.home / "seal.key")) as all_:
                self.assertEqual((all_.damage, all_.unexplained), ([], []))
                ordered = all_.exceptions[bytes.fromhex(order[3:])]
                held = all_.exceptions[bytes.fromhex(hold[3:])]
                local, ben = all_.find("ben")
                _, anna = all_.find("anna")
                erasure = all_.erasures[bytes.fromhex(erased["id"][3:])]
            self.assertEqual((ordered.content.subjects, len(ordered.content.approvals.given)),
                             (2, 1))
            self.assertTrue(ordered.is_alive and held.is_alive)
            self.assertEqual((held.content.state, held.content.subject), (2, local))
            for person in (anna, ben):
                links = person.of_kind(people.ORDER_LINK)
                self.assertEqual(list(links.values()), [ordered.identity])
            self.assertEqual(list(ben.of_kind(people.HOLD_LINK).values()), [held.identity])
            self.assertEqual([record.header.day for record in ben.of_kind(people.VALUE_ROW).values()
                              if isinstance(record, people.Value)], [address.HOLD_DAY])
            self.assertEqual(ben.of_kind(people.PERSON), {})
            self.assertEqual([kept[:2] for kept in erasure.kept], [("account", "5.5(1)")])


def main():
    global PROGRAM
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = Program(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])


if __name__ == "__main__":
    main()
