"""A whole vault: every row of every table opened, explained and checked against the others."""

import pathlib
import struct

from . import address, people, table_tokens, tokens
from .audit import Log, log_key, open_checkpoint
from .exceptions import decode_exception
from .erasures import (EFFECTIVE, decode_erasure, decode_queued, digest_in_log, join_pieces,
                       verify)
from .keeper import STORE_FILES, Keeper
from .lmdb_file import LmdbFile
from .normaliser import normalise
from .primitives import blake2b, subkey
from .reading import Damaged, check
from .tables import (META, NAME_KINDS, decode_client, decode_expiry, decode_meta, decode_names,
                     decode_policies)

TENANT = 1
TABLES = {"meta", "people", "names", "policies", "clients", "audit", "erasures", "queue", "expiry",
          "requests", "tiles", "exceptions", "counters", "subject_requests", "suppressions",
          "table_tokens"}
FILES = {"vault.json", "store", "tls", "staging"}  # staging: empty but during a backup

# Registers (vault/keys/key_plane.hpp): what they count.
PERSON_LEASE, HANDLE_LEASE, NAME_ID, CLIENT_NUMBER, POLICY_VERSION, NEXT_BANK, TERM = (
    1, 2, 3, 4, 6, 8, 9)
REGISTERS = range(1, 19)

SUBJECT_SCOPE = 1
# Slots that every policy has: a person's own switches, granted until they are withdrawn.
SWITCHES = ("switch.abroad", "switch.promotion", "switch.adult")

# Scopes whose erasures get a receipt.
RECEIPT_SCOPES = {"subject", "field", "region", "recipient", "bank", "tenant"}


class Person:
    """One person's rows: {people.Place: record}, where a record may be people.Dead."""

    def __init__(self):
        self.rows = {}

    def of_kind(self, kind):
        return {place: record for place, record in self.rows.items() if place.kind == kind}

    def only(self, kind):
        return next(iter(self.of_kind(kind).values()), None)

    @property
    def external_id(self):
        return self.only(people.EXTERNAL_ID)

    def values(self, field):
        """Living values of a field, oldest first."""
        return [record for place, record in sorted(self.of_kind(people.VALUE_ROW).items())
                if place.field == field and isinstance(record, people.Value)]

    def markers(self, slot):
        """Living consents of a slot, oldest first."""
        return [record for place, record in sorted(self.of_kind(people.MARKER).items())
                if place.field == slot and isinstance(record, people.Marker)]


class Vault:
    """`damage` lists what does not open or does not fit, `unexplained` what has no meaning. Both
    are empty for a vault that is whole. Without a keeper that opens, the data is not read."""

    def __init__(self, data, keeper_directories, secret):
        self.data = pathlib.Path(data)
        self.damage, self.unexplained = [], []
        self.people, self.names, self.policies, self.clients = {}, {}, {}, {}
        self.exceptions = {}
        self.tokens = {}  # table_tokens.Place: Token or Dead
        self.expiry, self.queue, self.erasures, self.proven = [], {}, {}, set()
        self.meta = self.log = None
        self.keepers = [keeper for directory in keeper_directories
                        if (keeper := self._try(f"keeper {directory.name}", Keeper, directory,
                                                secret))]
        self.file = self._try("store", LmdbFile, self.data / "store/data.mdb")
        if self.keepers and self.file:
            self.keeper = max(self.keepers, key=lambda keeper: (keeper.head.term,
                                                                keeper.head.epoch))
            self.tree = self.keeper.tree
            self.rows = self.file.tables
            self._read()
        for keeper in self.keepers:
            self.unexplained += keeper.unexplained
        self._explain_files()

    def close(self):
        for opened in filter(None, [*self.keepers, self.file]):
            opened.close()

    def _try(self, what, work, *arguments):
        """What `work` returns; None, and a line in `damage`, if bytes are not what they should."""
        try:
            return work(*arguments)
        except Damaged as damaged:
            self.damage.append(f"{what}: {damaged}")
        except (ValueError, KeyError, IndexError, struct.error) as error:
            self.damage.append(f"{what}: malformed ({type(error).__name__})")
        return None

    def _read(self):
        for table in set(self.rows) - TABLES:
            self.unexplained += [(table, key) for key in self.rows[table]]
        self.unexplained += [("meta", key) for key in self.rows["meta"] if key not in META]
        self.unexplained += [("requests", key) for key in self.rows["requests"]]
        self.meta = self._try("meta", decode_meta, self.rows["meta"])
        self.names = self._try("names", decode_names, self.rows["names"]) or {}
        self.policies = self._try("policies", decode_policies, self.rows["policies"]) or {}
        if not self.meta or not self.policies:
            return  # the rest is checked against these
        self.log = self._try("audit", Log, self.rows["audit"], self.meta.log)
        for key, row in self.rows["tiles"].items() if self.log else ():
            self._try("tiles", self.log.check_tile, key, row)
        self._read_clients()
        for key, row in self.rows["suppressions"].items():
            self._try("suppressions", self._check_suppression, key, row)
        self._read_people()
        self._read_exceptions()
        self._read_table_tokens()
        self._read_expiry()
        self._read_revocations()
        self._try("keepers", self._check_keepers)
        self._try("registers", self._check_registers)
        self._try("names", self._check_names)

    def _read_clients(self):
        for key, row in self.rows["clients"].items():
            if found := self._try("clients", decode_client, self.tree, TENANT, key, row):
                self.clients[found[0]] = found[1]

    def _read_exceptions(self):
        for key, row in self.rows.get("exceptions", {}).items():
            if found := self._try("exceptions", decode_exception, self.tree, TENANT, key, row):
                self.exceptions[found.identity] = found

    def _check_suppression(self, key, row):
        leaf = self.tree.find(address.system(TENANT, address.SUPPRESSION, 0, 0))
        check(leaf is not None, "the key of suppressions is dead")
        tag = blake2b(b"\0", key, row[:4], key=subkey(leaf, "oblsys_1", 0x26), size=16)
        check(row[4:] == tag, "a suppression with another tag")

    # ---- People.
    def _read_people(self):
        opener = people.Opener(self.tree)
        for key, row in self.rows["people"].items():
            if found := self._try("people", opener.open, key, row):
                place, record = found
                self.people.setdefault(place.local, Person()).rows[place] = record
        for local, person in self.people.items():
            self._try(f"person {local}", self._check_person, local, person)

    def find(self, external_id):
        """(number, Person) of a person who is alive; None if there is none."""
        return next(((local, person) for local, person in self.people.items()
                     if person.external_id == external_id), None)

    def is_erased(self, local):
        return self.keeper.is_dead(address.person(TENANT, local))

    def open_checkpoint(self, note):
        """(generation, size, root) of a signed head of this log."""
        leaf = self.tree.find(address.system(0, address.AUDIT_SIGN, 0, self.meta.log_kid))
        check(leaf is not None, "the key of the log is dead")
        return open_checkpoint(note, self.meta.vault, log_key(leaf))

    def field_types(self):
        """{field number: type} of the newest policy."""
        fields = self.policies[max(self.policies)].document["fields"]
        return {self.names["field", name]: rule["type"] for name, rule in fields.items()}

    def _phone_country(self, field):
        document = self.policies[max(self.policies)].document
        rule = next(rule for name, rule in document["fields"].items()
                    if self.names["field", name] == field)
        home = document["regions"][document["policy"]["home_region"]]["countries"]
        return rule.get("phone_country", home[0] if home else None)

    def _check_person(self, local, person):
        if self.is_erased(local):
            return  # its rows wait for removal
        if self.tree.find(address.fixed(address.person(TENANT, local))) is None:
            self._check_held(local, person)
            return
        for kind in (people.PERSON, people.HOT, people.EXTERNAL_ID):
            check(len(person.of_kind(kind)) == 1, "one of its rows is missing")
        items = [place.item for place in person.rows
                 if place.kind in (people.VALUE_ROW, people.MARKER)]
        check(len(items) == len(set(items)), "an item number is used twice")
        row = person.only(people.PERSON)
        if isinstance(row, people.PersonRow):
            check(all(0 < item < row.next_item for item in items), "an item from the future")
        for place, value in person.of_kind(people.VALUE_ROW).items():
            if isinstance(value, people.Value) and value.truth:
                self._check_truth(place, value)

    def _check_held(self, local, person):
        """An erasure goes around a legal hold: what is left waits for its end."""
        check(len(person.of_kind(people.EXTERNAL_ID)) == 1, "nothing finds what is held")
        waiting = [record for place, record in person.of_kind(people.NOTE).items()
                   if place.rest == people.WAITING_ERASURE]
        check(len(waiting) == 1 and waiting[0] in self.rows_of_erasures(),
              "a person without S_fix whom no erasure waits for")

    def rows_of_erasures(self):
        return {key[:16] for key in self.rows["erasures"]}

    def _check_truth(self, place, value):
        fingerprint, normaliser, kid = value.truth
        check(normaliser == 2, "an index truth of another normaliser")
        leaf = self.tree.find(address.system(TENANT, address.INDEX, 0, kid))
        check(leaf is not None, "an index key is dead")
        same = normalise(self.field_types()[place.field], value.kind == 2, value.text.decode(),
                         self._phone_country(place.field))
        check(fingerprint == people.fingerprint(leaf, place.field, same),
              "an index truth of another value")

    # ---- Tokens of the table.
    def _read_table_tokens(self):
        counts = {}
        for key, row in self.rows.get("table_tokens", {}).items():
            if not (found := self._try("table_tokens", table_tokens.decode, self.tree, key, row)):
                continue
            place, record = found
            if place:
                self.tokens[place] = record
            elif isinstance(record, table_tokens.Count):
                drawn = record.recipient, record.kid, record.generation
                counts[drawn] = counts.get(drawn, 0) + record.count
        for place, token in self.tokens.items():
            if isinstance(token, table_tokens.Token):
                self._try("table_tokens", self._check_token, place, token)
        for drawn, count in counts.items():
            rows = sum(1 for place, token in self.tokens.items()
                       if isinstance(token, table_tokens.Token)
                       and (place.recipient, place.kid, token.generation) == drawn)
            if count > rows:
                self.damage.append("table_tokens: more tokens were drawn than there are")
        for local, person in self.people.items():
            self._try(f"person {local}", self._check_given, local, person)

    def _check_token(self, place, token):
        check(token.generation <= self.meta.generation, "a token from the future")
        check(("field", token.field) in {(kind, number) for (kind, _), number
                                         in self.names.items()}, "a token of no field")
        if token.handle is not None:
            check(token.handle < self.keeper.registers.get((HANDLE_LEASE, TENANT, 0, 0), 0),
                  "a handle that was never leased")
        for local, _ in token.members:
            if not self.is_erased(local):
                check(local in self.people, "a token of nobody")

    def _check_given(self, local, person):
        """What a person's rows remember is in the table, and points back."""
        for where, given in person.of_kind(people.GIVEN_TOKEN).items():
            if not isinstance(given, people.GivenToken):
                continue
            find = table_tokens.find_key(self.tree, TENANT, where.recipient, given.kid, given.text)
            if find is None:
                continue  # cut off
            place = table_tokens.Place(TENANT, where.recipient, given.kid, find)
            token = self.tokens.get(place)
            check(token is not None, "a remembered token is not in the table")
            if isinstance(token, table_tokens.Token):
                check(token.kind == where.token_kind and token.field == where.field,
                      "a remembered token is another one")
                check(local in [member for member, _ in token.members],
                      "a remembered token is somebody else's")
                known = token.kind != table_tokens.FORMAT or "@" in given.text \
                    or "-" in given.text
                check(known or table_tokens.class_of(find) == min(token.generation,
                                                                  table_tokens.CLASS_LAST),
                      "a token of another generation's class")
        handles = [token.handle for token in self.tokens.values()
                   if isinstance(token, table_tokens.Token) and (local, 0) in token.members
                   and token.handle is not None]
        given = [row for row in person.of_kind(people.GIVEN_HANDLE).values()
                 if isinstance(row, int)]
        check(set(handles) <= set(given), "an erasure would not find a handle")

    def point_of(self, recipient, text):
        """(number of a person, field, kind) that a token of this recipient points to."""
        if text.startswith(tokens.PREFIX):
            payload = tokens.open_token(self.tree, TENANT, recipient, text)
            return payload.local, payload.field, payload.kind
        for place, token in self.tokens.items():
            same = place.recipient == recipient and place.find == table_tokens.find_key(
                self.tree, TENANT, recipient, place.kid, text)
            if same and isinstance(token, table_tokens.Token):
                local = token.members[0][0] if token.members else None
                return local, token.field, token.kind
        raise Damaged("no token of this recipient")

    # ---- Days.
    def _read_expiry(self):
        self.expiry = [row for key, value in self.rows["expiry"].items()
                       if (row := self._try("expiry", decode_expiry, key, value))]
        listed = {(row.retention_class, row.day, row.row_key) for row in self.expiry}
        stored = set()
        for key, row in self.rows["people"].items():
            if found := self._try("people", self._end_of, key, row):
                stored.add((*found, key))
        for retention_class, day, _ in stored - listed:
            self.damage.append(f"expiry: a value of class {retention_class} that ends on day {day} "
                               "is not listed")

    @staticmethod
    def _end_of(key, row):
        """(retention class, day) of a value whose end is known."""
        if people.decode_key(key).kind != people.VALUE_ROW:
            return None
        _, fields, _ = people.split_header(row, "people")
        known = fields.day not in (address.OPEN_DAY, address.HOLD_DAY)
        return (fields.retention_class, fields.day) if known else None

    # ---- Revocations.
    def _read_revocations(self):
        queue = self._try("queue", join_pieces, self.rows["queue"], "queue") or {}
        for identity, row in queue.items():
            if found := self._try("queue", decode_queued, identity, row):
                self.queue[identity] = found
                self._try("queue", self._check_queued, found)
        erasures = self._try("erasures", join_pieces, self.rows["erasures"], "erasures") or {}
        for identity, row in erasures.items():
            if found := self._try("erasures", decode_erasure, row):
                self.erasures[identity] = found
                self._try("erasures", self._check_erasure, identity, found)

    def _check_queued(self, queued):
        leaf = self.tree.find(address.system(TENANT, address.REQUEST, 0, 0))
        check(leaf is None or queued.is_authentic(leaf), "a row of the queue has another tag")
        for where in queued.request.addresses:
            if where.bits <= address.PERSON_BITS or queued.request.scope == SUBJECT_SCOPE:
                continue
            owner = self.people.get(where.slice(18, 36))
            check(owner is not None, "a key of nobody is to be destroyed")
            check(all(where != address.item(place.person(), place.item)
                      for place in owner.rows if place.kind == people.VALUE_ROW),
                  "a key that a stored value needs is to be destroyed")

    def _check_erasure(self, identity, erasure):
        check(erasure.scope in RECEIPT_SCOPES, "an erasure of a scope that gets no receipt")
        if erasure.state == EFFECTIVE:
            check(identity in self.queue, "not final, and not queued either")
            return
        verify(identity, erasure, self.meta.vault)
        check(all(self.keeper.is_dead(where) for where in erasure.addresses),
              "a key that should be dead is alive")
        if self.log:
            self._check_log_record(identity, erasure)
        self.proven.add(identity)

    def _check_log_record(self, identity, erasure):
        record = erasure.log
        check(record.index < self.log.size and self.log.encoded[record.index] == record.entry,
              "its log entry is missing or another one")
        entry = self.log.entries[record.index]
        check((entry.action, entry.object, entry.pseudonym) ==
              ("erase_final", identity, digest_in_log(identity, erasure, self.meta.vault)),
              "its log entry is about something else")
        for public_key in record.keys if record.checkpoint else ():
            _, size, root = open_checkpoint(record.checkpoint, self.meta.vault, public_key)
            check(record.index < size and self.log.roots.get(size, root) == root,
                  "its signed head is not one of the log")

    # ---- Keepers.
    def _check_keepers(self):
        state = self.keeper.state
        for keeper in self.keepers:
            check(keeper.name.vault == self.meta.vault, "a keeper of another vault")
        whole = [k for k in self.keepers if k.head.epoch == self.keeper.head.epoch]
        for keeper in whole:
            check(keeper.head == self.keeper.head and keeper.root_slot == self.keeper.root_slot,
                  "two keepers have two roots for one epoch")
            check(keeper.rows["pages"] == self.keeper.rows["pages"], "keepers have other pages")
            check(keeper.registers == self.keeper.registers, "keepers have other registers")
            check(keeper.state == state, "keepers have other state records")
        if state is None:
            return  # a vault that was never served
        check((self.meta.generation, self.meta.sequence) >= state[:2], "the data is rolled back")
        if self.log:
            check(self.log.roots.get(state.log_size) == state.log_root,
                  "the log never had the root that the keepers remember")

    def _check_registers(self):
        registers = self.keeper.registers
        self.unexplained += [("registers", place) for place in registers
                             if place[0] not in REGISTERS]
        bank = max(self.people, default=0) >> 24
        check(bank < registers[NEXT_BANK, TENANT, address.PEOPLE, 0], "a bank that is not open")
        lease = registers.get((PERSON_LEASE, TENANT, 0, 0), 0)  # none before the first person
        handles = registers.get((HANDLE_LEASE, TENANT, 0, 0), 0)
        check(self.meta.handles <= handles, "a lease of handles that the keepers do not know")
        check(self.meta.numbers <= lease, "a lease that the keepers do not know")
        check(all(local < lease for local in self.people),
              "a person's number that was never leased")
        check(all(client <= registers[CLIENT_NUMBER, TENANT, 0, 0] for client in self.clients),
              "a client's number that was never given")
        newest = max(self.policies)
        mark = newest << 48 | int.from_bytes(self.policies[newest].digest[:6], "big")
        check(registers[POLICY_VERSION, TENANT, 0, 0] == mark, "the newest policy is another one")
        check(registers[TERM, 0, 0, 0] >= max(self.keeper.head.term, self.meta.term),
              "a term that nobody took")
        for (kind, _), number in self.names.items():
            check(number < registers[NAME_ID, TENANT, NAME_KINDS[kind], 0],
                  f"a {kind} has a number that was never given")
            check(number > 0 or kind == "slot", f"a {kind} has the number of none")

    def _check_names(self):
        """The names are those of the published policies."""
        published = set()
        for policy in self.policies.values():
            document = policy.document
            for kind, part in (("field", "fields"), ("purpose", "purposes"), ("slot", "consents"),
                               ("recipient", "recipients"), ("region", "regions")):
                published |= {(kind, name) for name in document.get(part, {})}
            published |= {("category", rule["category"]) for rule in document["fields"].values()}
            published |= {("slot", f"not_objected.{name}")
                          for name, rule in document["purposes"].items() if rule.get("objection")}
            published |= {("slot", name) for name in SWITCHES}
        check(set(self.names) == published, "names and policies differ")
        check(self.meta.tenant == document["policy"]["tenant"], "a policy of another tenant")

    # ---- Files.
    def _explain_files(self):
        for path in self.data.rglob("*"):
            inside = path.relative_to(self.data)
            known = inside.parts[0] in FILES and inside.parts[:-1] != ("staging",)
            if inside.parts[0] == "store" and len(inside.parts) > 1:
                known = len(inside.parts) == 2 and path.name in STORE_FILES
            if not known:
                self.unexplained.append(("file", str(inside)))

    # ---- Who an entry is about.
    def pseudonyms(self):
        """{pseudonym: number of a person}, of everybody alive."""
        found = {}
        for local, person in self.people.items():
            fixed = self.tree.find(address.fixed(address.person(TENANT, local)))
            counter = person.only(people.AUDIT_COUNTER)
            if fixed is None or not isinstance(counter, int):
                continue
            for number in range(counter):
                found[people.pseudonym(fixed, number)] = local
        return found
