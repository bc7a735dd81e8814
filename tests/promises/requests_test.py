"""Promises about what people may ask: subject requests, objections, disclosures, closed accounts.

Run as: requests_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import json
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from vault_process import POLICY, Program, VaultProcess  # noqa: E402

PROGRAM = None  # set by main
PATIENCE = 60  # seconds
EVIDENCE = "ab" * 32
OFFICER = "privacy_officer"


class Office(VaultProcess):
    APPS = ("web", "support_desk", "marketing", "partner_idcheck", "affiliate_motor")

    def init_arguments(self, **changed):
        """The example policy, with a cooling-off that a test can wait for."""
        policy = json.loads(POLICY.read_text())
        policy["requests"]["cooling_off"] = "PT2S"
        self.home.mkdir(parents=True, exist_ok=True)
        file = self.home / "policy.json"
        file.write_text(json.dumps(policy))
        return super().init_arguments(policy=file, **changed)


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-requests-"))
        cls.vault = Office(PROGRAM, cls.home / "vault").init().start()
        answer = cls.vault.request("POST", "/v1/clients", {
            "id": "officer2", "roles": ["privacy_officer"], "recipient": "privacy_office"},
            key="policy_admin")
        assert answer.status == 200, answer.body
        file = cls.vault.keys / "officer2.key"
        file.write_text(answer.json["key"] + "\n")
        file.chmod(0o600)
        cls.people = 0

    @classmethod
    def tearDownClass(cls):
        if cls.vault.process is not None:
            cls.vault.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    # ---- Steps.
    def expect(self, answer, status, code=None):
        self.assertEqual((answer.status, answer.code if code else None), (status, code),
                         answer.body)
        return answer

    def person(self):
        """A customer with an e-mail address, a mobile number and a name; returns the id."""
        type(self).people += 1
        subject = f"p-{self.people}"
        self.expect(self.vault.consent(subject), 200)
        self.expect(self.vault.put(subject, email=f"{subject}@example.org",
                                   mobile=f"+86138000{self.people:05d}", real_name="Ann Lee"), 200)
        return subject

    def post(self, path, body=None, key=OFFICER):
        return self.vault.request("POST", path, body or {}, key=key)

    def get(self, path, key=OFFICER):
        return self.vault.request("GET", path, key=key)

    def read(self, subject, field, purpose="own_account", key="app-web"):
        """The value, or the code of the refusal."""
        answer = self.get(f"/v1/subjects/{subject}?purpose={purpose}&fields={field}", key=key)
        if answer.status != 200:
            return answer.code
        item = answer.json["fields"][field]
        return item["value"] if "value" in item else item["error"]["code"]

    def open(self, kind, subject, key="app-web", **more):
        answer = self.post("/v1/requests", {"type": kind, "subject": subject, "channel": "web",
                                            **more}, key=key)
        self.assertIn(answer.status, (200, 201), answer.body)
        return answer.json["id"]

    def verify(self, request, key="app-web", **proof):
        return self.post(f"/v1/requests/{request}/verify", proof, key=key)

    def prove(self, request, subject):
        """Two factors: the session, and an address that was known."""
        self.expect(self.verify(request, method="session"), 200)
        return self.expect(self.verify(request, method="match", field="email",
                                       value=f"{subject}@example.org"), 200).json["request"]

    def state(self, request):
        return self.expect(self.get(f"/v1/requests/{request}"), 200).json["state"]

    def wait_for(self, request, state):
        deadline = time.monotonic() + PATIENCE
        while self.state(request) != state:
            self.assertLess(time.monotonic(), deadline, self.state(request))
            time.sleep(0.2)

    def share_with_partner(self, subject):
        self.expect(self.vault.consent(subject, "identity_check"), 200)
        self.assertEqual(self.read(subject, "real_name", "identity_check", "app-partner_idcheck"),
                         "Ann Lee")

    def open_recalls(self):
        return self.expect(self.get("/v1/recipients/partner_idcheck/recalls",
                                    key="app-partner_idcheck"), 200).json["recalls"]

    # ---- 1.2(3)
    def test_clause_1_2_3_a_campaign_ends_for_everybody(self):
        subject = self.person()
        body = {"fields": {"account_no": "6222020200112233445"}, "purpose": "campaign"}
        self.expect(self.vault.request("PUT", f"/v1/subjects/{subject}", body), 403,
                    "CONSENT_MISSING")
        self.expect(self.vault.consent(subject, "campaign"), 200)
        self.expect(self.vault.request("PUT", f"/v1/subjects/{subject}", body), 200)
        self.expect(self.post("/v1/campaigns/policy/end"), 422, "SLOT_UNKNOWN")
        self.expect(self.post("/v1/campaigns/campaign/end", key="app-web"), 403, "ROLE_DENIED")
        ended = self.expect(self.post("/v1/campaigns/campaign/end"), 200).json["ended_at"]
        again = self.expect(self.post("/v1/campaigns/campaign/end"), 200).json["ended_at"]
        self.assertEqual(again, ended)
        # Kept for 90 days more: what comes then is turned by hand in rights_test.cpp.
        self.assertEqual(self.read(subject, "account_no", "campaign", "app-marketing"),
                         "***************3445")

    # ---- 1.3(4)
    def test_clause_1_3_4_objection_survives_the_erasure(self):
        subject = self.person()
        mail = f"{subject}@example.org"
        request = self.open("objection", subject, purpose="promote")
        done = self.expect(self.post(f"/v1/requests/{request}/execute", key="app-web"), 200).json
        self.assertEqual(done["request"]["state"], "done")  # no proof was asked for
        self.expect(self.post(f"/v1/subjects/{subject}/erase", {"ground": "withdrawn"}), 200)
        again = self.person()
        self.expect(self.vault.consent(again, "promote"), 200)
        imported = {"fields": {"email": mail.upper()}, "purpose": "promote"}
        self.expect(self.vault.request("PUT", f"/v1/subjects/{again}", imported,
                                       key="app-marketing"), 403, "SUPPRESSED")
        self.expect(self.vault.put(again, email=mail), 200)
        other = {"fields": {"email": "other@example.org"}, "purpose": "promote"}
        self.expect(self.vault.request("PUT", f"/v1/subjects/{again}", other,
                                       key="app-marketing"), 200)
        by_hand = {"purpose": "promote", "field": "email", "value": "third@example.org"}
        self.expect(self.post("/v1/suppressions", by_hand), 200)
        third = {"fields": {"email": "Third@example.org"}, "purpose": "promote"}
        self.expect(self.vault.request("PUT", f"/v1/subjects/{again}", third,
                                       key="app-marketing"), 403, "SUPPRESSED")
        self.expect(self.post("/v1/suppressions", {**by_hand, "purpose": "provide"}), 403,
                    "PURPOSE_UNKNOWN")

    # ---- 3.1(4)
    def test_clause_3_1_4_recall_and_acknowledgement(self):
        before = len(self.open_recalls())
        subject = self.person()
        self.share_with_partner(subject)
        self.expect(self.vault.consent(subject, "identity_check", granted=False), 200)
        self.assertEqual(self.read(subject, "real_name", "identity_check", "app-partner_idcheck"),
                         "CONSENT_MISSING")
        recalls = self.open_recalls()
        self.assertEqual(len(recalls), before + 1)
        mine = recalls[-1]
        self.assertEqual((mine["reason"], mine["fields"]), ("withdrawal", ["real_name"]))
        ack = {"recall": mine["id"]}
        self.expect(self.post("/v1/recipients/partner_idcheck/ack", ack, key="app-affiliate_motor"),
                    403, "ROLE_DENIED")
        self.expect(self.post("/v1/recipients/affiliate_motor/ack", ack, key="app-affiliate_motor"),
                    404, "NOT_FOUND")
        for _ in range(2):
            done = self.post("/v1/recipients/partner_idcheck/ack", ack, key="app-partner_idcheck")
            self.assertIn("acknowledged", self.expect(done, 200).json)
        self.assertEqual(len(self.open_recalls()), before)
        self.expect(self.post("/v1/recipients/partner_idcheck/recall", {"fields": ["mobile"]}), 201)

    # ---- 4.3
    def test_clause_4_3_disclosures_list_each_release(self):
        subject = self.person()
        self.assertEqual(self.read(subject, "email"), f"{subject}@example.org")
        self.share_with_partner(subject)
        self.expect(self.get(f"/v1/subjects/{subject}/disclosures", key="app-web"), 403,
                    "ROLE_DENIED")
        page = self.expect(self.get(f"/v1/subjects/{subject}/disclosures"), 200).json
        seen = [(d["recipient"], d["purpose"], d["field"]) for d in page["disclosures"]]
        self.assertEqual(seen, [("web", "own_account", "email"),
                                ("partner_idcheck", "identity_check", "real_name")])
        self.assertIsNone(page["next"])
        one = self.expect(self.get(f"/v1/subjects/{subject}/disclosures?count=1"), 200).json
        self.assertEqual(len(one["disclosures"]), 1)
        two = self.expect(self.get(f"/v1/subjects/{subject}/disclosures?from={one['next']}"), 200)
        self.assertEqual(len(two.json["disclosures"]), 1)
        self.expect(self.get("/v1/subjects/nobody/disclosures"), 404, "NOT_FOUND")

    # ---- 5.1
    def test_clause_5_1_refusal_has_a_code_and_evidence(self):
        subject = self.person()
        request = self.open("access", subject)
        self.prove(request, subject)
        refuse = f"/v1/requests/{request}/refuse"
        self.expect(self.post(refuse, {"code": "not_feasible"}), 409, "WRONG_STATE")
        self.expect(self.post(refuse, {"evidence_sha256": EVIDENCE}), 409, "WRONG_STATE")
        self.expect(self.post(refuse, {"code": "because", "evidence_sha256": EVIDENCE}), 409,
                    "WRONG_STATE")
        body = {"code": "deceptive", "evidence_sha256": EVIDENCE}
        self.expect(self.post(refuse, body), 403, "NEEDS_SECOND")
        self.expect(self.post(refuse, body), 403, "NEEDS_SECOND")
        done = self.expect(self.post(refuse, body, key="officer2"), 200).json
        self.assertEqual(done["state"], "refused")
        self.assertEqual(done["refused"]["code"], "deceptive")
        self.assertEqual(done["refused"]["appeal"], "https://example.invalid/complaints")
        self.expect(self.post(f"/v1/requests/{request}/execute"), 409, "WRONG_STATE")

    # ---- 5.2
    def test_clause_5_2_grounds_start_a_request(self):
        for ground, review in (("unlawful", True), ("no_consent", True), ("breach", True),
                               ("no_longer_using", False), ("my own words", False)):
            request = self.open("erasure", self.person(), ground=ground)
            got = self.expect(self.get(f"/v1/requests/{request}"), 200).json
            self.assertEqual(got["review_task"], review, ground)
            self.assertEqual(got["ground"], "other" if " " in ground else ground)

    def test_clause_5_2_id_identity_is_proved_first(self):
        subject = self.person()
        request = self.open("access", subject)
        self.expect(self.post(f"/v1/requests/{request}/execute"), 403, "IDENTITY_NOT_PROVED")
        self.expect(self.get(f"/v1/requests/{request}/package"), 403, "IDENTITY_NOT_PROVED")
        self.expect(self.verify(request, method="match", field="email", value="x@example.org"),
                    403, "IDENTITY_NOT_PROVED")
        wrong = self.open("rectification", subject, fields=["mobile"])
        self.expect(self.verify(wrong, method="match", field="mobile", value="+8613800099999"),
                    403, "PROOF_NOT_INDEPENDENT")
        sent = self.expect(self.verify(wrong, key=OFFICER, method="code", field="email"), 200).json
        self.expect(self.verify(wrong, method="code", field="email"), 403, "ROLE_DENIED")
        proved = self.expect(self.verify(wrong, method="code", code=sent["code"]), 200).json
        self.assertEqual(proved["request"]["state"], "accepted")
        self.expect(self.post(f"/v1/requests/{wrong}/execute",
                              {"fields": {"mobile": "+8613900000000"}}), 200)
        self.assertEqual(self.read(subject, "mobile"), "+8613900000000")
        # Withdrawing a consent asks for the session only.
        withdrawal = self.open("withdraw", subject, slot="policy")
        self.expect(self.verify(withdrawal, method="session"), 200)
        self.expect(self.post(f"/v1/requests/{withdrawal}/execute", key="app-web"), 200)
        self.assertEqual(self.read(subject, "mobile"), "CONSENT_MISSING")

    def test_clause_5_2_4_erasure_runs_after_the_cooling_off(self):
        subject = self.person()
        self.share_with_partner(subject)
        before = len(self.open_recalls())
        tokens = self.vault.put(subject, email=f"{subject}@example.org").json["tokens"]
        request = self.open("erasure", subject)
        self.assertEqual(self.open("erasure", subject), request)  # the first one
        self.prove(request, subject)
        plan = self.expect(self.get(f"/v1/requests/{request}/plan"), 200).json
        self.assertEqual(sum(item["values"] for item in plan["categories"]), 3)
        self.assertEqual(plan["recalls"], [{"recipient": "partner_idcheck",
                                            "fields": ["real_name"]}])
        done = self.expect(self.post(f"/v1/requests/{request}/execute", key="app-web"), 202).json
        self.assertEqual(done["request"]["state"], "scheduled")
        self.assertEqual(len(done["r"]), 64)
        self.assertEqual(self.read(subject, "email"), f"{subject}@example.org")
        self.expect(self.get(f"/v1/requests/{request}/certificate"), 409, "WRONG_STATE")
        self.wait_for(request, "done")
        self.assertEqual(self.vault.detokenize(tokens["email"]).json["items"][0]["error"]["code"],
                         "ERASED")
        first = self.expect(self.get(f"/v1/requests/{request}/certificate"), 200)
        self.expect(self.post(f"/v1/requests/{request}/execute", key="app-web"), 200)
        second = self.expect(self.get(f"/v1/requests/{request}/certificate"), 200)
        self.assertEqual(first.body, second.body)
        self.assertIn("irrecoverable_after", first.json["receipt"])
        for member in ("proof", "fields", "slot"):
            self.assertNotIn(member, first.json["request"])
        self.check_receipt(subject, first.json, done["r"])
        self.assertEqual(len(self.open_recalls()), before + 1)

    def check_receipt(self, subject, certificate, opening):
        """The opening that was given when it was scheduled fits the receipt of the erasure."""
        erasure = self.expect(self.get(f"/v1/erasures/{certificate['request']['erasure']}"), 200)
        self.assertEqual(erasure.json["receipt"], certificate["receipt"])
        file = self.home / "receipt.json"
        file.write_text(json.dumps({**erasure.json, "r": opening}))
        done = PROGRAM.run("receipt", "verify", file, "--external-id", subject)
        self.assertEqual(done.code, 0, done.err + done.out.decode())

    # ---- 5.3
    def test_clause_5_3_closing_stops_at_once_and_then_erases(self):
        subject = self.person()
        close = f"/v1/subjects/{subject}/close"
        self.expect(self.post(close, key="app-marketing"), 403, "ROLE_DENIED")
        closed = self.expect(self.post(close, key="app-web"), 202).json["request"]
        self.assertEqual(self.read(subject, "mobile", "provide"), "RETENTION_ENDED")
        reopened = self.post(f"/v1/subjects/{subject}/reopen", key="app-web")
        self.assertEqual(self.expect(reopened, 200).json["state"], "withdrawn")
        self.assertNotIn(self.read(subject, "mobile", "provide"), ("RETENTION_ENDED", "NOT_FOUND"))
        self.expect(self.post(f"/v1/subjects/{subject}/reopen", key="app-web"), 409, "WRONG_STATE")
        again = self.expect(self.post(close, key="app-web"), 202).json["request"]
        self.assertNotEqual(again["id"], closed["id"])
        self.vault.kill()
        self.vault.start()
        self.wait_for(again["id"], "done")
        self.assertEqual(self.read(subject, "mobile", "provide"), "NOT_FOUND")

    # ---- 5.4
    def test_clause_5_4a_two_a_year_are_free(self):
        subject = self.person()
        for _ in range(2):
            request = self.open("access", subject)
            self.assertEqual(self.prove(request, subject)["state"], "accepted")
            package = self.expect(self.get(f"/v1/requests/{request}/package"), 200).json
            self.assertEqual({v["field"]: v["value"] for v in package["values"]}["email"],
                             f"{subject}@example.org")
            self.expect(self.get(f"/v1/requests/{request}/package"), 409, "WRONG_STATE")
        third = self.open("access", subject)
        self.assertEqual(self.prove(third, subject)["state"], "fee_or_refuse")
        self.expect(self.post(f"/v1/requests/{third}/execute"), 403, "FEE_OR_REFUSE")
        self.expect(self.post(f"/v1/requests/{third}/accept"), 403, "FEE_OR_REFUSE")
        self.expect(self.post(f"/v1/requests/{third}/accept", {"fee_settled": True}), 200)
        self.expect(self.get(f"/v1/subjects/{subject}/export?request={third}"), 200)
        self.expect(self.get(f"/v1/subjects/nobody/export?request={third}"), 404, "NOT_FOUND")
        erasure = self.open("erasure", subject)
        self.assertEqual(self.prove(erasure, subject)["state"], "accepted")

    def test_requests_on_the_command_line(self):
        subject = self.person()
        opened = self.vault.client("request", "open", "access", subject, key="app-web")
        self.assertEqual(opened.code, 0, opened.err)
        request = opened.out.decode().split("\t")[0]
        for proof in (("session",), ("match", "--field", "email", "--value",
                                     f"{subject}@example.org")):
            done = self.vault.client("request", "verify", request, *proof, key="app-web")
            self.assertEqual(done.code, 0, done.err)
        listed = self.vault.client("request", "list", key=OFFICER)
        self.assertIn(f"{request}\taccess\taccepted", listed.out.decode())
        refused = self.vault.client("request", "accept", request, key="app-web")
        self.assertEqual(refused.code, 4, refused.err)
        file = self.home / "package.json"
        done = self.vault.client("request", "package", request, "--out", file, key=OFFICER)
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(json.loads(file.read_text())["subject"], subject)


if __name__ == "__main__":
    PROGRAM = Program(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2)
