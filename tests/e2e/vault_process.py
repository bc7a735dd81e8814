"""A vault of the built binary: init, serve, and requests over HTTPS. Standard library only."""

import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading
import time

POLICY = pathlib.Path(__file__).resolve().parents[2] / "vault/policy/example_policy.json"
START_SECONDS = 60
RUN_SECONDS = 300


class Spoken:
    """All that the program ever said, for the search for canaries."""

    def __init__(self):
        self.bytes = bytearray()
        self.lock = threading.Lock()

    def add(self, data):
        with self.lock:
            self.bytes += data


SPOKEN = Spoken()


class Finished:
    """How a run of the program ended."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err


class Program:
    """The binary under test."""

    def __init__(self, binary):
        self.binary = str(binary)

    def run(self, *arguments, cwd=None, stdin=b"", env=None):
        done = subprocess.run([self.binary, *map(str, arguments)], cwd=cwd, input=stdin,
                              capture_output=True, timeout=RUN_SECONDS, check=False,
                              env={**os.environ, **(env or {})})
        SPOKEN.add(done.stderr)
        return Finished(done.returncode, done.stdout, done.stderr.decode())

    def start(self, *arguments):
        return subprocess.Popen([self.binary, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        try:
            return self.json.get("code")
        except ValueError:
            return None


class VaultProcess:
    """One vault in a directory of its own."""

    APPS = ("web", "support_desk", "marketing")

    def __init__(self, program, home, cell_class="besteffort"):
        self.program = program
        self.home = pathlib.Path(home)
        self.data = self.home / "data"
        self.keepers = [self.home / "keeper1", self.home / "keeper2"]
        self.keys = self.home / "keys"
        self.cell_class = cell_class
        self.process = None
        self.port = None
        self.readers = []

    # ---- Life.
    def init_arguments(self, **changed):
        keepers = changed.get("keepers", self.keepers)
        arguments = ["init", "--data", changed.get("data", self.data)]
        for keeper in keepers:
            arguments += ["--keeper", keeper]
        arguments += ["--seal", changed.get("seal", f"keyfile:{self.home}/seal.key"),
                      "--tenant", changed.get("tenant", "overseas"),
                      "--policy", changed.get("policy", POLICY),
                      "--keys-out", changed.get("keys", self.keys)]
        cell_class = changed.get("cell_class", self.cell_class)
        if cell_class:
            arguments += ["--cell-class", cell_class]
        for app in self.APPS:
            arguments += ["--app", app]
        return arguments

    def init(self):
        done = self.program.run(*self.init_arguments())
        assert done.code == 0, done.err
        return self

    def start(self, port=None):
        listen = f"127.0.0.1:{port if port is not None else self.port or 0}"
        self.process = self.program.start("serve", "--data", self.data, "--listen", listen)
        lines = []
        ready = threading.Event()

        def read(stream, is_talk):
            for line in iter(stream.readline, b""):
                SPOKEN.add(line)
                if is_talk:
                    lines.append(line.decode())
                    found = re.search(r"ready on port (\d+)", lines[-1])
                    if found:
                        self.port = int(found.group(1))
                        ready.set()
            if is_talk:
                ready.set()

        self.readers = [
            threading.Thread(target=read, args=(self.process.stderr, True), daemon=True),
            threading.Thread(target=read, args=(self.process.stdout, False), daemon=True)]
        for reader in self.readers:
            reader.start()
        assert ready.wait(START_SECONDS), "the server did not start"
        assert any("ready on port" in line for line in lines), "".join(lines)
        return self

    def _collect(self):
        code = self.process.wait(60)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process = None
        return code

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self._collect()

    def kill(self):
        self.process.kill()
        return self._collect()

    # ---- Requests.
    def key(self, name):
        return (self.keys / f"{name}.key").read_text().strip()

    def context(self):
        context = ssl.create_default_context(cafile=str(self.keys / "ca.pem"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def request(self, method, path, body=None, key="app-web", headers=None, raw_key=None):
        """As a good client: where a slow disk keeps the audit log waiting, it asks again."""
        deadline = time.monotonic() + 30
        while True:
            answer = self.request_once(method, path, body, key, headers, raw_key)
            is_late = answer.status == 503 and b"AUDIT_UNAVAILABLE" in answer.body
            if not is_late or time.monotonic() > deadline:
                return answer
            time.sleep(0.5)

    def request_once(self, method, path, body, key, headers, raw_key):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(),
                                                 timeout=60)
        sent = {}
        if raw_key is not None:
            sent["Authorization"] = f"Bearer {raw_key}"
        elif key is not None:
            sent["Authorization"] = f"Bearer {self.key(key)}"
        if body is not None:
            sent["Content-Type"] = "application/json"
            if not isinstance(body, (bytes, bytearray)):
                body = json.dumps(body).encode()
        sent.update(headers or {})
        try:
            connection.request(method, path, body=body, headers=sent)
            got = connection.getresponse()
            answer = Answer(got.status, dict(got.getheaders()), got.read())
        finally:
            connection.close()
        if answer.status >= 400:
            SPOKEN.add(answer.body)
        return answer

    def raw(self, data):
        """Sends bytes as they are and returns what comes back until the server closes."""
        import socket
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as plain:
            with self.context().wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(data)
                got = bytearray()
                try:
                    while True:
                        part = tls.recv(65536)
                        if not part:
                            break
                        got += part
                except (ConnectionResetError, ssl.SSLError):
                    pass
        SPOKEN.add(bytes(got))
        return bytes(got)

    def consent(self, subject, slot="policy", granted=True, kind="separate"):
        body = {"granted": granted}
        if granted:
            body.update(policy_version=3, kind=kind, evidence_sha256="0" * 64)
        return self.request("PUT", f"/v1/subjects/{subject}/consents/{slot}", body)

    def put(self, subject, **fields):
        return self.request("PUT", f"/v1/subjects/{subject}",
                            {"fields": fields, "purpose": "own_account"})

    def detokenize(self, *tokens, purpose="own_account", key="app-web", **more):
        return self.request("POST", "/v1/detokenize",
                            {"purpose": purpose, "tokens": list(tokens), **more}, key=key)

    # ---- Client verbs of the command line.
    def client(self, *arguments, key="app-web", **more):
        return self.program.run(*arguments, "--url", f"https://127.0.0.1:{self.port}", "--ca",
                                self.keys / "ca.pem", "--key-file", self.keys / f"{key}.key",
                                **more)
