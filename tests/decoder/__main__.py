"""What a vault holds, in counts: python3 -m decoder --data DIR --keeper DIR ... --seal keyfile:FILE

Prints no value and no id. Exit code 1 if anything is damaged or unexplained.
"""

import argparse
import collections
import pathlib
import sys

from . import people
from .seals import key_file_secret, passphrase_secret
from .vault import Vault


def read_secret(spec):
    kind, _, path = spec.partition(":")
    if kind == "keyfile":
        return key_file_secret(pathlib.Path(path))
    if kind == "passphrase":
        return passphrase_secret(pathlib.Path(path).read_bytes().rstrip(b"\n"))
    raise SystemExit("--seal is keyfile:FILE or passphrase:FILE")


def counts(vault):
    """Lines about what was opened."""
    for table, rows in sorted(vault.rows.items()):
        size = sum(len(key) + len(row) for key, row in rows.items())
        yield f"table {table}: {len(rows)} rows, {size} bytes"
    records = collections.Counter(
        "dead" if isinstance(record, people.Dead) else f"kind {place.kind:#04x}"
        for person in vault.people.values() for place, record in person.rows.items())
    yield f"people: {len(vault.people)} with rows; " + ", ".join(
        f"{count} of {kind}" for kind, count in sorted(records.items()))
    if vault.log:
        yield f"audit: {vault.log.size} entries, root {vault.log.root.hex()}"
    yield f"erasures: {len(vault.erasures)}, {len(vault.proven)} proven final"
    for keeper in vault.keepers:
        yield (f"keeper {keeper.name.keeper.hex()}: class {keeper.anchor.cell_class}, epoch "
               f"{keeper.head.epoch}, {len(keeper.rows['pages'])} pages ({len(keeper.orphans)} "
               f"orphans), {len(keeper.dead)} dead subtrees")


def main():
    parser = argparse.ArgumentParser(prog="decoder")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--keeper", type=pathlib.Path, action="append", required=True)
    parser.add_argument("--seal", required=True)
    asked = parser.parse_args()
    vault = Vault(asked.data, asked.keeper, read_secret(asked.seal))
    for line in counts(vault) if vault.keepers and vault.file else ():
        print(line)
    for line in vault.damage:
        print("damaged:", line)
    for table, _ in vault.unexplained:
        print("unexplained: in", table)
    return 1 if vault.damage or vault.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
