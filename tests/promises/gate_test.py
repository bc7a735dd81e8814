"""Clauses that the published policy itself keeps: purposes, consents, recipients, borders, versions.

Run as: gate_test.py PATH_OF_OUBLIETTE [unittest arguments]
"""

import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

from vault_process import POLICY, Program, VaultProcess

PROGRAM = None  # set by main


class PolicyVault(VaultProcess):
    """With an application for every recipient, and a policy of the test's own."""

    APPS = ("web", "support_desk", "marketing", "finance", "affiliate_motor", "affiliate_de",
            "partner_idcheck", "hosting")

    def __init__(self, home, policy):
        super().__init__(PROGRAM, home)
        self.policy = self.home.parent / f"{self.home.name}-policy.json"
        self.policy.write_text(json.dumps(policy))

    def init_arguments(self, **changed):
        return super().init_arguments(policy=self.policy, **changed)


def example():
    return json.loads(POLICY.read_text())


def next_version(policy, *changes):
    """A draft of the version after `policy`; `changes` are declared as (kind, object)."""
    draft = json.loads(json.dumps(policy))
    head = draft["policy"]
    head["supersedes"], head["version"] = head["version"], head["version"] + 1
    head["changes"] = [{"kind": kind, "affects": [name], "text": "as the notice says"}
                       for kind, name in changes]
    return draft


class Clauses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-promises-"))
        cls.policy = example()
        cls.policy["recipients"]["affiliate_de"]["cross_border"]["people_per_year"] = 2
        cls.policy["consents"]["guardian"] = {
            "ask": "separate", "since": 1, "text": "I decide for this child.", "guardian": True}
        cls.vault = PolicyVault(cls.home / "vault", cls.policy).init().start()
        for name, role, recipient in (("legal", "legal", None), ("officer2", "privacy_officer",
                                                                 "privacy_office")):
            body = {"id": name, "roles": [role]}
            if recipient:
                body["recipient"] = recipient
            answer = cls.vault.request("POST", "/v1/clients", body, key="policy_admin")
            assert answer.status == 200, answer.body
            (cls.vault.keys / f"{name}.key").write_text(answer.json["key"])

    @classmethod
    def tearDownClass(cls):
        cls.vault.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    # ---- Steps.
    def call(self, method, path, body=None, key="policy_admin"):
        return self.vault.request(method, path, body, key=key)

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.code), (status, code), answer.body)
        self.assertTrue(answer.json["detail"], "the problem names no remedy")
        return answer

    def consent(self, subject, slot, granted=True, kind="separate", version=3, key="app-web"):
        body = {"granted": granted}
        if granted:
            body.update(policy_version=version, kind=kind, evidence_sha256="0" * 64)
        return self.vault.request("PUT", f"/v1/subjects/{subject}/consents/{slot}", body, key=key)

    def put(self, subject, purpose="own_account", key="app-web", **fields):
        return self.vault.request("PUT", f"/v1/subjects/{subject}",
                                  {"fields": fields, "purpose": purpose}, key=key)

    def person(self, subject, *slots, **fields):
        for slot in ("policy", *slots):
            self.assertEqual(self.consent(subject, slot).status, 200)
        answer = self.put(subject, **fields)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["tokens"]

    def read(self, subject, field, purpose, key):
        """The value, or the code of the refusal."""
        answer = self.vault.request(
            "GET", f"/v1/subjects/{subject}?purpose={purpose}&fields={field}", key=key)
        if answer.status != 200:
            return answer.code
        item = answer.json["fields"][field]
        return item["error"]["code"] if "error" in item else item["value"]

    def explain(self, subject, field, purpose, recipient, **more):
        answer = self.call("POST", "/v1/decide", {
            "subject": subject, "field": field, "purpose": purpose, "recipient": recipient, **more},
            key="auditor")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def codes(self, findings):
        return [finding["code"] for finding in findings if finding["severity"] == "error"]

    def lint(self, policy):
        return self.codes(self.call("POST", "/v1/policy/lint", policy).json["findings"])

    # ---- 0, 1: why we collect.
    def test_clause_0a_nothing_is_stored_before_the_policy_is_accepted(self):
        self.refused(self.put("zoe", mobile="+8613800000001"), 403, "CONSENT_MISSING")
        self.assertEqual(self.read("zoe", "mobile", "own_account", "app-web"), "NOT_FOUND")
        self.refused(self.consent("zoe", "promote", kind="policy"), 403, "CONSENT_KIND")
        self.assertEqual(self.consent("zoe", "policy", kind="policy").status, 200)
        self.assertEqual(self.put("zoe", mobile="+8613800000001").status, 200)

    def test_clause_0b_a_field_without_a_purpose_is_not_published(self):
        draft = next_version(self.policy)
        draft["fields"]["fax"] = {"category": "contact", "type": "phone"}
        answer = self.refused(self.call("POST", "/v1/policy/publish", draft), 422, "VALUE_INVALID")
        self.assertIn("LINT_FIELD_WITHOUT_PURPOSE", self.codes(answer.json["findings"]))

    def test_clause_1_1_identifiers_that_may_not_come_together(self):
        self.person("lin", "campaign", real_name="Lin Example", mobile="+8613800000002")
        self.assertEqual(self.put("lin", purpose="campaign",
                                  account_no="6222020000000000001").status, 200)
        for field in ("real_name", "mobile"):
            self.assertNotEqual(self.read("lin", field, "own_account", "app-web"), "LINKAGE")
        self.assertEqual(self.read("lin", "account_no", "campaign", "app-web"), "LINKAGE")
        self.assertTrue(self.read("lin", "account_no", "campaign", "app-marketing").endswith("1"))

    def test_clause_1_2_1_optional_is_optional_and_undeclared_is_refused(self):
        self.person("ida", username="ida", mobile="+8613800000003")
        self.refused(self.put("ida", id_number="11010119900101001X"), 422, "FIELD_UNKNOWN")

    def test_clause_1_2_3_campaign_data_only_for_who_takes_part(self):
        self.person("cam", username="cam")
        self.refused(self.put("cam", purpose="campaign", account_no="6222020000000000001"), 403,
                     "CONSENT_MISSING")
        self.assertEqual(self.read("cam", "username", "provide", "app-web"), "cam")

    def test_clause_1_3_1_improving_gets_the_city_and_needs_a_consent(self):
        tokens = self.person("per", address={"lines": ["1 Road"], "city": "Xi'an"})
        shown = self.vault.detokenize(tokens["address"], purpose="improve").json["items"][0]
        self.assertEqual(shown["error"]["code"], "CONSENT_MISSING")
        self.assertEqual(self.consent("per", "improve").status, 200)
        for want in ({}, {"want": "plain"}):
            shown = self.vault.detokenize(tokens["address"], purpose="improve", **want)
            item = shown.json["items"][0]
            self.assertEqual((item["value"], item["transform"]), ("Xi'an", "city"))

    def test_clause_1_3_2_marketing_has_no_notices_to_send(self):
        self.person("mia", mobile="+8613800000004")
        self.assertEqual(self.read("mia", "mobile", "notify", "app-marketing"),
                         "PURPOSE_NOT_ALLOWED")
        self.assertEqual(self.read("mia", "mobile", "notify", "app-support_desk"), "*" * 10 + "0004")

    def test_clause_1_3_3_matching_shows_no_value_and_is_limited(self):
        token = self.person("max", mobile="+8613800000005")["mobile"]

        def match(candidate):
            return self.vault.request("POST", "/v1/match", {
                "token": token, "candidate": candidate, "purpose": "activate"})
        answer = match("+8613800000005")
        self.assertEqual(answer.json, {"match": True})
        for _ in range(5):
            self.assertEqual(match("+8613800000009").json, {"match": False})
        answer = self.refused(match("+8613800000005"), 429, "MATCH_LIMIT")
        self.assertIn("Retry-After", answer.headers)

    def test_clause_1_3_4_who_objects_gets_no_promotion(self):
        self.person("obi", "promote", email="obi@example.org")
        self.assertEqual(self.read("obi", "email", "promote", "app-marketing"), "obi@example.org")
        for switch in ("not_objected.promote", "switch.promotion"):
            self.assertEqual(self.consent("obi", switch, granted=False).status, 200)
            self.assertEqual(self.read("obi", "email", "promote", "app-marketing"),
                             "CONSENT_MISSING")
            self.assertEqual(self.consent("obi", switch).status, 200)

    def test_clause_1_3_5_a_purpose_exists_only_if_the_policy_names_it(self):
        self.person("pia", mobile="+8613800000006")
        self.assertEqual(self.read("pia", "mobile", "credit_score", "app-web"), "PURPOSE_UNKNOWN")

    def test_a_person_gets_receipts_of_consents(self):
        self.person("rec", "export_de", username="rec")
        receipt = self.call("GET", "/v1/subjects/rec/consents?format=dpv-27560",
                            key="app-web").json
        records = {record["consent_slot"]: record for record in receipt["records"]}
        self.assertEqual(set(records), {"policy", "export_de"})
        record = records["policy"]
        self.assertEqual(record["pii_principal_id"], "rec")
        self.assertEqual(record["privacy_notice_version"], 3)
        self.assertEqual(record["pii_controllers"][0]["name"], "Example Overseas Trade Co.")
        self.assertIn("own_account", [one["purpose"] for one in record["pii_processing"]])
        self.assertEqual(record["events"][0]["event_state"], "live")
        self.assertIsNotNone(records["export_de"]["events"][0]["valid_until"])
        self.assertEqual(self.consent("rec", "export_de", granted=False).status, 200)
        receipt = self.call("GET", "/v1/subjects/rec/consents?format=dpv-27560", key="app-web")
        self.assertEqual(len(receipt.json["records"]), 1)
        self.refused(self.call("GET", "/v1/subjects/rec/consents?format=pdf", key="app-web"), 400,
                     "MALFORMED")

    def test_minors_a_consent_needs_the_guardian(self):
        self.person("kid", username="kid")
        self.assertEqual(self.consent("kid", "switch.adult", granted=False).status, 200)
        self.assertEqual(self.read("kid", "username", "own_account", "app-web"), "CONSENT_MISSING")
        self.refused(self.consent("kid", "guardian", kind="express"), 403, "CONSENT_KIND")
        self.assertEqual(self.consent("kid", "guardian").status, 200)
        self.assertEqual(self.read("kid", "username", "own_account", "app-web"), "kid")

    # ---- 3: sharing.
    def test_clause_3_1_a_client_is_enrolled_only_under_a_recipient_of_the_policy(self):
        answer = self.call("POST", "/v1/clients",
                           {"id": "stranger", "recipient": "data_broker", "roles": ["app"]})
        self.refused(answer, 403, "RECIPIENT_UNKNOWN")

    def test_clause_3_1_1_only_the_recipient_that_the_consent_names(self):
        self.person("ann", "identity_check", real_name="Ann Example")
        self.assertEqual(self.read("ann", "real_name", "identity_check", "app-partner_idcheck"),
                         "Ann Example")
        self.assertEqual(self.read("ann", "real_name", "identity_check", "app-affiliate_motor"),
                         "PURPOSE_NOT_ALLOWED")
        self.assertEqual(self.consent("ann", "identity_check", granted=False).status, 200)
        self.assertEqual(self.read("ann", "real_name", "identity_check", "app-partner_idcheck"),
                         "CONSENT_MISSING")
        draft = json.loads(json.dumps(self.policy))
        del draft["consents"]["identity_check"]["names"]
        self.assertIn("LINT_SLOT_DOES_NOT_NAME_RECIPIENT", self.lint(draft))

    def test_clause_3_1_3_an_affiliate_gets_what_it_needs_until_it_is_suspended(self):
        self.person("aff", "affiliates", username="aff")

        def read(field, purpose="group_service"):
            return self.read("aff", field, purpose, "app-affiliate_motor")
        self.assertEqual(read("username"), "aff")
        self.assertEqual(read("order_info"), "FIELD_NOT_NECESSARY")
        self.assertEqual(read("username", "promote"), "PURPOSE_NOT_ALLOWED")
        path = "/v1/recipients/affiliate_motor/"
        self.refused(self.call("POST", path + "suspend", {}, key="app-web"), 403, "ROLE_DENIED")
        self.refused(self.call("POST", "/v1/recipients/nobody/suspend", {}), 403,
                     "RECIPIENT_UNKNOWN")
        self.assertEqual(self.call("POST", path + "suspend", {}).json["suspended"], True)
        self.assertEqual(read("username"), "RECIPIENT_SUSPENDED")
        done = self.vault.client("recipient", "resume", "affiliate_motor", key="policy_admin")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(read("username"), "aff")

    def test_clause_3_1_4_a_partner_until_the_agreement_ends_and_with_its_own_tokens(self):
        token = self.person("tok", "identity_check", real_name="Tok Example")["real_name"]
        answer = self.vault.detokenize(token, purpose="identity_check", key="app-partner_idcheck")
        self.assertEqual(answer.json["items"][0]["error"], {"code": "NOT_FOUND", "status": 404})
        question = ("tok", "real_name", "identity_check", "partner_idcheck")
        self.assertTrue(self.explain(*question, at="2028-07-13T23:59:59Z")["allowed"])
        reasons = self.explain(*question, at="2030-07-14T00:00:00Z")["reasons"]
        self.assertEqual([reason["code"] for reason in reasons], ["AGREEMENT_EXPIRED"])
        self.assertEqual((reasons[0]["step"], reasons[0]["clause"]), (4, "3.1(4)"))
        draft = json.loads(json.dumps(self.policy))
        draft["recipients"]["partner_idcheck"]["agreement"]["expires"] = "2024-01-01"
        self.assertIn("LINT_AGREEMENT_EXPIRED", self.lint(draft))

    def test_clause_3_1_4b_the_data_centre_has_no_purpose(self):
        self.person("hos", username="hos")
        for purpose in ("own_account", "support", "subject_rights"):
            self.assertEqual(self.read("hos", "username", purpose, "app-hosting"),
                             "PURPOSE_NOT_ALLOWED")

    # ---- 6: abroad.
    def test_clause_6a_the_country_comes_from_the_policy_never_from_the_request(self):
        self.person("geo", username="geo")
        answer = self.vault.request(
            "GET", "/v1/subjects/geo?purpose=support&fields=username", key="app-affiliate_de",
            headers={"Country": "CN", "X-Country": "CN", "CF-IPCountry": "CN"})
        self.assertEqual(answer.json["fields"]["username"]["error"]["code"],
                         "CROSS_BORDER_NO_CONSENT")
        self.refused(self.vault.request(
            "GET", "/v1/subjects/geo?purpose=support&fields=username&country=CN",
            key="app-affiliate_de"), 400, "MALFORMED")

    def test_clause_6b_abroad_with_consent_full_information_and_a_limit(self):
        told = ["receiver", "purpose", "fields", "measures", "risks", "how_to_exercise_rights"]
        body = {"granted": True, "policy_version": 3, "kind": "separate",
                "evidence_sha256": "0" * 64}
        for name in ("ex1", "ex2", "ex3"):
            self.person(name, username=name)
            path = f"/v1/subjects/{name}/consents/export_de"
            self.refused(self.call("PUT", path, {**body, "told": told[:-1]}, key="app-web"), 422,
                         "VALUE_INVALID")
            self.assertEqual(self.call("PUT", path, {**body, "told": told}, key="app-web").status,
                             200)

        def read(name):
            return self.read(name, "username", "support", "app-affiliate_de")
        self.assertEqual([read("ex1"), read("ex1"), read("ex2"), read("ex3")],
                         ["ex1", "ex1", "ex2", "EXPORT_LIMIT"])
        done = self.vault.client("report", "exports", key="auditor")
        self.assertEqual(done.code, 0, done.err)
        report = json.loads(done.out)["exports"]
        self.assertEqual([(one["recipient"], one["people"], one["alarm"]) for one in report],
                         [("affiliate_de", 2, True)])
        self.assertEqual(self.consent("ex1", "switch.abroad", granted=False).status, 200)
        self.assertEqual(read("ex1"), "CROSS_BORDER_NO_CONSENT")

    # ---- 7: the policy changes.
    def test_clause_7_1_every_decision_can_be_explained_and_replayed(self):
        self.person("rep", mobile="+8613800000008")
        self.read("rep", "mobile", "promote", "app-web")
        entries = self.call("GET", "/v1/audit/entries?from=0&count=1000", key="auditor").json
        last = [entry for entry in entries["entries"] if entry["action"] == "read"][-1]
        self.assertEqual(last["result"], "PURPOSE_NOT_ALLOWED")
        done = self.vault.client("policy", "explain", "--entry", last["index"], "--json",
                                 key="auditor")
        self.assertEqual(done.code, 0, done.err)
        replay = json.loads(done.out)
        self.assertEqual((replay["recorded"], replay["replayed"], replay["same"]),
                         ("PURPOSE_NOT_ALLOWED", "PURPOSE_NOT_ALLOWED", True))
        self.refused(self.call("GET", "/v1/audit/entries/99999999/replay"), 404, "NOT_FOUND")
        self.refused(self.call("GET", "/v1/audit/entries/0/replay"), 409, "WRONG_STATE")
        done = self.vault.client("policy", "explain", "rep", "mobile", "--purpose", "promote",
                                 "--recipient", "marketing", "--at", "3", key="auditor")
        self.assertEqual(done.code, 4, done.err)
        self.assertIn(b"step 9 CONSENT_MISSING (clause 1.3(4))", done.out)

    def test_callers_see_the_first_code_only(self):
        self.person("dec", mobile="+8613800000009")
        question = {"subject": "dec", "field": "order_info", "purpose": "promote"}
        answer = self.call("POST", "/v1/decide", question, key="app-marketing").json
        self.assertEqual(answer, {"allowed": False, "reasons": [{"code": "FIELD_NOT_NECESSARY"}]})
        self.refused(self.call("POST", "/v1/decide", {**question, "recipient": "web"},
                               key="app-marketing"), 403, "ROLE_DENIED")
        codes = [reason["code"] for reason in
                 self.explain("dec", "order_info", "promote", "marketing")["reasons"]]
        self.assertEqual(codes[:2], ["FIELD_NOT_NECESSARY", "CONSENT_MISSING"])

    def test_clause_7_2_versions_are_public_chained_and_frozen(self):
        edited = json.loads(json.dumps(self.policy))
        edited["consents"]["promote"]["text"] = "Send me many offers."
        self.refused(self.call("POST", "/v1/policy/publish", edited), 409, "VERSION_FROZEN")
        versions = self.call("GET", "/v1/policy/versions", key=None).json["versions"]
        text = self.call("GET", "/v1/policy/versions/3", key=None).json
        # Strings, integers below 2^53 and one 0.05: sorted keys are the canonical form.
        canonical = json.dumps(text, sort_keys=True, separators=(",", ":"),
                               ensure_ascii=False).encode()
        self.assertEqual(versions[0]["sha256"], hashlib.sha256(canonical).hexdigest())
        link = hashlib.sha256(b"oubliette policy 1" + bytes.fromhex(versions[0]["previous"]) +
                              bytes.fromhex(versions[0]["sha256"])).hexdigest()
        self.assertEqual(versions[0]["link"], link)
        self.assertEqual(self.call("GET", "/v1/policy/schema", key=None).json["title"],
                         "Policy document of an Oubliette vault")

    def test_clause_7_4_what_is_material_is_decided_by_the_differ(self):
        draft = next_version(self.policy)
        draft["purposes"]["support"]["fields"]["mobile"] = "plain"
        self.assertIn("DIFF_MATERIAL", self.codes(
            self.call("POST", "/v1/policy/diff", draft).json["findings"]))
        draft = next_version(self.policy)
        draft["policy"]["controller"]["name"] = "Another Company"
        self.assertIn("TRANSFER_REQUIRED", self.codes(
            self.call("POST", "/v1/policy/diff", draft).json["findings"]))
        draft = next_version(self.policy)
        draft["consents"]["promote"]["text"] = "Send me offers!"
        self.assertEqual(self.codes(
            self.call("POST", "/v1/policy/diff", draft).json["findings"]), [])

    def test_clause_7_4_6_high_risk_blocks_until_two_approve(self):
        self.person("pay", "campaign", real_name="Pay Example")

        def read():
            return self.read("pay", "real_name", "campaign_pay", "app-finance")
        self.assertEqual(read(), "Pay Example")
        body = {"purpose": "campaign_pay", "risk": "high", "paper_sha256": "11" * 32}
        self.assertTrue(self.call("POST", "/v1/assessments", body).json["blocked"])
        self.assertEqual(read(), "ASSESSMENT_BLOCKED")
        path = "/v1/assessments/campaign_pay/approve"
        self.assertEqual(self.call("POST", path, {}, key="privacy_officer").json["approvals"], 1)
        self.refused(self.call("POST", path, {}, key="privacy_officer"), 403, "SAME_APPROVER")
        self.refused(self.call("POST", path, {}, key="officer2"), 403, "SAME_APPROVER")
        self.assertEqual(read(), "ASSESSMENT_BLOCKED")
        self.assertFalse(self.call("POST", path, {}, key="legal").json["blocked"])
        self.assertEqual(read(), "Pay Example")
        self.refused(self.call("POST", path, {}, key="legal"), 409, "WRONG_STATE")

    def test_bad_documents_are_refused_with_place_and_the_running_version_stays(self):
        def edit(change):
            draft = next_version(self.policy)
            change(draft)
            return json.dumps(draft)

        def fields(draft):
            draft["fields"].update({f"f{number}": {"category": "profile", "type": "string"}
                                    for number in range(300)})
        text = edit(lambda draft: None)
        documents = {
            "POLICY_JSON": text[:-1],
            "POLICY_DUPLICATE_KEY": text.replace('"schema":', '"schema": "x", "schema":', 1),
            "POLICY_UNKNOWN_KEY": edit(lambda draft: draft.update(extra=1)),
            "POLICY_LIMIT": edit(fields),
            # The only way in which a document could lead back to itself.
            "POLICY_VALUE": edit(lambda draft: draft["policy"].update(supersedes=4)),
            "LINT_DANGLING_REFERENCE": edit(
                lambda draft: draft["purposes"]["support"]["needs"].append("nowhere")),
            "LINT_ALL_FIELDS": edit(
                lambda draft: draft["purposes"]["support"]["fields"].update({"*": "plain"})),
            "LINT_AGREEMENT_EXPIRED": edit(
                lambda draft: draft["recipients"]["hosting"]["agreement"].update(
                    expires="2021-01-01")),
            "LINT_NO_CONTACT": edit(lambda draft: draft["policy"]["controller"].pop("contact")),
            "VERSION_NOT_CURRENT": edit(lambda draft: draft["policy"].update(version=9)),
        }
        for code, document in documents.items():
            answer = self.call("POST", "/v1/policy/publish", document.encode())
            self.assertIn(answer.status, (409, 422), (code, answer.body))
            found = [one for one in answer.json["findings"] if one["code"] == code]
            self.assertTrue(found, (code, answer.body))
            self.assertTrue(found[0]["message"], found)
            self.assertTrue(found[0]["line"] or found[0]["pointer"], found)
        now = self.call("GET", "/v1/policy", key=None).json
        self.assertEqual(now, self.policy)

    # ---- 8: contact.
    def test_clause_8_whom_to_ask_is_public_and_in_every_refusal(self):
        contact = self.call("GET", "/v1/contact", key=None).json["contact"]
        self.assertEqual(contact, self.policy["policy"]["controller"]["contact"])
        answer = self.refused(self.put("nobody-yet", mobile="+8613800000001"), 403,
                              "CONSENT_MISSING")
        self.assertEqual(answer.json["contact"], contact)
        draft = json.loads(json.dumps(self.policy))
        del draft["policy"]["controller"]["contact"]
        self.assertIn("LINT_NO_CONTACT", self.lint(draft))


class NewVersions(unittest.TestCase):
    """What changes the policy in force has a vault of its own."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="oubliette-promises-"))
        self.policy = example()
        self.policy["policy"]["notice"]["period"] = "P14D"
        self.policy["recipients"]["marketing"]["subjects_per_hour"] = 2
        self.vault = PolicyVault(self.home / "vault", self.policy).init().start()

    def tearDown(self):
        self.vault.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def publish(self, draft):
        return self.vault.request("POST", "/v1/policy/publish", draft, key="policy_admin")

    def codes(self, answer):
        return [finding["code"] for finding in answer.json["findings"]
                if finding["severity"] == "error"]

    def test_clause_7_3_a_material_change_waits_for_its_notice(self):
        draft = next_version(self.policy, ("retention.longer", "messages"))
        for rule in draft["retention"]:
            if rule["category"] == "messages":
                rule["keep"] = "P2Y"
        for slot in ("policy", "publish", "preferences"):
            draft["consents"][slot]["since"] = 4
        draft["policy"]["effective"] = "2026-11-24T00:00:00Z"
        self.assertIn("NOTICE_PERIOD", self.codes(self.publish(draft)))
        draft["policy"]["effective"] = "2100-01-01T00:00:00Z"
        self.assertEqual(self.codes(self.publish(draft)), [])
        # Published, and not in force yet.
        now = self.vault.request("GET", "/v1/policy", key=None).json
        self.assertEqual(now["policy"]["version"], 3)
        versions = self.vault.request("GET", "/v1/policy/versions", key=None).json["versions"]
        self.assertEqual([one["version"] for one in versions], [3, 4])
        self.assertEqual(versions[1]["previous"], versions[0]["link"])

    def test_clause_1_4_a_wider_question_must_be_asked_again(self):
        self.assertEqual(self.vault.consent("ann").status, 200)
        self.assertEqual(self.vault.put("ann", username="ann").status, 200)
        # No wider use, only a question that is put anew: no notice period.
        draft = next_version(self.policy)
        draft["consents"]["policy"]["since"] = 4
        answer = self.publish(draft)
        self.assertEqual((answer.status, self.codes(answer)), (200, []), answer.body)

        def read():
            answer = self.vault.request(
                "GET", "/v1/subjects/ann?purpose=own_account&fields=username")
            item = answer.json["fields"]["username"]
            return item["error"]["code"] if "error" in item else item["value"]
        self.assertEqual(read(), "CONSENT_STALE")
        body = {"granted": True, "policy_version": 4, "kind": "policy",
                "evidence_sha256": "0" * 64}
        answer = self.vault.request("PUT", "/v1/subjects/ann/consents/policy", body)
        self.assertEqual(answer.status, 200)
        self.assertEqual(read(), "ann")


    def test_a_client_reads_so_many_different_people_an_hour(self):
        tokens = []
        for name in ("ann", "ben", "cora"):
            for slot in ("policy", "promote"):
                self.assertEqual(self.vault.consent(name, slot).status, 200)
            body = {"purpose": "own_account", "token": {"recipient": "marketing"},
                    "items": [{"subject": name, "field": "email", "value": f"{name}@example.org"}]}
            answer = self.vault.request("POST", "/v1/tokenize", body)
            tokens.append(answer.json["items"][0]["token"])
        answer = self.vault.detokenize(*tokens, purpose="promote", key="app-marketing")
        items = answer.json["items"]
        self.assertEqual([item.get("value") for item in items[:2]],
                         ["ann@example.org", "ben@example.org"])
        self.assertEqual(items[2]["error"], {"code": "SUBJECT_BUDGET", "status": 429})
        self.assertGreater(int(answer.headers["Retry-After"]), 3_500)


if __name__ == "__main__":
    PROGRAM = Program(sys.argv.pop(1))
    unittest.main(verbosity=2)
