"""Random policies, people and questions. The example policy with most of what decides thrown about;
it need not lint clean: answers are defined for every policy whose references exist."""

import copy

NOW = 107_740_800  # 2023-06-01T00:00:00Z
SOME_DAYS = 3 * 365 * 86_400
COUNTRIES = ["CN", "DE", "FR", "*"]
BASES = ["consent", "contract", "legal_obligation", "order"]
ANCHORS = ["collected", "account_closed", "last_activity", "campaign_ended"]
KEEPS = ["P0D", "P1D", "P1M", "P1Y", "P3Y", "P2W", "PT1H", "P1Y2M3DT4H"]
# The last seconds of agreements of the example, and days that months do not have.
EDGES = [323_222_399, 323_222_400, 325_036_800, 121_651_200, 131_932_800]


def chance(random, percent):
    return random.random() * 100 < percent


def random_policy(random, example):
    policy = copy.deepcopy(example)
    fields, transforms = list(policy["fields"]), list(policy["transforms"])
    slots, purposes = list(policy["consents"]), list(policy["purposes"])
    policy["policy"]["version"] = 5
    for slot in policy["consents"].values():
        slot["since"] = random.randint(1, 5)
    if chance(random, 50):
        policy["consents"][random.choice(slots)]["guardian"] = True
    for purpose in policy["purposes"].values():
        if chance(random, 30):
            purpose["basis"] = random.choice(BASES)
        if chance(random, 30):
            purpose["objection"] = True
        if chance(random, 30):
            purpose["when_restricted"] = chance(random, 50)
        if chance(random, 30):
            purpose["needs"] = random.sample(slots, random.randint(0, 2))
        for _ in range(3):
            purpose["fields"][random.choice(fields)] = random.choice(transforms)
    for recipient in policy["recipients"].values():
        if chance(random, 40):
            recipient["country"] = random.choice(COUNTRIES)
        if chance(random, 10):
            recipient["suspended"] = True
        if chance(random, 50):
            recipient.setdefault("cap", {})[random.choice(fields)] = random.choice(transforms)
        if chance(random, 20):
            recipient.setdefault("cross_border", {})["consent"] = random.choice(slots)
        if chance(random, 20):
            recipient.pop("fields", None)
        recipient["purposes"] = [name for name in purposes if chance(random, 60)]
    for rule in policy["retention"]:
        if chance(random, 50):
            rule["from"] = random.choice(ANCHORS)
        if chance(random, 50):
            rule["keep"] = random.choice(KEEPS)
        if chance(random, 50):
            rule["purpose"] = random.choice(purposes)
    policy["never_together"] = [random.sample(fields, random.randint(2, 3)) for _ in range(3)]
    return policy


def slots_of(policy):
    return (list(policy["consents"]) + ["switch.abroad", "switch.promotion", "switch.adult"] +
            ["not_objected." + name for name, purpose in policy["purposes"].items()
             if purpose.get("objection")])


def random_person(random, policy, slots, now):
    def some_time(percent):
        return NOW - random.randrange(SOME_DAYS) if chance(random, percent) else 0
    granted = [slot for slot in slots if chance(random, 88)]
    return {
        "granted": granted,
        "expires": {slot: now + random.choice([-86_400, -1, 0, 1, 86_400])
                    for slot in granted if chance(random, 8)},
        "seen": 5 if chance(random, 70) else random.randrange(7),
        "region": random.choice(["cn", "eu", "gone"]) if chance(random, 30) else "",
        "paused": chance(random, 5), "restricted": chance(random, 10),
        "account_closed": some_time(20), "last_activity": some_time(50),
        "campaign_ended": some_time(30)}


def random_question(random, policy, slots):
    now = random.choice(EDGES) if chance(random, 10) else NOW
    transforms = list(policy["transforms"])
    fields = list(policy["fields"])
    return {
        "recipient": "nobody" if chance(random, 2) else random.choice(list(policy["recipients"])),
        "purpose": "nothing" if chance(random, 2) else random.choice(list(policy["purposes"])),
        "field": "unheard_of" if chance(random, 2) else random.choice(fields),
        "want": random.choice(transforms) if chance(random, 40) else "",
        "now": now, "collected": now - random.randrange(SOME_DAYS),
        "suspended": chance(random, 3), "blocked": chance(random, 3),
        "seen": random.sample(fields, random.choice([0, 0, 2, 6])),
        "person": random_person(random, policy, slots, now)}
