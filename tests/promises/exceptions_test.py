"""Promises about the lawful exceptions: disclosure orders, break-glass and legal holds.

Run as: exceptions_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import datetime
import json
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

import receipt_verify  # noqa: E402
from vault_process import Program, VaultProcess  # noqa: E402

PROGRAM = None  # set by main
PATIENCE = 60  # seconds
PAPER = "ab" * 32
ORDER_JSON = {"sum": 12}


class Office(VaultProcess):
    APPS = ("web", "support_desk", "finance", "privacy_office")


def in_days(days):
    return (datetime.date.today() + datetime.timedelta(days=days)).isoformat()


class Exceptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-exceptions-"))
        cls.vault = Office(PROGRAM, cls.home / "vault").init().start()
        for name, roles, recipient in (("legal", ["legal"], None), ("counsel", ["legal"], None),
                                       ("duty_manager", ["duty_manager"], None),
                                       ("auditor2", ["auditor"], None),
                                       ("officer2", ["privacy_officer"], "privacy_office")):
            body = {"id": name, "roles": roles}
            if recipient:
                body["recipient"] = recipient
            answer = cls.vault.request("POST", "/v1/clients", body, key="policy_admin")
            assert answer.status == 200, answer.body
            file = cls.vault.keys / f"{name}.key"
            file.write_text(answer.json["key"] + "\n")
            file.chmod(0o600)
        cls.people = 0

    @classmethod
    def tearDownClass(cls):
        if cls.vault.process is not None:
            cls.vault.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    # ---- Steps.
    def person(self):
        """A customer with a name, a mobile number and an order; returns the id."""
        type(self).people += 1
        subject = f"c-{self.people}"
        self.assertEqual(self.vault.consent(subject).status, 200)
        answer = self.vault.put(subject, username=f"user {subject}", mobile="+8613900001234",
                                real_name="Ann Example")
        self.assertEqual(answer.status, 200, answer.body)
        self.order_token = self.vault.request(
            "POST", "/v1/tokenize",
            {"items": [{"subject": subject, "field": "order_info", "value": ORDER_JSON}],
             "purpose": "provide"}).json["items"][0]["token"]
        self.name_token = answer.json["tokens"]["username"]
        return subject

    def post(self, path, body, key="privacy_officer"):
        return self.vault.request("POST", path, body, key=key)

    def refused(self, answer, code, status=403):
        self.assertEqual((answer.status, answer.code), (status, code), answer.body)

    def open_order(self, subjects, fields=("username",), key="privacy_officer", **more):
        body = {"basis": "criminal_case", "authority": "district court", "subjects": subjects,
                "fields": list(fields), "paper_sha256": PAPER}
        body.update(more)
        return self.post("/v1/orders", {name: value for name, value in body.items()
                                        if value is not None}, key)

    def approve(self, identifier, *keys):
        for key in keys:
            answer = self.post(f"/v1/orders/{identifier}/approve", {}, key)
            self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def live_order(self, subjects, fields=("username",), approvers=("privacy_officer", "legal"),
                   **more):
        answer = self.open_order(subjects, fields, **more)
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(self.approve(answer.json["id"], *approvers)["state"], "live")
        return answer.json["id"]

    def shown(self, subject, field, purpose="disclosure", order=None, key="app-privacy_office"):
        """The value, or the code of the refusal."""
        path = f"/v1/subjects/{subject}?purpose={purpose}&fields={field}"
        if order:
            path += f"&order={order}"
        answer = self.vault.request("GET", path, key=key)
        if answer.status != 200:
            return answer.code
        item = answer.json["fields"][field]
        return item["error"]["code"] if "error" in item else item["value"]

    def place(self, subject, key="privacy_officer", **more):
        body = {"subject": subject, "ground": "legal_obligation", "categories": ["orders"],
                "review": in_days(20), "law": "tax code, article 12"}
        body.update(more)
        return self.post("/v1/holds", {name: value for name, value in body.items()
                                       if value is not None}, key)

    def erase(self, subject, wait=20):
        return self.vault.request("POST", f"/v1/subjects/{subject}/erase",
                                  {"ground": "no_longer_using"}, key="privacy_officer",
                                  headers={"Prefer": f"wait={wait}"})

    def wait_final(self, identifier):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.vault.request("GET", f"/v1/erasures/{identifier}",
                                       key="privacy_officer").json
            if found["state"] == "final":
                return found
            time.sleep(0.2)
        self.fail("it did not become final")

    def verify(self, erasure, external_id=None):
        file = self.home / "receipt.json"
        file.write_text(json.dumps(erasure))
        keys = self.home / "receipt-keys.json"
        keys.write_bytes(self.vault.request("GET", "/v1/receipts/keys", key=None).body)
        arguments = ["receipt", "verify", file, "--vault-key", keys]
        if external_id:
            arguments += ["--external-id", external_id]
        done = PROGRAM.run(*arguments)
        self.assertEqual(done.code, 0, done.out.decode() + done.err)
        # And by a program of another hand.
        receipt_verify.verify(file.read_text(), json.loads(keys.read_bytes()), external_id)
        return done.out.decode()

    # ---- 3: disclosure.
    def test_clause_3_1_2_sharing_by_law_needs_a_live_order(self):
        subject = self.person()
        self.assertEqual(self.shown(subject, "username"), "ORDER_REQUIRED")
        order = self.live_order([subject], basis="litigation")
        self.assertEqual(self.shown(subject, "username", order=order), f"user {subject}")
        token = self.vault.request(
            "POST", "/v1/tokenize",
            {"items": [{"subject": subject, "field": "username"}], "purpose": "own_account",
             "token": {"recipient": "privacy_office"}}).json["items"][0]["token"]
        item = self.vault.detokenize(token, purpose="disclosure", key="app-privacy_office",
                                     order=order).json["items"][0]
        self.assertEqual(item.get("value"), f"user {subject}")
        item = self.vault.detokenize(token, purpose="disclosure",
                                     key="app-privacy_office").json["items"][0]
        self.assertEqual(item["error"]["code"], "ORDER_REQUIRED")
        decided = self.vault.request(
            "POST", "/v1/decide", {"subject": subject, "field": "username", "order": order,
                                   "purpose": "disclosure"}, key="app-privacy_office").json
        self.assertTrue(decided["allowed"], decided)

    def test_clause_3_3_2_publishing_by_law_needs_a_third_approval(self):
        subject = self.person()
        opened = self.open_order([subject], public=True)
        self.assertEqual(opened.json["approvals_needed"], 3)
        order = opened.json["id"]
        self.approve(order, "privacy_officer", "legal")
        self.assertEqual(self.shown(subject, "username", order=order), "ORDER_NEEDS_APPROVAL")
        self.approve(order, "counsel")
        self.assertEqual(self.shown(subject, "username", order=order), f"user {subject}")

    def test_clause_3_4_1_2_3_two_people_in_two_roles_approve(self):
        subject = self.person()
        for basis in ("national_security", "public_health", "criminal_case"):
            opened = self.open_order([subject], basis=basis)
            self.assertEqual(opened.status, 201, opened.body)
            self.assertEqual(opened.json["blocked_by"], "ORDER_NEEDS_APPROVAL")
            order = opened.json["id"]
            self.approve(order, "privacy_officer")
            self.assertEqual(self.shown(subject, "username", order=order), "ORDER_NEEDS_APPROVAL")
            path = f"/v1/orders/{order}/approve"
            self.refused(self.post(path, {}, "privacy_officer"), "SAME_APPROVER")
            self.refused(self.post(path, {}, "officer2"), "ROLE_DENIED")
            self.refused(self.post(path, {}, "app-web"), "ROLE_DENIED")
            self.approve(order, "legal")
            self.assertEqual(self.shown(subject, "username", order=order), f"user {subject}")

    def test_clause_3_4_1_2_3_an_order_widens_nothing_else(self):
        people = [self.person() for _ in range(4)]
        order = self.live_order(people[:3])
        for subject in people[:3]:
            self.assertEqual(self.shown(subject, "username", order=order), f"user {subject}")
        self.assertEqual(self.shown(people[3], "username", order=order), "ORDER_SCOPE")
        self.assertEqual(self.shown(people[0], "mobile", order=order), "ORDER_SCOPE")
        self.assertEqual(self.shown(people[0], "username", "promote", order, "app-web"),
                         "PURPOSE_NOT_ALLOWED")
        self.assertEqual(self.shown(people[0], "mobile", "improve", order, "app-web"),
                         "FIELD_NOT_NECESSARY")

    def test_clause_3_4_1_2_3_an_order_ends_and_stays_ended(self):
        subject = self.person()
        order = self.live_order([subject])
        closed = self.post(f"/v1/orders/{order}/close", {}, "legal")
        self.assertEqual((closed.status, closed.json["state"]), (200, "closed"))
        self.assertEqual(self.shown(subject, "username", order=order), "ORDER_EXPIRED")
        self.refused(self.post(f"/v1/orders/{order}/approve", {}, "counsel"), "WRONG_STATE", 409)
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)
        order = self.live_order([subject], expires=moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.assertEqual(self.shown(subject, "username", order=order), f"user {subject}")
        while datetime.datetime.now(datetime.timezone.utc) < moment:
            time.sleep(0.2)
        self.assertEqual(self.shown(subject, "username", order=order), "ORDER_EXPIRED")
        found = self.vault.request("GET", f"/v1/orders/{order}", key="auditor2").json
        self.assertEqual((found["state"], found["subjects"]), ("expired", 1))
        self.assertNotIn(subject, json.dumps(found))
        self.refused(self.open_order([subject], expires=in_days(60)), "ORDER_SCOPE")

    def test_clause_3_4_1_2_3_paper_and_permit(self):
        subject = self.person()
        self.refused(self.open_order([subject], paper_sha256=None), "EVIDENCE_REQUIRED")
        self.refused(self.open_order([subject], basis="foreign_authority"), "EVIDENCE_REQUIRED")
        self.refused(self.open_order([subject], country="DE"), "EVIDENCE_REQUIRED")
        opened = self.open_order([subject], basis="foreign_authority", permit_sha256="cd" * 32)
        self.assertEqual(opened.status, 201, opened.body)
        self.refused(self.open_order(["nobody"]), "NOT_FOUND", 404)
        self.refused(self.open_order([subject], fields=("shoe_size",)), "FIELD_UNKNOWN", 422)
        self.refused(self.open_order([subject], basis="curiosity"), "VALUE_INVALID", 422)

    def test_clause_3_4_4_break_glass(self):
        subject, other = self.person(), self.person()
        emergency = {"basis": "vital_interest", "authority": "ambulance", "paper_sha256": None,
                     "fields": ["mobile"]}
        self.refused(self.open_order([subject, other], **emergency), "ORDER_SCOPE")
        self.refused(self.open_order([subject], **emergency, expires=in_days(3)), "ORDER_SCOPE")
        order = self.live_order([subject], approvers=("privacy_officer", "duty_manager"),
                                **emergency)
        self.assertEqual(self.shown(subject, "mobile", order=order), "+8613900001234")
        self.assertEqual(self.shown(other, "mobile", order=order), "ORDER_SCOPE")
        found = self.vault.request("GET", f"/v1/orders/{order}", key="legal").json
        self.assertIn("notice_due", found)
        path = f"/v1/orders/{order}/notice"
        self.refused(self.post(path, {}), "EVIDENCE_REQUIRED")
        told = self.post(path, {"evidence_sha256": PAPER})
        self.assertEqual(told.status, 200, told.body)
        self.assertIn("notice_given", told.json)
        self.refused(self.post(path, {"evidence_sha256": PAPER}), "WRONG_STATE", 409)

    def test_clause_3_4_5_6_only_what_is_marked_public(self):
        subject = self.person()
        marked = self.vault.request(
            "PUT", f"/v1/subjects/{subject}",
            {"fields": {"real_name": "Ann Public"}, "purpose": "own_account",
             "sources": {"real_name": {"public_source": PAPER, "found": "2026-01-02"}}})
        self.assertEqual(marked.status, 200, marked.body)
        order = self.live_order([subject], ("real_name", "mobile"), basis="already_public")
        self.assertEqual(self.shown(subject, "real_name", order=order), "Ann Public")
        self.assertEqual(self.shown(subject, "mobile", order=order), "ORDER_SCOPE")
        wrong = self.vault.request(
            "PUT", f"/v1/subjects/{subject}",
            {"fields": {"real_name": "Ann"}, "purpose": "own_account",
             "sources": {"mobile": {"public_source": PAPER}}})
        self.assertEqual(wrong.status, 400, wrong.body)

    # ---- 5.5: legal holds.
    def test_clause_5_5_1_erasure_goes_around_a_hold(self):
        subject = self.person()
        placed = self.place(subject)
        self.assertEqual((placed.status, placed.json["state"]), (201, "live"), placed.body)
        erased = self.erase(subject)
        self.assertEqual((erased.status, erased.json["state"]), (200, "partly_held"), erased.body)
        kept = erased.json["receipt"]["kept"]
        self.assertEqual([(one["category"], one["code"]) for one in kept], [("orders", "5.5(1)")])
        self.assertTrue(kept[0]["until"].startswith(in_days(20)))
        self.assertIn("kept: orders, 5.5(1)", self.verify(erased.json, subject))
        self.assertEqual(self.shown(subject, "order_info", "provide", key="app-web"), "RESTRICTED")
        self.assertEqual(self.shown(subject, "order_info", "support", key="app-support_desk"),
                         "RESTRICTED")
        self.assertEqual(self.shown(subject, "order_info", "accounting", key="app-finance"),
                         ORDER_JSON)
        self.assertEqual(self.shown(subject, "username", "own_account", key="app-web"), "ERASED")
        item = self.vault.detokenize(self.name_token).json["items"][0]
        self.assertEqual(item["error"]["code"], "ERASED")
        again = self.erase(subject)
        self.assertEqual(again.json["id"], erased.json["id"])
        self.assertNotIn("r", again.json)
        released = self.post(f"/v1/holds/{placed.json['id']}/release", {}, "legal")
        self.assertEqual((released.status, released.json["state"]), (200, "released"))
        self.assertNotIn("subject", released.json)
        final = self.wait_final(erased.json["id"])
        self.assertEqual(final["receipt"], erased.json["receipt"])
        self.verify(final)
        self.verify({"request_id": None, **final["rest"]["receipt"]})
        self.assertEqual(self.shown(subject, "order_info", "accounting", key="app-finance"),
                         "NOT_FOUND")
        self.refused(self.erase(subject), "NOT_FOUND", 404)

    def test_clause_5_5_1_everything_held_is_423_with_the_erasure(self):
        subject = self.person()
        placed = self.place(subject, categories=["orders", "account", "contact", "identity"])
        self.assertEqual(placed.status, 201, placed.body)
        erased = self.erase(subject)
        self.refused(erased, "HELD", 423)
        self.assertRegex(erased.json["erasure"], "^er_[0-9a-f]{32}$")
        self.assertRegex(erased.json["r"], "^[0-9a-f]{64}$")
        found = self.vault.request("GET", f"/v1/erasures/{erased.json['erasure']}",
                                   key="privacy_officer").json
        self.assertEqual(found["state"], "held")
        self.refused(self.erase(subject), "HELD", 423)
        self.assertEqual(self.shown(subject, "order_info", "accounting", key="app-finance"),
                         ORDER_JSON)
        self.post(f"/v1/holds/{placed.json['id']}/release", {}, "legal")
        self.wait_final(erased.json["erasure"])

    def test_clause_5_5_1_a_crash_while_the_hold_ends_loses_nothing(self):
        """The release and the erasure it sets free are one commit: killed at once, both happened."""
        subject = self.person()
        placed = self.place(subject).json["id"]
        erased = self.erase(subject).json["id"]
        self.assertEqual(self.post(f"/v1/holds/{placed}/release", {}, "legal").status, 200)
        self.vault.kill()
        self.vault.start()
        self.wait_final(erased)
        self.assertEqual(self.shown(subject, "order_info", "accounting", key="app-finance"),
                         "NOT_FOUND")

    def test_clause_5_5_1_a_hold_survives_a_restart_and_an_order_opens_what_is_held(self):
        subject = self.person()
        placed = self.place(subject).json["id"]
        order = self.live_order([subject], ("order_info", "username"))
        self.assertEqual(self.erase(subject).json["state"], "partly_held")
        self.vault.stop()
        self.vault.start()
        self.assertEqual(self.shown(subject, "order_info", order=order), ORDER_JSON)
        self.assertEqual(self.shown(subject, "username", order=order), "ERASED")
        self.assertEqual(self.shown(subject, "order_info"), "ORDER_REQUIRED")
        listed = self.vault.request("GET", "/v1/holds", key="legal").json["holds"]
        self.assertIn((placed, subject), [(one["id"], one.get("subject")) for one in listed])
        blind = self.vault.request("GET", f"/v1/holds/{placed}", key="auditor2")
        self.assertNotIn("subject", blind.json)

    def test_clause_5_5_1_a_field_that_is_held_cannot_be_deleted(self):
        subject = self.person()
        self.place(subject, categories=None, fields=["mobile"])
        path = f"/v1/subjects/{subject}/fields/"
        self.refused(self.vault.request("DELETE", path + "mobile?purpose=own_account"), "HELD", 423)
        self.assertEqual(
            self.vault.request("DELETE", path + "real_name?purpose=own_account").status, 200)
        self.assertEqual(self.shown(subject, "mobile", "own_account", key="app-web"),
                         "+8613900001234")

    def test_clause_5_5_2_3_4_two_approvers_and_a_review_date(self):
        for ground in ("national_security", "public_interest", "criminal_case"):
            subject = self.person()
            more = {"ground": ground, "law": None}
            self.refused(self.place(subject, **more, review=None), "VALUE_INVALID", 422)
            self.refused(self.place(subject, **more, review=in_days(200)), "HOLD_TOO_WIDE")
            placed = self.place(subject, **more)
            self.assertEqual((placed.json["state"], placed.json["blocked_by"]),
                             ("waiting", "NEEDS_SECOND"))
            path = f"/v1/holds/{placed.json['id']}"
            self.refused(self.post(path + "/approve", {}), "SAME_APPROVER")
            self.assertEqual(self.post(path + "/approve", {}, "legal").json["state"], "live")
            self.assertEqual(self.erase(subject).json["state"], "partly_held")
            self.refused(self.post(path + "/release", {}, "counsel"), "NEEDS_SECOND")
            self.assertEqual(self.shown(subject, "order_info", "accounting", key="app-finance"),
                             ORDER_JSON)
            self.assertEqual(self.post(path + "/release", {}).json["state"], "released")

    def test_clause_5_5_2_3_4_a_hold_without_its_second_keeps_nothing(self):
        subject = self.person()
        placed = self.place(subject, ground="criminal_case", law=None)
        self.assertEqual(self.erase(subject).json["state"], "final")
        found = self.vault.request("GET", f"/v1/holds/{placed.json['id']}", key="legal").json
        self.assertEqual(found["state"], "lapsed")

    def test_clause_5_5_5_7_abuse_and_serious_harm_need_evidence(self):
        subject = self.person()
        for ground in ("abuse", "serious_harm"):
            self.refused(self.place(subject, ground=ground), "EVIDENCE_REQUIRED")
            placed = self.place(subject, ground=ground, evidence_sha256=PAPER)
            self.assertEqual(placed.status, 201, placed.body)
            self.assertEqual(placed.json["evidence_sha256"], PAPER)

    def test_clause_5_5_6_a_second_extension_needs_other_people(self):
        subject = self.person()
        more = {"ground": "vital_interest", "law": None}
        self.refused(self.place(subject, **more, review=in_days(40)), "HOLD_TOO_WIDE")
        first = self.place(subject, **more).json["id"]
        self.refused(self.place(subject, **more, extends=first), "NEEDS_SECOND")
        self.post(f"/v1/holds/{first}/approve", {}, "legal")
        second = self.place(subject, **more, extends=first).json["id"]
        self.assertEqual(self.post(f"/v1/holds/{second}/approve", {}, "legal").json["state"],
                         "live")
        self.refused(self.place(subject, **more, extends=second), "SAME_APPROVER")
        third = self.place(subject, "officer2", **more, extends=second)
        self.assertEqual(third.status, 201, third.body)
        path = f"/v1/holds/{third.json['id']}/approve"
        self.refused(self.post(path, {}, "legal"), "SAME_APPROVER")
        self.assertEqual(self.post(path, {}, "counsel").json["state"], "live")

    def test_clause_5_5_8_a_trade_secret_holds_fields_and_nobodys_name(self):
        subject = self.person()
        more = {"ground": "trade_secret", "law": None}
        self.refused(self.place(subject, **more), "HOLD_TOO_WIDE")
        self.refused(self.place(subject, **more, categories=None, fields=["real_name"]),
                     "HOLD_TOO_WIDE")
        placed = self.place(subject, **more, categories=None, fields=["order_info"])
        self.assertEqual(placed.status, 201, placed.body)

    # ---- The same from the command line.
    def test_clause_3_and_5_5_from_the_command_line(self):
        subject = self.person()
        done = self.vault.client("order", "open", "--basis", "criminal_case", "--authority", "court",
                                 "--subject", subject, "--field", "username", "--paper-sha256",
                                 PAPER, key="privacy_officer")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("ORDER_NEEDS_APPROVAL", done.err)
        order = done.out.decode().split()[0]
        for key in ("privacy_officer", "legal"):
            done = self.vault.client("order", "approve", order, key=key)
            self.assertEqual(done.code, 0, done.err)
        self.assertIn("live", done.out.decode())
        self.assertIn(order, self.vault.client("order", "list", key="legal").out.decode())
        done = self.vault.client("order", "notice", order, "--evidence-sha256", PAPER, key="legal")
        self.assertEqual(done.code, 4, done.err)
        self.assertEqual(self.vault.client("order", "close", order, key="legal").code, 0)
        done = self.vault.client("hold", "place", subject, "--ground", "legal_obligation",
                                 "--category", "orders", "--review", in_days(10), "--law", "tax",
                                 key="privacy_officer")
        self.assertEqual(done.code, 0, done.err)
        hold = done.out.decode().split()[0]
        self.assertIn(hold, self.vault.client("hold", "list", key="legal").out.decode())
        done = self.vault.client("hold", "approve", hold, key="legal")
        self.assertEqual(done.code, 4, done.err)
        self.assertNotEqual(self.vault.client("hold", "release", hold, "--confirm", "no",
                                              key="legal").code, 0)
        done = self.vault.client("hold", "release", hold, "--confirm", hold, key="legal")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("released", done.out.decode())


if __name__ == "__main__":
    PROGRAM = Program(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
