"""`anchor.cell`: the anchors that open with a KEK (vault/keys/cell.hpp)."""

import struct
from typing import NamedTuple

from .primitives import STRUCTURAL, box_size, open_box, subkey
from .reading import Damaged, Reader, check

SIZE = 131_072
BLOCK = 4_096
STARTS = (0, 65_536)


class Anchor(NamedTuple):
    key: bytes
    sequence: int
    epoch: int
    slot: int
    cell_class: str


def open_block(cell, slot, vault, keeper, kek):
    """The anchor in one block; None for a block that is random, torn or of another KEK."""
    block = cell[STARTS[slot]:STARTS[slot] + BLOCK]
    if block[:8] != b"OBLCELL1":
        return None
    what = f"anchor.cell, slot {slot}"
    reader = Reader(block, what)
    try:
        reader.expect(b"OBLCELL1\x01\x01" + bytes([slot]), "magic, version or slot")
        cell_class = reader.take(1)
        reader.zeros(4)
        reader.expect(vault, "the vault id")
        reader.expect(keeper, "the keeper id")
        reader.zeros(16)
        bound = b"obl1\x11" + vault + keeper + bytes([slot]) + cell_class
        plain = open_box(subkey(kek, "oblcell1", 1), STRUCTURAL,
                         reader.take(box_size(48, STRUCTURAL)), bound, what)
    except Damaged:
        return None
    key, sequence, epoch = struct.unpack("<32sQQ", plain)
    return Anchor(key, sequence, epoch, slot, cell_class.decode())


def open_cell(cell, vault, keeper, keks):
    check(len(cell) == SIZE, "anchor.cell: another size")
    return [anchor for slot in (0, 1) for kek in keks
            if (anchor := open_block(cell, slot, vault, keeper, kek.key))]
