"""A backup directory (vault/backup.hpp, backup_signature.hpp): digests, and who signed it."""

import base64
import json

from . import address
from .primitives import is_signed, public_key_of, sha256, subkey
from .reading import check

FILES = {"data.mdb", "manifest.json", "manifest.sig"}


def check_backup(directory, tree):
    """The manifest, if every file is what it says and the vault of `tree` signed it."""
    check({path.name for path in directory.iterdir()} == FILES, "backup: other files")
    text = (directory / "manifest.json").read_bytes()
    leaf = tree.find(address.system(0, address.BACKUP_SIGN, 0, 0))
    check(leaf is not None, "backup: the key that signs backups is dead")
    line = (directory / "manifest.sig").read_text()
    check(line.startswith("obl-backup-1 ") and line.endswith("\n"), "backup: no signature")
    signature = base64.b64decode(line.split(" ")[1])
    check(is_signed(public_key_of(subkey(leaf, "oblsys_1", 3)), b"obl/backup/1" + text, signature),
          "backup: signed by somebody else")
    manifest = json.loads(text)
    for file in manifest["files"]:
        content = (directory / file["name"]).read_bytes()
        check((len(content), sha256(content).hex()) == (file["size"], file["sha256"]),
              f"backup: {file['name']} is damaged")
    return manifest
