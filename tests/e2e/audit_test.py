"""The audit log from outside: a real vault's log, verified by the tool and by a program that shares
no code with it.

Run as: audit_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from vault_process import Program, VaultProcess

VERIFIER = pathlib.Path(__file__).resolve().parents[1] / "audit_verify.py"
PROGRAM = None  # set by main
NOT_PROVEN = 8
PEOPLE = 140


def verify_independently(directory, *vkey):
    return subprocess.run([sys.executable, str(VERIFIER), str(directory), *vkey],
                          capture_output=True, text=True, check=False)


class AuditLog(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-audit-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.vault = VaultProcess(PROGRAM, self.home / "vault").init().start()
        self.addCleanup(self.stop)

    def stop(self):
        if self.vault.process is not None:
            self.vault.stop()

    def work(self, first, count):
        for number in range(first, first + count):
            self.assertEqual(self.vault.consent(f"c-{number}").status, 200)
            answer = self.vault.put(f"c-{number}", username=f"name-{number}")
            self.assertEqual(answer.status, 200, answer.body)
            token = answer.json["tokens"]["username"]
            self.assertEqual(self.vault.detokenize(token).json["failed"], 0)

    def restart(self):
        """Afterwards the checkpoint covers everything done before."""
        self.vault.stop()
        self.vault.start()

    def verify(self, *arguments):
        return self.vault.client("audit", "verify", *arguments)

    def export(self, name):
        done = self.vault.client("audit", "export", self.home / name)
        self.assertEqual(done.code, 0, done.err)
        return self.home / name

    def pin(self):
        keys = self.vault.request("GET", "/v1/audit/keys", key=None).json["keys"]
        self.assertEqual(len(keys), 1)
        return keys[0]

    def damage(self, directory, index):
        """Changes one byte of an entry in the exported bundle that holds it."""
        name = f"tile/entries/{index // 256:03}"
        full = directory / name
        bundle = full if full.exists() else next(directory.glob(f"{name}.p/*"))
        data = bytearray(bundle.read_bytes())
        data[index % 256 * 54 + 20] ^= 1
        bundle.write_bytes(data)

    def test_a_real_log_is_verified_by_two_programs(self):
        vkey = self.pin()
        state = self.home / "seen"
        self.work(0, PEOPLE)
        self.restart()
        done = self.verify("--vkey", vkey, "--state", state, "--json")
        self.assertEqual(done.code, 0, done.err)
        report = json.loads(done.out)
        self.assertTrue(report["proven"] and report["pinned"])
        self.assertGreater(report["size"], 256 + 3)
        self.assertTrue(report["origin"].endswith("/g0"))

        self.work(PEOPLE, 5)
        self.restart()
        done = self.verify("--vkey", vkey, "--state", state)
        self.assertEqual(done.code, 0, done.err)

        exported = self.export("log")
        independent = verify_independently(exported, vkey)
        self.assertEqual(independent.returncode, 0, independent.stdout + independent.stderr)
        self.assertEqual(self.verify(exported, "--vkey", vkey, "--state", state).code, 0)

        for index in (0, 100, 255, 256, 259):
            changed = self.home / f"changed-{index}"
            shutil.copytree(exported, changed)
            self.damage(changed, index)
            done = self.verify(changed, "--vkey", vkey)
            self.assertEqual(done.code, NOT_PROVEN)
            self.assertIn(f"(entry {index})", done.err)
            independent = verify_independently(changed, vkey)
            self.assertEqual(independent.returncode, 1)
            self.assertIn(f"entry {index} ", independent.stdout)

    def test_a_wrong_key_a_fork_and_a_file_that_is_none(self):
        vkey = self.pin()
        state = self.home / "seen"
        self.assertEqual(self.verify("--vkey", vkey, "--state", state).code, 0)
        other = vkey.split("+")[0] + "+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        self.assertEqual(self.verify("--vkey", other).code, 6)  # the key id does not fit the name
        go_key = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        self.assertEqual(self.verify("--vkey", go_key).code, NOT_PROVEN)
        note = state.read_text()
        size = note.split("\n")[1]
        state.write_text(note.replace(f"\n{size}\n", f"\n{int(size) + 1000}\n"))
        done = self.verify("--vkey", vkey, "--state", state)
        self.assertEqual(done.code, NOT_PROVEN)
        self.assertIn("SHRANK", done.err)
        state.write_text(note.replace(note.split("\n")[2], "A" * 43 + "="))
        self.assertEqual(self.verify("--vkey", vkey, "--state", state).code, NOT_PROVEN)
        state.write_text("no checkpoint")
        self.assertEqual(self.verify("--vkey", vkey, "--state", state).code, 6)
        self.assertEqual(self.verify(self.home / "nowhere", "--vkey", vkey).code, 6)
        done = self.verify()
        self.assertEqual(done.code, 0)
        self.assertIn("no key is pinned", done.err)

    def test_a_rollback_is_declared(self):
        vkey = self.pin()
        state = self.home / "seen"
        self.vault.stop()
        shutil.copytree(self.vault.data, self.home / "old")
        self.vault.start()
        self.work(0, 3)
        self.restart()
        self.assertEqual(self.verify("--vkey", vkey, "--state", state).code, 0)
        self.vault.stop()
        shutil.rmtree(self.vault.data)
        shutil.copytree(self.home / "old", self.vault.data)
        self.vault.start()
        done = self.verify("--vkey", vkey, "--state", state, "--json")
        self.assertEqual(done.code, 0, done.err)
        report = json.loads(done.out)
        self.assertTrue(report["origin"].endswith("/g1"))
        self.assertGreater(report["lost_entries"], 0)
        self.assertEqual(len(report["origins"]), 1)

    def test_what_the_routes_answer(self):
        self.work(0, PEOPLE)
        self.restart()

        def get(path, **more):
            return self.vault.request("GET", f"/v1/audit/{path}", **more)
        checkpoint = get("checkpoint", key=None)
        self.assertEqual(checkpoint.headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(checkpoint.headers["Cache-Control"], "no-store")
        size = int(checkpoint.body.decode().split("\n")[1])
        tile = get("tile/0/000", key=None)
        self.assertEqual((tile.status, len(tile.body)), (200, 8192))
        self.assertIn("immutable", tile.headers["Cache-Control"])
        self.assertEqual(tile.headers["Content-Type"], "application/octet-stream")
        part = get(f"tile/0/001.p/{size - 256}", key=None)
        self.assertEqual((part.status, len(part.body)), (200, 32 * (size - 256)))
        self.assertEqual(part.headers["Cache-Control"], "no-store")
        self.assertEqual(len(get("tile/entries/000", key=None).body), 256 * 54)
        for path in ("tile/0/001", f"tile/0/001.p/{size - 255}", "tile/0/0", "tile/00/000",
                     "tile/64/000", "tile/x/000", "tile/1/000", "tile/entries/002",
                     "tile/0/x000/000", "tile/0/000.p/0", "tile/0/000.p/256"):
            self.assertEqual(get(path, key=None).status, 404, path)
        self.assertEqual(get("entries", key=None).status, 401)
        self.assertEqual(get("entries").status, 403)
        answer = get("entries?from=0&count=3", key="auditor").json
        self.assertEqual([entry["index"] for entry in answer["entries"]], [0, 1, 2])
        self.assertEqual(answer["entries"][0]["action"], "vault_created")
        self.assertEqual(answer["next"], 3)
        self.assertEqual(get("entries?count=1001", key="auditor").status, 413)
        for query in ("from=x", "from=01", "from=-1", "count=1e3", "other=1"):
            self.assertEqual(get(f"entries?{query}", key="auditor").status, 400, query)
        proof = get(f"proof?index=5&size={size}").json
        self.assertEqual((proof["index"], proof["size"]), (5, size))
        self.assertGreaterEqual(len(proof["hashes"]), 8)
        self.assertEqual(get(f"proof?from=5&size={size}").json["from"], 5)
        self.assertEqual(get("proof?index=5").json["size"], size)
        self.assertEqual(get("proof?index=5", key=None).status, 401)
        for query in ("", "size=5", f"index=1&from=1&size={size}", "index=a"):
            self.assertEqual(get(f"proof?{query}").status, 400, query)
        for query in (f"index={size}&size={size}", "index=0&size=100000", "from=0", "index=5&size=5"):
            self.assertEqual(get(f"proof?{query}").status, 404, query)


if __name__ == "__main__":
    PROGRAM = Program(sys.argv.pop(1))
    unittest.main(verbosity=2)
