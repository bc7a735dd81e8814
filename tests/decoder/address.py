"""Addresses of keys (vault/keys/README.md): prefixes of up to 78 bits, first bit highest."""

from typing import NamedTuple

from .reading import Reader, check

# Kinds of system leaves (keys/registry.hpp).
EXCEPTION = 12
TOKEN, TOKEN_ROW, INDEX, CLIENT, API_KEY, AUDIT_SIGN, REQUEST, BACKUP_SIGN = \
    1, 2, 3, 4, 5, 7, 10, 11
SUPPRESSION = 13
PEOPLE, HANDLES = 1, 2                      # classes
OPEN_DAY, HOLD_DAY = 0xFFFF, 0xFFFE
ITEM_COUNT_MAX = 275_119
PERSON_BITS = 54


class Address(NamedTuple):
    bits: int
    value: int

    def below(self, value, bits):
        check(0 <= value < 1 << bits, "a number that no address has")
        return Address(self.bits + bits, self.value << bits | value)

    def slice(self, start, count):
        return self.value >> (self.bits - start - count) & ((1 << count) - 1)

    def prefix(self, bits):
        return Address(bits, self.value >> (self.bits - bits))

    def covers(self, other):
        return self.bits <= other.bits and other.prefix(self.bits) == self

    def encode(self):
        return bytes([self.bits]) + (self.value << (80 - self.bits)).to_bytes(10, "big")


ROOT = Address(0, 0)


def _of_class(tenant, number):
    return ROOT.below(tenant, 12).below(number, 6)


def system(tenant, kind, recipient, kid):
    return _of_class(tenant, 0).below(kind, 6).below(recipient, 14).below(kid, 16)


def person(tenant, local):
    return _of_class(tenant, PEOPLE).below(local, 36)


def handle(tenant, local):
    return _of_class(tenant, HANDLES).below(local, 36)


def retention(tenant, retention_class, day):
    return _of_class(tenant, 3).below(0, 6).below(retention_class, 14).below(day, 16)


def region(tenant, number):
    return _of_class(tenant, 5).below(0, 20).below(number, 16)


# ---- Below a person.
def fixed(owner):
    return owner.below(0, 6)


def item(owner, number):
    """Slots 1-47, 48-57 with one level, 60-62 with two, 63 with three."""
    if number < 47:
        return owner.below(1 + number, 6)
    if number < 687:
        return owner.below(48 + (number - 47) // 64, 6).below((number - 47) % 64, 6)
    if number < 12_975:
        return owner.below(60 + (number - 687) // 4096, 6).below((number - 687) % 4096, 12)
    check(number < ITEM_COUNT_MAX, "an item number that no address has")
    return owner.below(63, 6).below(number - 12_975, 18)


def implicit_marker(owner, number):
    return owner.below(58 + number // 64, 6).below(number % 64, 6)


def decode_list(data, what):
    """The address list that starts at a Reader or bytes; strictly ascending."""
    reader = data if isinstance(data, Reader) else Reader(data, what)
    addresses = []
    last = None
    for _ in range(reader.u32()):
        bits, left_aligned = reader.u8(), reader.take(10)
        check(bits <= 78, f"{what}: an address has {bits} bits")
        value = int.from_bytes(left_aligned, "big")
        check(value % (1 << (80 - bits)) == 0, f"{what}: an unused bit of an address is set")
        check(last is None or last < (left_aligned, bits), f"{what}: addresses out of order")
        last = (left_aligned, bits)
        addresses.append(Address(bits, value >> (80 - bits)))
    if reader is not data:
        reader.end()
    return addresses


def encode_list(addresses):
    ordered = sorted(addresses, key=lambda a: (a.encode()[1:], a.bits))
    return len(ordered).to_bytes(4, "little") + b"".join(a.encode() for a in ordered)
