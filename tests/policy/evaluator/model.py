"""What a policy decides, read from the policy model and nothing else: names instead of numbers,
searches instead of tables, one step after the other. Shares no code and no language with the gate.

A person: granted (slot names), expires (slot -> second), seen (version), region, paused,
restricted, account_closed, last_activity, campaign_ended (second, 0 = has not happened).
Seconds count from 2020-01-01T00:00:00Z and end in 2156.
"""

import calendar
import datetime
import re

EPOCH = datetime.datetime(2020, 1, 1)
END_OF_TIME = 2**32 - 1
STRICTNESS = {"exists": 1, "pseudonym": 2, "generalise": 3, "mask": 4, "partial": 4, "plain": 5}
DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
                      r"(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def after(second, text):
    """`second` + an ISO 8601 duration: months first, then days, then seconds."""
    years, months, weeks, days, hours, minutes, seconds = (
        int(part or 0) for part in DURATION.fullmatch(text).groups())
    moment = EPOCH + datetime.timedelta(seconds=second)
    month = moment.month - 1 + months + 12 * years
    year, month = moment.year + month // 12, month % 12 + 1
    if year > 9000:
        return END_OF_TIME
    day = min(moment.day, calendar.monthrange(year, month)[1])
    moment = moment.replace(year=year, month=month, day=day)
    total = (moment - EPOCH).total_seconds() + 86400 * (days + 7 * weeks)
    return min(END_OF_TIME, int(total) + 3600 * hours + 60 * minutes + seconds)


def first_second(date):
    return int((datetime.datetime.strptime(date, "%Y-%m-%d") - EPOCH).total_seconds())


class Model:
    def __init__(self, policy):
        self.policy = policy
        self.version = policy["policy"]["version"]

    # ---- What the document says.
    def starts_granted(self, slot):
        return slot.startswith("not_objected.") or slot.startswith("switch.")

    def is_live(self, slot, person):
        if slot not in person["granted"]:
            return False
        return self.starts_granted(slot) or self.policy["consents"][slot]["since"] <= person["seen"]

    def guardian(self):
        for name, slot in self.policy["consents"].items():
            if slot.get("guardian"):
                return name
        return None

    def shown(self, recipient, purpose, field, want=""):
        """Name of the transform, or None."""
        if field not in self.policy["fields"] or field not in recipient.get("fields", [field]):
            return None
        by_purpose = purpose["fields"].get(field, purpose["fields"].get("*"))
        if by_purpose is None:
            return None
        strictest = by_purpose
        for other in (recipient.get("cap", {}).get(field), want or None):
            if other is not None and self.rank(other) < self.rank(strictest):
                strictest = other
        return strictest

    def rank(self, transform):
        return STRICTNESS[self.policy["transforms"][transform]["kind"]]

    # ---- Steps 8 to 10.
    def consent_failures(self, recipient, name, purpose, person, now):
        """[(step, code)], each step at most once."""
        failures = []
        needs = list(purpose.get("needs", []))
        if purpose.get("objection"):
            needs += ["not_objected." + name, "switch.promotion"]
        if purpose.get("needs") and self.guardian() and "switch.adult" not in person["granted"]:
            needs.append(self.guardian())
        region = person["region"] or self.policy["policy"]["home_region"]
        home = self.policy["regions"].get(region, {"countries": []})["countries"]
        border = recipient.get("cross_border", {}).get("consent")
        abroad = recipient["country"] not in home
        if abroad and border is None:
            failures.append((8, "CROSS_BORDER_BLOCKED"))
        elif abroad and not (self.is_live(border, person) and
                             self.is_live("switch.abroad", person)):
            failures.append((8, "CROSS_BORDER_NO_CONSENT"))
        missing = [slot for slot in needs if not self.is_live(slot, person)]
        if any(slot not in person["granted"] for slot in missing):
            failures.append((9, "CONSENT_MISSING"))
        elif missing:
            failures.append((9, "CONSENT_STALE"))
        asked = needs + ([border] if abroad and border is not None else [])
        over = [slot for slot in asked
                if self.is_live(slot, person) and now >= person["expires"].get(slot, END_OF_TIME)]
        if over:
            failures.append((10, "CONSENT_EXPIRED"))
        return failures

    # ---- Step 12.
    def anchor(self, rule, person, collected):
        return collected if rule["from"] == "collected" else person[rule["from"]]

    def pair_end(self, category, purpose, person, collected):
        """(is there a rule, earliest end or None)"""
        rules = [rule for rule in self.policy["retention"]
                 if rule["category"] == category and rule["purpose"] in ("*", purpose)]
        ends = [after(self.anchor(rule, person, collected), rule["keep"]) for rule in rules
                if rule["from"] == "collected" or self.anchor(rule, person, collected) != 0]
        return bool(rules), min(ends) if ends else None

    def category_end(self, category, person, collected):
        """When all pairs have ended; None = not yet, or never."""
        pairs = {rule["purpose"] for rule in self.policy["retention"]
                 if rule["category"] == category and rule["purpose"] != "*"}
        shared = any(rule["category"] == category and rule["purpose"] == "*"
                     for rule in self.policy["retention"])
        users = {name for name, purpose in self.policy["purposes"].items()
                 if any(self.policy["fields"].get(field, {}).get("category") == category
                        for field in purpose["fields"] if field != "*")}
        if shared and (users - pairs or not pairs):
            pairs.add("*")
        latest = 0
        for purpose in pairs:
            _, end = self.pair_end(category, purpose, person, collected)
            if end is None:
                return None
            latest = max(latest, end)
        return latest if pairs else None

    def has_retention_ended(self, field, purpose, person, collected, now):
        category = self.policy["fields"][field]["category"]
        has_rule, end = self.pair_end(category, purpose, person, collected)
        if not has_rule:
            end = self.category_end(category, person, collected)
        return end is not None and now >= end

    def end_day(self, field, now):
        """The day on which a value written now must die, if that is known now."""
        category = self.policy["fields"][field]["category"]
        relevant = [rule for rule in self.policy["retention"] if rule["category"] == category]
        nobody = {"account_closed": 0, "last_activity": 0, "campaign_ended": 0}
        if any(rule["from"] != "collected" for rule in relevant):
            return None
        end = self.category_end(category, nobody, now)
        return None if end is None or end == END_OF_TIME else end // 86400

    # ---- The whole order.
    def failures(self, question):
        """[(step, code)] of steps 2 to 12; after 2 and 3 there is nothing more to ask."""
        person, now = question["person"], question["now"]
        purpose = self.policy["purposes"].get(question["purpose"])
        if purpose is None:
            return [(2, "PURPOSE_UNKNOWN")]
        recipient = self.policy["recipients"].get(question["recipient"])
        if recipient is None or question["purpose"] not in recipient["purposes"]:
            return [(3, "PURPOSE_NOT_ALLOWED")]
        failures = []
        if recipient.get("suspended") or question["suspended"]:
            failures.append((4, "RECIPIENT_SUSPENDED"))
        expires = recipient.get("agreement", {}).get("expires")
        if expires and now >= first_second(expires):
            failures.append((4, "AGREEMENT_EXPIRED"))
        if self.shown(recipient, purpose, question["field"]) is None:
            failures.append((5, "FIELD_NOT_NECESSARY"))
        if question["blocked"]:
            failures.append((6, "ASSESSMENT_BLOCKED"))
        if person["paused"]:
            failures.append((7, "PAUSED"))
        elif person["restricted"] and not purpose.get("when_restricted"):
            failures.append((7, "RESTRICTED"))
        failures += self.consent_failures(recipient, question["purpose"], purpose, person, now)
        if purpose["basis"] == "order":
            failures.append((11, "ORDER_REQUIRED"))
        if question["field"] in self.policy["fields"] and self.has_retention_ended(
                question["field"], question["purpose"], person, question["collected"], now):
            failures.append((12, "RETENTION_ENDED"))
        return failures

    def completes_set(self, question):
        """Step 13: would this client have all fields of a set together?"""
        reachable = {field for field in self.policy["fields"]
                     for name in self.policy["recipients"][question["recipient"]]["purposes"]
                     if self.shown(self.policy["recipients"][question["recipient"]],
                                   self.policy["purposes"][name], field) is not None}
        held = set(question["seen"]) | {question["field"]}
        return any(question["field"] in fields and set(fields) <= held
                   and set(fields) <= reachable for fields in self.policy["never_together"])

    def answer(self, question):
        """What gate_answers says: answer, steps, write gate, category over, end day."""
        failures = self.failures(question)
        if failures:
            read = failures[0][1]
        else:
            purpose = self.policy["purposes"][question["purpose"]]
            recipient = self.policy["recipients"][question["recipient"]]
            read = self.shown(recipient, purpose, question["field"], question["want"])
            is_watched = (self.policy["transforms"][read]["kind"] != "exists"
                          and not purpose.get("request"))
            if is_watched and self.completes_set(question):
                read = "LINKAGE"
        # Operators' suspensions and assessments are the vault's; the gate is asked without them.
        written = [code for step, code in
                   self.failures({**question, "suspended": False, "blocked": False})
                   if step not in (7, 11, 12)]
        field = question["field"]
        ended, day = False, None
        if field in self.policy["fields"]:
            end = self.category_end(self.policy["fields"][field]["category"], question["person"],
                                    question["collected"])
            ended = end is not None and question["now"] >= end
            day = self.end_day(field, question["now"])
        return " ".join([read, ",".join(str(step) for step, _ in failures) or "-",
                         written[0] if written else "ok", "1" if ended else "0",
                         "-" if day is None else str(day)])
