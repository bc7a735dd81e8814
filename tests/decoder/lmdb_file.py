"""Reads `data.mdb` of LMDB 0.9 (64 bit, little-endian) without LMDB: pages, tables, free list.

    file  := page*                      pages 0 and 1 are meta pages; the higher transaction counts
    page  := number:u64 | pad:u16 | flags:u16 | lower:u16 | upper:u16 | ...       16 B of header
             lower and upper are one u32, the count of pages, on the first page of an overflow run
    meta  := magic:u32 = 0xBEEFC0DE | version:u32 = 1 | address:u64 | map size:u64 |
             tree of free pages | tree of tables | last page:u64 | transaction:u64
    tree  := pad:u32 (page size, in the first) | flags:u16 | depth:u16 | branch pages:u64 |
             leaf pages:u64 | overflow pages:u64 | entries:u64 | root:u64 (all ones: empty)    48 B
    node  := lo:u16 | hi:u16 | flags:u16 | key size:u16 | key | value
             branch: page below = lo | hi << 16 | flags << 32; leaf: value size = lo | hi << 16
             leaf flags: 1 the value is the number of an overflow page, 2 the value is a tree
    free  := transaction:u64 -> count:u64 | count x page:u64
"""

import mmap
import struct

from .reading import check

HEADER = 16
EMPTY = 2**64 - 1
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
BIG, SUBTREE = 1, 2
DEPTH_MAX = 32


class Tree:
    SIZE = 48

    def __init__(self, data):
        (self.pad, self.flags, self.depth, self.branches, self.leaves, self.overflows,
         self.entries, self.root) = struct.unpack("<IHHQQQQQ", data)


class LmdbFile:
    """All rows of all tables, and what each page is for. Damaged if the file is not well formed."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        check(len(self.bytes) >= 8192, "the file has no meta pages")
        self._read_meta()
        self.used = {0, 1}
        self.places = {}  # (table, key) -> (offset, size) of the value in the file
        self.tables = {}
        for name, value, flags, _ in self._rows(self.main):
            check(flags == SUBTREE and len(value) == Tree.SIZE, "a row beside the tables")
            tree = Tree(value)
            check(tree.flags == 0, "a table of another kind")
            rows = {}
            for key, row, row_flags, place in self._rows(tree):
                check(row_flags in (0, BIG), "a node of another kind")
                rows[key] = row
                self.places[name.decode(), key] = (place, len(row))
            check(len(rows) == tree.entries, "a table has another number of rows")
            self.tables[name.decode()] = rows
        self.free = self._free_pages()
        check(not self.free & self.used, "a page in use is free as well")
        # LMDB does not give the last pages of a file back that no table and no free list knows.
        self.lost = set(range(self.last_page + 1)) - self.used - self.free

    def close(self):
        self.bytes.close()

    def _read_meta(self):
        metas = []
        self.page_size = struct.unpack_from("<I", self.bytes, HEADER + 24)[0]
        check(self.page_size in (4096, 8192, 16384, 32768, 65536), "the page size is odd")
        for number in (0, 1):
            at = number * self.page_size
            flags, = struct.unpack_from("<H", self.bytes, at + 10)
            magic, version = struct.unpack_from("<II", self.bytes, at + HEADER)
            check(flags == META and magic == 0xBEEFC0DE and version == 1, "no meta page")
            trees = at + HEADER + 24
            last, transaction = struct.unpack_from("<QQ", self.bytes, trees + 2 * Tree.SIZE)
            metas.append((transaction, last, trees))
        _, self.last_page, trees = max(metas)
        self.free_tree = Tree(self.bytes[trees:trees + Tree.SIZE])
        self.main = Tree(self.bytes[trees + Tree.SIZE:trees + 2 * Tree.SIZE])

    def _page(self, number, flags):
        check(2 <= number <= self.last_page, "a page outside of the file")
        check(number not in self.used, "a page is used twice")
        at = number * self.page_size
        check(at + self.page_size <= len(self.bytes), "the file is cut off")
        itself, _, found, lower, upper = struct.unpack_from("<QHHHH", self.bytes, at)
        check(itself == number and found == flags, "a page is another one")
        self.used.add(number)
        return at, lower, upper

    def _rows(self, tree):
        if tree.root == EMPTY:
            return
        counted = [0, 0, 0]
        yield from self._below(tree.root, tree.depth, counted)
        check(counted == [tree.branches, tree.leaves, tree.overflows], "a tree has other pages")

    def _below(self, number, depth, counted):
        check(1 <= depth <= DEPTH_MAX, "a tree has another depth")
        counted[0 if depth > 1 else 1] += 1
        at, lower, upper = self._page(number, BRANCH if depth > 1 else LEAF)
        check(HEADER <= lower <= upper <= self.page_size and lower % 2 == 0, "a page is not sound")
        for index in range((lower - HEADER) // 2):
            offset, = struct.unpack_from("<H", self.bytes, at + HEADER + 2 * index)
            check(upper <= offset <= self.page_size - 8, "a node outside of its page")
            low, high, flags, key_size = struct.unpack_from("<HHHH", self.bytes, at + offset)
            key_at = at + offset + 8
            check(key_at + key_size <= at + self.page_size, "a node outside of its page")
            if depth > 1:
                yield from self._below(low | high << 16 | flags << 32, depth - 1, counted)
            else:
                key = self.bytes[key_at:key_at + key_size]
                place, size = self._value(at, key_at + key_size, low | high << 16, flags, counted)
                yield key, self.bytes[place:place + size], flags, place

    def _value(self, page_at, place, size, flags, counted):
        if not flags & BIG:
            check(place + size <= page_at + self.page_size, "a value outside of its page")
            return place, size
        number, = struct.unpack_from("<Q", self.bytes, place)
        at, low, high = self._page(number, OVERFLOW)
        count = low | high << 16
        check(count == (HEADER + size + self.page_size - 1) // self.page_size,
              "an overflow run has another length")
        check(at + HEADER + size <= len(self.bytes), "the file is cut off")
        rest = set(range(number + 1, number + count))
        check(not rest & self.used, "a page is used twice")
        self.used |= rest
        counted[2] += count
        return at + HEADER, size

    def _free_pages(self):
        free = set()
        for key, value, _, _ in self._rows(self.free_tree):
            check(len(key) == 8 and len(value) >= 8, "the free list is not sound")
            count, = struct.unpack_from("<Q", value)
            check(len(value) >= 8 * (count + 1), "the free list is not sound")
            free.update(struct.unpack_from(f"<{count}Q", value, 8))
        return free
