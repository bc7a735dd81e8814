"""Bytes in order: nothing is read twice, nothing is left over."""

import struct


class Damaged(Exception):
    """Bytes that are not what the format says, or do not open with their key."""


class Reader:
    """Reads fields from the front of `data`. Numbers are little-endian unless the name says be."""

    def __init__(self, data, what):
        self.data = bytes(data)
        self.at = 0
        self.what = what

    def take(self, size):
        end = self.at + size
        if end > len(self.data):
            raise Damaged(f"{self.what}: {end - len(self.data)} bytes too short")
        taken = self.data[self.at:end]
        self.at = end
        return taken

    def _number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def u8(self):
        return self._number("<B")

    def u16(self):
        return self._number("<H")

    def u32(self):
        return self._number("<I")

    def u64(self):
        return self._number("<Q")

    def be16(self):
        return self._number(">H")

    def be32(self):
        return self._number(">I")

    def be64(self):
        return self._number(">Q")

    def zeros(self, size):
        if any(self.take(size)):
            raise Damaged(f"{self.what}: a reserved byte is set")

    def expect(self, expected, name):
        if self.take(len(expected)) != expected:
            raise Damaged(f"{self.what}: {name} is another one")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        if self.at != len(self.data):
            raise Damaged(f"{self.what}: {len(self.data) - self.at} bytes behind the end")


def check(is_true, why):
    if not is_true:
        raise Damaged(why)
