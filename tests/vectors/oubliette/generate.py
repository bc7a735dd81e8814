#!/usr/bin/env python3
"""Known answers of our own formats, from an implementation that shares no code with crypto/.

Written from the format grammars in the headers of crypto/, with hashlib and the `cryptography`
package (OpenSSL); HChaCha20 and the secretstream chunks are written out here. The *.json files are
frozen: they stand for bytes on disk. Run with --check to compare them with what this program
computes, and with --write only to add a file for a new format version.
"""
import hashlib
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.poly1305 import Poly1305

HERE = pathlib.Path(__file__).parent


def pattern(size, seed=0):
    return bytes((i * 7 + i // 256 * 13 + seed) & 0xFF for i in range(size))


def chacha20(key, nonce12, counter, data):
    iv = struct.pack("<I", counter) + nonce12
    return Cipher(algorithms.ChaCha20(key, iv), mode=None).encryptor().update(data)


def rotl(x, n):
    return ((x << n) | (x >> (32 - n))) & 0xFFFFFFFF


def hchacha20(key, nonce16):
    """draft-irtf-cfrg-xchacha, section 2.2."""
    s = list(struct.unpack("<4I", b"expand 32-byte k"))
    s += struct.unpack("<8I", key) + struct.unpack("<4I", nonce16)

    def quarter(a, b, c, d):
        s[a] = (s[a] + s[b]) & 0xFFFFFFFF
        s[d] = rotl(s[d] ^ s[a], 16)
        s[c] = (s[c] + s[d]) & 0xFFFFFFFF
        s[b] = rotl(s[b] ^ s[c], 12)
        s[a] = (s[a] + s[b]) & 0xFFFFFFFF
        s[d] = rotl(s[d] ^ s[a], 8)
        s[c] = (s[c] + s[d]) & 0xFFFFFFFF
        s[b] = rotl(s[b] ^ s[c], 7)

    for _ in range(10):
        quarter(0, 4, 8, 12), quarter(1, 5, 9, 13), quarter(2, 6, 10, 14), quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15), quarter(1, 6, 11, 12), quarter(2, 7, 8, 13), quarter(3, 4, 9, 14)
    return struct.pack("<8I", *(s[0:4] + s[12:16]))


def box(key, commitment, salt, plaintext, ad):
    header = bytes([1, 1])
    message = header + bytes([commitment]) + salt + struct.pack("<H", len(ad)) + ad
    okm = hashlib.blake2b(message, key=key, digest_size=64).digest()
    sealed = ChaCha20Poly1305(okm[:32]).encrypt(bytes(12), plaintext, b"")
    return header + salt + okm[32 : 32 + commitment] + sealed


def kdf(key, context, number):
    return hashlib.blake2b(
        key=key, digest_size=32, salt=struct.pack("<QQ", number, 0), person=context + bytes(8)
    ).digest()


def ggm_step(seed):
    out = chacha20(seed, b"pkt\x01" + bytes(8), 0, bytes(64))
    return out[:32], out[32:]


def ggm_descend(seed, path, depth):
    for level in reversed(range(depth)):
        seed = ggm_step(seed)[path >> level & 1]
    return seed


def siv(mac_key, encryption_key, ad, payload):
    iv = hashlib.blake2b(ad + payload, key=mac_key, digest_size=24).digest()
    subkey = hchacha20(encryption_key, iv[:16])
    return iv + chacha20(subkey, bytes(4) + iv[16:], 0, payload)


def secretstream(key, header, parts, ad):
    """crypto_secretstream_xchacha20poly1305: every part MESSAGE, the last FINAL."""
    subkey, inonce, counter, out = hchacha20(key, header[:16]), header[16:], 1, b""
    for number, part in enumerate(parts):
        tag = 3 if number == len(parts) - 1 else 0
        nonce = struct.pack("<I", counter) + inonce
        stream = chacha20(subkey, nonce, 0, bytes(64) + bytes([tag]) + bytes(63) + part)
        mac = Poly1305(stream[:32])
        mac.update(ad + bytes(-len(ad) % 16))
        mac.update(stream[64:])
        # The padding is that of libsodium, which rounds the wrong way; it is harmless and fixed.
        mac.update(bytes(len(part) % 16))
        mac.update(struct.pack("<QQ", len(ad), 64 + len(part)))
        code = mac.finalize()
        out += stream[64:65] + stream[128:] + code
        inonce = bytes(a ^ b for a, b in zip(inonce, code[:8]))
        counter += 1
    return out


def chunks(key, header, plaintext, ad):
    prefix = bytes([0x81, 1])
    message = b"obl/chunks/1" + prefix + header + struct.pack("<H", len(ad)) + ad
    commitment = hashlib.blake2b(message, key=key, digest_size=16).digest()
    parts = [plaintext[i : i + 65536] for i in range(0, len(plaintext), 65536)]
    return prefix + header + commitment + secretstream(key, header, parts, ad)


def box_cases():
    for commitment in (16, 32):
        for n, size in enumerate((0, 1, 15, 16, 17, 64, 255, 256, 2082)):
            key, salt = pattern(32, n + commitment), pattern(16, 100 + n)
            ad = b"obl1" + pattern((0, 12, 30, 90)[n % 4], n)
            plaintext = pattern(size, n)
            yield {
                "commitment": commitment, "key": key.hex(), "salt": salt.hex(), "ad": ad.hex(),
                "plaintext": plaintext.hex(),
                "box": box(key, commitment, salt, plaintext, ad).hex(),
            }
    yield {
        "commitment": 16, "key": bytes(32).hex(), "salt": bytes(16).hex(), "ad": "",
        "plaintext": "", "box": box(bytes(32), 16, bytes(16), b"", b"").hex(),
    }


def large_box_cases():
    for commitment in (16, 32):
        key, salt, ad = pattern(32, 9), pattern(16, 8), pattern(65535, 7)
        sealed = box(key, commitment, salt, pattern(65536, 5), ad)
        yield {
            "commitment": commitment, "key": key.hex(), "salt": salt.hex(), "ad_size": 65535,
            "ad_seed": 7, "plaintext_size": 65536, "plaintext_seed": 5,
            "box_sha256": hashlib.sha256(sealed).hexdigest(),
        }


CONTEXTS = "subj1 item1 aud_1 idx_1 tok_1 root1 cell1 ret_1 rcpt1 sys_1".split()


def kdf_cases():
    for context in ("obl" + c for c in CONTEXTS):
        for number in (0, 1, 2, 0xFFFF, 2**32, 2**64 - 1):
            key = pattern(32, number & 0xFF)
            yield {
                "context": context, "number": str(number), "key": key.hex(),
                "subkey": kdf(key, context.encode(), number).hex(),
            }


def argon2id_cases():
    for memory, passes in ((8192, 1), (1 << 20, 3), (8 << 20, 2)):
        for passphrase in (b"", b"correct horse battery staple", "Gr\u00fc\u00dfe".encode()):
            salt = pattern(16, passes)
            out = Argon2id(
                salt=salt, length=32, iterations=passes, lanes=1, memory_cost=memory // 1024
            ).derive(passphrase)
            yield {
                "passphrase": passphrase.hex(), "salt": salt.hex(), "memory_bytes": memory,
                "passes": passes, "key": out.hex(),
            }


def ggm_step_cases():
    for seed in (bytes(32), b"\xff" * 32, pattern(32, 1), pattern(32, 200)):
        left, right = ggm_step(seed)
        yield {"seed": seed.hex(), "left": left.hex(), "right": right.hex()}


def ggm_descent_cases():
    seed = pattern(32, 77)
    paths = [(0, 0), (0, 1), (1, 1), (0b10, 2), (0b101101, 6), (0, 6), (63, 6)]
    paths += [(0x123456, 24), (2**36 - 2, 36), (0x0123456789ABCDEF, 64), (2**64 - 1, 64)]
    paths += [(0xFFFFFFFFFFFFFFC5, 6)]  # only the low `depth` bits count
    for path, depth in paths:
        leaf = ggm_descend(seed, path, depth)
        yield {"seed": seed.hex(), "path": str(path), "depth": depth, "leaf": leaf.hex()}


def siv_cases():
    for n, (ad_size, size) in enumerate(((6, 28), (6, 0), (0, 1), (6, 64), (12, 65), (6, 300))):
        mac_key, key = pattern(32, n), pattern(32, n + 50)
        ad, payload = pattern(ad_size, n), pattern(size, n + 3)
        yield {
            "mac_key": mac_key.hex(), "encryption_key": key.hex(), "ad": ad.hex(),
            "payload": payload.hex(), "sealed": siv(mac_key, key, ad, payload).hex(),
        }


def chunks_cases():
    for n, size in enumerate((65537, 65536 + 16, 131071, 131072, 131073, 300000)):
        key, header, ad = pattern(32, n + 9), pattern(24, n + 90), pattern(n * 17, n)
        sealed = chunks(key, header, pattern(size, n), ad)
        yield {
            "key": key.hex(), "header": header.hex(), "ad": ad.hex(), "plaintext_size": size,
            "plaintext_seed": n, "chunked_size": len(sealed), "first_64": sealed[:64].hex(),
            "last_64": sealed[-64:].hex(), "chunked_sha256": hashlib.sha256(sealed).hexdigest(),
        }


def hash_cases():
    for size in (0, 1, 64, 127, 128, 129, 1000):
        data, key = pattern(size, size & 0xFF), pattern(32, 3)
        yield {
            "data": data.hex(), "key": key.hex(), "sha256": hashlib.sha256(data).hexdigest(),
            "blake2b_256": hashlib.blake2b(data, digest_size=32).hexdigest(),
            "keyed_128": hashlib.blake2b(data, key=key, digest_size=16).hexdigest(),
            "keyed_256": hashlib.blake2b(data, key=key, digest_size=32).hexdigest(),
            "keyed_512": hashlib.blake2b(data, key=key, digest_size=64).hexdigest(),
        }


FILES = {
    "box_v1.json": {"small": box_cases, "large": large_box_cases},
    "kdf.json": {"subkeys": kdf_cases, "argon2id": argon2id_cases},
    "ggm.json": {"steps": ggm_step_cases, "descents": ggm_descent_cases},
    "siv.json": {"cases": siv_cases},
    "chunks_v1.json": {"cases": chunks_cases},
    "hash.json": {"cases": hash_cases},
}


def main():
    if sys.argv[1:] not in (["--check"], ["--write"]):
        sys.exit("usage: generate.py --check | --write")
    # draft-irtf-cfrg-xchacha, section 2.2.1: the one primitive here that no library checks.
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    assert hchacha20(bytes(range(32)), nonce).hex().startswith("82413b4227b27bfed30e42508a877d73")
    for name, groups in FILES.items():
        content = {group: list(cases()) for group, cases in groups.items()}
        text = json.dumps(content, indent=1) + "\n"
        file = HERE / name
        if sys.argv[1] == "--write" and not file.exists():
            file.write_text(text)
        if file.read_text() != text:
            sys.exit(f"{name} differs")
        print(name, {group: len(cases) for group, cases in content.items()})


if __name__ == "__main__":
    main()
