"""Boxes, subkeys, the step of the key tree, tokens and Merkle trees (crypto/README.md).

hashlib has BLAKE2b and SHA-256, `cryptography` (OpenSSL) the ciphers and Ed25519, `argon2` the
passphrase. Nothing here calls libsodium, which the product uses.
"""

import hashlib
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .reading import Damaged

VALUE = 16       # commitment sizes of a box
STRUCTURAL = 32


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def blake2b(*parts, key=b"", size=32):
    return hashlib.blake2b(b"".join(parts), key=key, digest_size=size).digest()


def subkey(key, context, number):
    """crypto_kdf: the number is the salt, the context the personalisation."""
    return hashlib.blake2b(b"", key=key, digest_size=32, salt=struct.pack("<Q", number) + bytes(8),
                           person=context.encode() + bytes(8)).digest()


# ---- Box v1 (crypto/box.hpp).
def box_size(plaintext_size, commitment):
    return 2 + 16 + commitment + plaintext_size + 16


def open_box(key, commitment, box, data, what):
    """The plaintext; Damaged if it does not authenticate."""
    if len(box) < box_size(0, commitment) or box[:2] != b"\x01\x01":
        raise Damaged(f"{what}: no box")
    salt = box[2:18]
    okm = blake2b(b"\x01\x01", bytes([commitment]), salt, struct.pack("<H", len(data)), data,
                  key=key, size=64)
    if okm[32:32 + commitment] != box[18:18 + commitment]:
        raise Damaged(f"{what}: does not open")
    try:
        return ChaCha20Poly1305(okm[:32]).decrypt(bytes(12), box[18 + commitment:], b"")
    except InvalidTag:
        raise Damaged(f"{what}: does not open") from None


# ---- Streams.
def chacha20(key, counter_and_nonce, data):
    """`counter_and_nonce`: the last four words of the state, 16 bytes."""
    return Cipher(algorithms.ChaCha20(key, counter_and_nonce), mode=None).encryptor().update(data)


def ggm_step(seed):
    """The two children of a seed (crypto/ggm.hpp)."""
    block = chacha20(seed, bytes(4) + b"pkt\x01" + bytes(8), bytes(64))
    return block[:32], block[32:]


def hchacha20(key, nonce):
    """The key of XChaCha20 (draft-irtf-cfrg-xchacha 2.2): a ChaCha20 block without its last
    addition. So: one block, and what was added is taken off again."""
    block = struct.unpack("<16I", chacha20(key, nonce, bytes(64)))
    added = struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<4I", nonce)
    words = block[:4] + block[12:]
    return struct.pack("<8I", *((word - start) % 2**32 for word, start in zip(words, added)))


def xchacha20(key, nonce, data):
    return chacha20(hchacha20(key, nonce[:16]), bytes(8) + nonce[16:], data)


def open_siv(mac_key, encryption_key, data, sealed, what):
    """Deterministic authenticated encryption of tokens (crypto/siv.hpp)."""
    iv, ciphertext = sealed[:24], sealed[24:]
    payload = xchacha20(encryption_key, iv, ciphertext)
    if blake2b(data, payload, key=mac_key, size=24) != iv:
        raise Damaged(f"{what}: does not open")
    return payload


def argon2id(passphrase, salt, memory_kib, passes):
    from argon2.low_level import Type, hash_secret_raw
    return hash_secret_raw(passphrase, salt, time_cost=passes, memory_cost=memory_kib,
                           parallelism=1, hash_len=32, type=Type.ID)


# ---- Signatures.
def public_key_of(seed):
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def is_signed(public_key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


# ---- RFC 6962 trees.
def merkle_leaf(entry):
    return sha256(b"\x00", entry)


def merkle_node(left, right):
    return sha256(b"\x01", left, right)


class Frontier:
    """The complete subtrees of a growing tree, largest first."""

    def __init__(self):
        self.size = 0
        self.peaks = []

    def add(self, leaf):
        self.peaks.append(leaf)
        self.size += 1
        size = self.size
        while size % 2 == 0:
            right = self.peaks.pop()
            self.peaks.append(merkle_node(self.peaks.pop(), right))
            size //= 2

    def root(self):
        if not self.peaks:
            return sha256(b"")
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = merkle_node(peak, root)
        return root


def merkle_root(entries):
    frontier = Frontier()
    for entry in entries:
        frontier.add(merkle_leaf(entry))
    return frontier.root()


def root_of_proof(leaf, index, size, proof):
    """The root that an inclusion proof leads to (RFC 9162 2.1.3.2); None if its shape is wrong."""
    if index >= size:
        return None
    node, last = index, size - 1
    result = leaf
    for sibling in proof:
        if last == 0:
            return None
        if node % 2 == 1 or node == last:
            result = merkle_node(sibling, result)
            while node % 2 == 0 and node != 0:
                node //= 2
                last //= 2
        else:
            result = merkle_node(result, sibling)
        node //= 2
        last //= 2
    return result if last == 0 else None
