"""The punctured key tree (vault/keys/README.md): pages, and the key at any address."""

from typing import NamedTuple

from .address import ROOT, Address
from .primitives import STRUCTURAL, blake2b, ggm_step, open_box
from .reading import Reader, check

DEAD, SEED, SPLIT, CHILD = range(4)
LEVEL_BITS = 6
LAST_LEVEL = 12
PLANE = b"\x00"


class Node(NamedTuple):
    tag: int
    key: bytes = b""


def page_id(prefix):
    return bytes([prefix.bits // LEVEL_BITS]) + prefix.value.to_bytes(9, "big")


def prefix_of(identity):
    level, value = identity[0], int.from_bytes(identity[1:], "big")
    check(len(identity) == 10 and level <= LAST_LEVEL and value < 1 << (level * LEVEL_BITS),
          "a page id is malformed")
    return Address(level * LEVEL_BITS, value)


def root_hash(root_slot):
    return blake2b(b"oblroot\x01", root_slot)


def decode_root_slot(slot):
    check(len(slot) == 33 and slot[0] in (DEAD, SEED, CHILD), "the root slot is malformed")
    check(slot[0] != DEAD or not any(slot[1:]), "the root slot is malformed")
    return Node(slot[0], slot[1:] if slot[0] != DEAD else b"")


def decode_page(plaintext, level):
    """{node: Node}, nodes numbered like a heap: 1 is the top, 2n and 2n + 1 are below n."""
    reader = Reader(plaintext, "a page")
    count = reader.u16()
    tags = reader.take((count + 3) // 4)
    check(count % 4 == 0 or tags[-1] >> (2 * (count % 4)) == 0, "a page: padding bits are set")
    order = []
    pending = [1]  # preorder, next on top
    for index in range(count):
        check(pending, "a page: more tags than nodes")
        node = pending.pop()
        tag = tags[index // 4] >> (2 * (index % 4)) & 3
        depth = node.bit_length() - 1
        check(tag != SPLIT or depth < LEVEL_BITS, "a page: a split below the last row")
        check(tag != CHILD or (depth == LEVEL_BITS and level < LAST_LEVEL),
              "a page: a child where none can be")
        if tag == SPLIT:
            pending += [2 * node + 1, 2 * node]
        order.append((node, tag))
    check(not pending and order and order[0][1] == SPLIT, "a page: its nodes do not make a tree")
    nodes = {node: Node(tag, reader.take(32) if tag in (SEED, CHILD) else b"")
             for node, tag in order}
    reader.end()
    for node, (tag, _) in nodes.items():
        if tag == SPLIT:
            check(not nodes[2 * node].tag == nodes[2 * node + 1].tag == DEAD,
                  "a page: two dead halves are not folded")
    return nodes


class KeyTree:
    """The tree under one root slot. `pages` is {page id: page record}."""

    def __init__(self, root_slot, pages):
        self.root = decode_root_slot(root_slot)
        self.pages = pages
        self.opened = {}

    def _page(self, prefix, key):
        if prefix not in self.opened:
            identity = page_id(prefix)
            name = f"page {identity.hex()}"
            check(identity in self.pages, f"{name}: missing")
            record = self.pages[identity]
            plain = open_box(key, STRUCTURAL, record[8:], b"obl1\x10" + PLANE + identity, name)
            self.opened[prefix] = decode_page(plain, identity[0])
        return self.opened[prefix]

    def find(self, address):
        """The key at `address`; None if it is dead. Damaged if a page on the way does not open or
        only parts of what is below `address` are left."""
        node, at = self.root, 0
        while node.tag == CHILD:
            check(at < address.bits, "no key stands for a punctured subtree")
            page = self._page(address.prefix(at), node.key)
            depth, number = 0, 1
            while page[number].tag == SPLIT:
                check(at + depth < address.bits, "no key stands for a punctured subtree")
                number = 2 * number + address.slice(at + depth, 1)
                depth += 1
            node, at = page[number], at + depth
        if node.tag == DEAD:
            return None
        key = node.key
        for bit in range(at, address.bits):
            key = ggm_step(key)[address.slice(bit, 1)]
        return key

    def nodes(self):
        """(prefix, Node) of all that is dead, a seed or the key of a page. Opens every page."""
        pending = [(ROOT, self.root)]
        while pending:
            prefix, node = pending.pop()
            yield prefix, node
            if node.tag == CHILD:
                for number, found in self._page(prefix, node.key).items():
                    if found.tag != SPLIT:
                        depth = number.bit_length() - 1
                        pending.append((prefix.below(number - (1 << depth), depth), found))

    def walk(self):
        """(addresses of dead subtrees, ids of the pages that the root reaches)."""
        dead, reached = set(), set()
        for prefix, node in self.nodes():
            if node.tag == DEAD:
                dead.add(prefix)
            if node.tag == CHILD:
                reached.add(page_id(prefix))
        return dead, reached
