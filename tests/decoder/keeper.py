"""One keeper: from files and an unseal secret to its tree and its rows (vault/keys/PLANE.md)."""

import struct
from typing import NamedTuple

from . import address
from .cells import open_cell
from .lmdb_file import LmdbFile
from .primitives import (STRUCTURAL, VALUE, blake2b, box_size, merkle_root, open_box, public_key_of,
                         sha256, subkey)
from .reading import Damaged, Reader, check
from .seals import open_seals
from .tree import KeyTree, decode_root_slot, prefix_of, root_hash

FILES = {"anchor.cell", "seal.slots", "signing.key", "owner.lock", "io.lock"}
STORE_FILES = {"data.mdb", "lock.mdb", "owner.lock"}
TABLES = {"root", "pages", "chain", "requests", "request_ids", "pending", "registers"}
LEAVES_PER_PART = 1_024
ACTIVE_MEMBER = 2


class Name(NamedTuple):
    vault: bytes
    keeper: bytes
    public_key: bytes


class Head(NamedTuple):
    epoch: int
    term: int
    previous: bytes
    hash: bytes
    members: bytes


class Member(NamedTuple):
    keeper: bytes
    public_key: bytes
    cell_class: str
    status: int  # 1 joining, 2 active, 3 expelled
    last_epoch: int


class Members(NamedTuple):
    list: list
    hash: bytes


class ChainRow(NamedTuple):
    epoch: int
    term: int
    previous: bytes
    root: bytes
    members: bytes
    request_root: bytes
    hash: bytes

    @staticmethod
    def read(epoch, reader):
        return ChainRow(epoch, reader.u64(), *(reader.take(32) for _ in range(5)))

    def is_consistent(self, vault):
        return self.hash == blake2b(b"oblplane", vault, struct.pack("<Q", self.epoch),
                                    self.previous, self.root, self.members)


class Request(NamedTuple):
    id: bytes
    scope: int
    ground: int
    commitment: bytes
    blind: bytes
    addresses: list

    def digest(self):
        return request_digest(self.id, self.blind, self.addresses)


class State(NamedTuple):
    generation: int
    sequence: int
    log_size: int
    log_root: bytes


def decode_members(encoded):
    reader = Reader(encoded, "member list")
    members = [Member(reader.take(16), reader.take(32), reader.take(1).decode(), reader.u8(),
                      reader.u64()) for _ in range(reader.u16())]
    reader.end()
    check([m.keeper for m in members] == sorted({m.keeper for m in members}),
          "member list: out of order")
    return Members(members, blake2b(b"oblmemb\x01", encoded))


def request_digest(identity, blind, addresses):
    return sha256(identity, blind, address.encode_list(addresses))


def _bound(kind, name):
    """How the associated data of every row of a keeper begins."""
    return b"obl1" + bytes([kind, 0]) + name.vault + name.keeper


def read_signing_file(data):
    """(Name, box) of signing.key."""
    what = "signing.key"
    check(sha256(data[:-32]) == data[-32:], f"{what}: the check sum is another one")
    reader = Reader(data[:-32], what)
    reader.expect(b"OBLSIGN1\x01\x01\x00\x00", "magic or version")
    name = Name(reader.take(16), reader.take(16), reader.take(32))
    box = reader.take(box_size(32, STRUCTURAL))
    reader.end()
    return name, box


class Keeper:
    """Everything one keeper has, opened. What does not open is Damaged; everything that is there
    and has no meaning is listed in `unexplained`."""

    def __init__(self, directory, secret):
        self.directory = directory
        self.unexplained = []
        self.name, signing_box = read_signing_file((directory / "signing.key").read_bytes())
        self.keks = open_seals((directory / "seal.slots").read_bytes(), self.name.vault,
                               self.name.keeper, secret)
        self._check_signing_key(signing_box)
        anchors = open_cell((directory / "anchor.cell").read_bytes(), self.name.vault,
                            self.name.keeper, self.keks)
        self.anchor, self.plane, self.file, self.head, root_slot = self._live_pair(anchors)
        self.root_slot = root_slot
        self.rows = self.file.tables
        self.tree = KeyTree(root_slot, self.rows["pages"])
        self._read_rows()
        self._explain_files()

    def close(self):
        self.file.close()

    def _open_with_any(self, use):
        """While a re-seal is under way there are two KEKs, and each row is under one of them."""
        for kek in self.keks[:-1]:
            try:
                return use(kek.key)
            except Damaged:
                pass
        return use(self.keks[-1].key)

    def _check_signing_key(self, box):
        bound = _bound(0x14, self.name) + self.name.public_key
        seed = self._open_with_any(
            lambda kek: open_box(subkey(kek, "oblsys_1", 4), STRUCTURAL, box, bound, "signing.key"))
        check(public_key_of(seed) == self.name.public_key, "signing.key: another public key")

    def _live_pair(self, anchors):
        """The pair of slot and plane directory that opens; the highest (epoch, n) of several."""
        pairs = []
        for plane in sorted(self.directory.glob("plane.*")):
            file = LmdbFile(plane / "data.mdb")
            record = file.tables.get("root", {}).get(b"root", b"")
            for anchor in anchors:
                try:
                    head, slot = self._open_root(record, anchor)
                except Damaged:
                    continue
                number = int(plane.name.partition(".")[2])
                pairs.append(((head.epoch, number), anchor, plane, file, head, slot))
        check(pairs, "no slot of the cell opens the root record")
        return max(pairs, key=lambda pair: pair[0])[1:]

    def _open_root(self, record, anchor):
        reader = Reader(record, "root record")
        head = Head(reader.u64(), reader.u64(), reader.take(32), reader.take(32), reader.take(32))
        bound = _bound(0x12, self.name) + struct.pack("<Q", head.epoch) + head.hash
        slot = open_box(subkey(anchor.key, "oblroot1", 1), STRUCTURAL,
                        reader.take(box_size(33, STRUCTURAL)), bound, "root record")
        reader.end()
        decode_root_slot(slot)
        return head, slot

    # ---- Rows.
    def _read_rows(self):
        for table in set(self.rows) - TABLES:
            self.unexplained += [(table, key) for key in self.rows[table]]
        self.unexplained += [("root", key) for key in self.rows["root"]
                             if key not in (b"root", b"members", b"state")]
        self.members = self._members()
        self.chain = self._chain()
        self.dead, reached = self.tree.walk()
        self.orphans = {page for page in self.rows["pages"] if page not in reached}
        for identity, record in self.rows["pages"].items():
            prefix_of(identity)
            check(Reader(record, "a page").u64() <= self.head.epoch, "a page is of a later epoch")
        self.leaves, self.requests, self.opens = self._requests()
        self.request_ids = self._request_ids()
        self.pending = self._pieces(self.rows["pending"], 0)
        self.registers = self._registers()
        self.state = self._state()

    def _members(self):
        decoded = decode_members(self.rows["root"][b"members"])
        check(decoded.hash == self.head.members, "member list: another hash")
        members = decoded.list
        check(any(m[:3] == (self.name.keeper, self.name.public_key, self.anchor.cell_class)
                  for m in members), "member list: this keeper is not in it")
        return members

    def _chain(self):
        """{epoch: (ChainRow, signed, signed request root)}, consistent and without a gap at its
        end."""
        rows = {}
        for key, value in self.rows["chain"].items():
            epoch = Reader(key, "chain").be64()
            reader = Reader(value, f"chain row {epoch}")
            row = ChainRow.read(epoch, reader)
            rows[epoch] = (row, reader.u8(), reader.take(32))
            reader.end()
            check(row.is_consistent(self.name.vault), f"chain row {epoch}: another hash")
            check(rows[epoch][1] in (0, 1), f"chain row {epoch}: neither signed nor not")
            before = rows.get(epoch - 1)
            check(not before or before[0].hash == row.previous, f"chain row {epoch}: off the chain")
        if rows:
            last = rows[max(rows)][0]
            check((last.epoch, last.term, last.previous, last.hash, last.members) ==
                  tuple(self.head), "root record: not that of the last chain row")
            check(last.root == root_hash(self.root_slot), "root slot: another hash")
        return rows

    def _requests(self):
        leaves, opens, pieces = {}, {}, {}
        for key, value in self.rows["requests"].items():
            reader = Reader(key, "requests")
            epoch, part = reader.be64(), reader.u8()
            if part == 0:
                reader.be16()
                leaf = Reader(value, f"requests of epoch {epoch}")
                count, odd = divmod(len(value), 48)
                check(not odd and 0 < count <= LEAVES_PER_PART, "requests: a part of odd length")
                leaves.setdefault(epoch, []).extend((leaf.take(16), leaf.take(32))
                                                    for _ in range(count))
            elif part == 1:
                pieces.setdefault(epoch, {})[reader.rest()] = value
            else:
                check(part == 2, "requests: an unknown part")
                opens[epoch] = address.decode_list(value, "opened banks")
            reader.end()
        for epoch, found in leaves.items():
            check(found == sorted(found), f"requests of epoch {epoch}: out of order")
            if epoch in self.chain:
                check(merkle_root(digest for _, digest in found) ==
                      self.chain[epoch][0].request_root, f"requests of epoch {epoch}: another root")
        requests = {}
        for epoch, found in pieces.items():
            for identity, request in self._pieces(found, epoch).items():
                check((identity, request.digest()) in leaves.get(epoch, []),
                      "a request is not among those of its epoch")
                check(all(self.is_dead(a) for a in request.addresses),
                      "an address of an applied request is alive")
                requests[identity] = (epoch, request)
        return leaves, requests, opens

    def _pieces(self, rows, epoch):
        """{id: Request} of rows keyed by request id and piece, boxed for `epoch` (0: pending)."""
        grouped = {}
        for key in sorted(rows):
            reader = Reader(key, "piece of a request")
            identity, piece = reader.take(16), reader.be16()
            reader.end()
            check(piece == len(grouped.setdefault(identity, [])), "a piece of a request is missing")
            grouped[identity].append(rows[key])
        return {identity: self._open_request(identity, epoch, boxes)
                for identity, boxes in grouped.items()}

    def _open_request(self, identity, epoch, boxes):
        def opened(kek):
            key = subkey(kek, "oblsys_1", 2)
            bound = _bound(0x16, self.name) + identity + struct.pack("<Q", epoch)
            return b"".join(open_box(key, VALUE, box,
                                     bound + struct.pack("<HH", piece, len(boxes)), "request")
                            for piece, box in enumerate(boxes))
        reader = Reader(self._open_with_any(opened), "request")
        request = Request(identity, reader.u8(), reader.u16(), reader.take(32), reader.take(32),
                          address.decode_list(reader, "request"))
        reader.end()
        return request

    def _request_ids(self):
        found = {}
        for identity, value in self.rows["request_ids"].items():
            reader = Reader(value, "request id")
            found[identity] = reader.be64()
            reader.end()
            check(self.requests.get(identity, (None,))[0] == found[identity],
                  "a request id leads to no request")
        check(set(found) == set(self.requests), "a request has no entry in request_ids")
        return found

    def _registers(self):
        found = {}
        for key, box in self.rows["registers"].items():
            reader = Reader(key, "register")
            place = (reader.u8(), reader.be16(), reader.be16(), reader.be16())
            reader.end()
            plain = self._open_with_any(lambda kek: open_box(
                subkey(kek, "oblsys_1", 1), VALUE, box, _bound(0x15, self.name) + key, "register"))
            found[place], = struct.unpack("<Q", plain)
        return found

    def _state(self):
        box = self.rows["root"].get(b"state")
        if box is None:
            return None
        plain = self._open_with_any(lambda kek: open_box(
            subkey(kek, "oblsys_1", 3), VALUE, box, _bound(0x17, self.name), "state record"))
        return State(*struct.unpack("<IQQ32s", plain))

    def is_dead(self, where):
        """True if a dead subtree has it."""
        return any(where.prefix(bits) in self.dead for bits in range(where.bits + 1))

    # ---- Files.
    def _explain_files(self):
        for path in self.directory.rglob("*"):
            if path.is_dir():
                known = path == self.plane
            elif path.parent == self.directory:
                known = path.name in FILES
            else:
                known = path.parent == self.plane and path.name in STORE_FILES
            if not known:
                self.unexplained.append(("file", str(path.relative_to(self.directory))))
