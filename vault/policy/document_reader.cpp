#include "vault/policy/document_reader.hpp"

#include "vault/policy/rule_readers.hpp"
#include "vault/policy/words.hpp"

namespace oubliette::policy {

namespace {

RequestRules read_requests(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/requests", "the rules of requests"};
    RequestRules rules;
    rules.answer_within = in.duration("answer_within");
    rules.extend = in.duration("extend");
    rules.free_per_year =
        static_cast<std::uint32_t>(in.integer("free_per_year", 0, 1'000'000).value_or(0));
    rules.then = in.text("then");
    rules.cooling_off = in.duration("cooling_off");
    rules.repeat_window = in.duration("repeat_window");
    rules.proof = in.name_pairs("proof", kListCountMax);
    rules.refusals = in.texts("refusals", kListCountMax);
    rules.appeal = in.text("appeal");
    if (const JsonNode* const backups = in.find("backups")) {
        ObjectReader inner{sink, *backups, "/requests/backups", "the rules of backups"};
        rules.backups_keep = inner.duration("data_keep");
        inner.finish();
    }
    rules.records_keep = in.duration("records_keep");
    in.finish();
    return rules;
}

IncidentRules read_incident(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/incident", "the rules of incidents"};
    IncidentRules rules;
    rules.authority_within = in.duration("authority_within");
    rules.tell_subject = in.texts("tell_subject", kListCountMax);
    rules.public_if_unreachable_over = in.share("public_if_unreachable_over").value_or(1.0);
    rules.contents = in.texts("contents", kListCountMax);
    in.finish();
    return rules;
}

Controller read_controller(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/policy/controller", "the controller"};
    Controller controller;
    controller.name = in.required_text("name");
    controller.country = in.text("country");
    controller.contact = in.text("contact");
    controller.officer = in.text("officer");
    controller.complaints = in.text("complaints");
    in.finish();
    return controller;
}

ChangeNote read_change(FindingSink& sink, const JsonNode& node, std::string pointer) {
    ObjectReader in{sink, node, std::move(pointer), "a change"};
    ChangeNote change;
    change.kind = in.required_text("kind");
    change.clause = in.text("clause");
    change.affects = in.texts("affects", kListCountMax);
    change.text = in.text("text");
    in.finish();
    return change;
}

void read_notice(FindingSink& sink, const JsonNode& node, PolicyHead& head) {
    ObjectReader in{sink, node, "/policy/notice", "the notice"};
    head.notice_url = in.text("url");
    head.notice_sha256 = in.text("sha256");
    head.notice_period = in.duration("period");
    in.finish();
}

// Calls `read(item, pointer)` for each item of the array `key`, of which `count_max` are allowed.
template <class Read>
void read_array(ObjectReader& in, std::string_view key, std::size_t count_max, Read read) {
    const JsonNode* const node = in.find(key);
    if (node == nullptr) return;
    const std::string pointer = child_pointer(in.pointer(), key);
    if (node->kind != JsonNode::Kind::array) {
        in.sink().add("POLICY_TYPE", pointer, node->offset, std::string{key} + " must be an array");
        return;
    }
    if (node->items.size() > count_max) {
        in.report("POLICY_LIMIT", key,
                  std::string{key} + " may have " + std::to_string(count_max) + " entries");
        return;
    }
    for (std::size_t i = 0; i < node->items.size(); ++i) {
        read(node->items[i], child_pointer(pointer, i));
    }
}

PolicyHead read_head(FindingSink& sink, const JsonNode& node) {
    ObjectReader in{sink, node, "/policy", "the policy part"};
    PolicyHead head;
    head.id = in.required_text("id");
    if (in.require("version") != nullptr) {
        head.version = static_cast<std::uint16_t>(in.integer("version", 1, 65'535).value_or(0));
    }
    head.supersedes = static_cast<std::uint16_t>(in.integer("supersedes", 0, 65'534).value_or(0));
    if (head.version != 0 && head.supersedes >= head.version) {
        in.report("POLICY_VALUE", "supersedes", "a policy supersedes a lower version");
    }
    head.tenant = in.required_name("tenant");
    head.home_region = in.required_name("home_region");
    head.published = in.time("published");
    head.effective = in.time("effective");
    if (const JsonNode* const controller = in.require("controller")) {
        head.controller = read_controller(sink, *controller);
    }
    if (const JsonNode* const notice = in.find("notice")) read_notice(sink, *notice, head);
    read_array(in, "changes", kListCountMax, [&](const JsonNode& item, std::string pointer) {
        head.changes.push_back(read_change(sink, item, std::move(pointer)));
    });
    in.finish();
    return head;
}

struct Part {
    std::string_view key;
    std::string_view what;  // one of them
    std::size_t count_max;
    bool required;
};

// Reads an object of named rules into `rules`.
template <class Rule>
void read_part(ObjectReader& root, const Part& part, std::vector<Rule>& rules,
               Rule (*read)(ObjectReader&, std::string)) {
    const JsonNode* const node = part.required ? root.require(part.key) : root.find(part.key);
    if (node == nullptr) return;
    const std::string pointer = child_pointer("", part.key);
    if (node->kind != JsonNode::Kind::object) {
        root.sink().add("POLICY_TYPE", pointer, node->offset,
                        std::string{part.key} + " must be an object of named rules");
        return;
    }
    if (node->members.size() > part.count_max) {
        root.report("POLICY_LIMIT", part.key,
                    std::string{part.key} + " may have " + std::to_string(part.count_max) +
                        " entries; take some out");
        return;
    }
    for (const auto& [name, value] : node->members) {
        const std::string at = child_pointer(pointer, name);
        if (!check_name(root.sink(), name, at, value.offset)) continue;
        ObjectReader in{root.sink(), value, at, part.what};
        rules.push_back(read(in, name));
        in.finish();
    }
}

void read_never_together(ObjectReader& root, Document& document) {
    read_array(root, "never_together", kListCountMax, [&](const JsonNode& set, std::string at) {
        if (set.kind != JsonNode::Kind::array || set.items.size() < 2) {
            root.sink().add("POLICY_TYPE", at, set.offset, "write a list of two fields or more");
            return;
        }
        std::vector<std::string> names;
        for (std::size_t i = 0; i < set.items.size() && i < kFieldCountMax; ++i) {
            const JsonNode& item = set.items[i];
            if (check_name(root.sink(), item.string, child_pointer(at, i), item.offset)) {
                names.push_back(item.string);
            }
        }
        document.never_together.push_back(std::move(names));
    });
}

void add_switches(Document& document) {
    constexpr std::pair<std::string_view, std::string_view> kSwitches[kSwitchCount] = {
        {kAbroadSwitch, "My data may go abroad where I agreed to it."},
        {kPromotionSwitch, "My data may be used for promotion where I agreed to it."},
        {kAdultSwitch, "I am old enough to decide for myself."},
    };
    for (const auto& [name, text] : kSwitches) {
        SlotRule slot;
        slot.name = name;
        slot.text = text;
        slot.is_switch = true;
        document.slots.push_back(std::move(slot));
    }
}

// "Objection is a slot that starts granted" (MISSION 3): one per purpose that allows it.
void add_objection_slots(ObjectReader& root, Document& document) {
    for (const PurposeRule& purpose : document.purposes) {
        if (!purpose.objection) continue;
        SlotRule slot;
        slot.name = std::string{kObjectionPrefix} + purpose.name;
        slot.objection_to = purpose.name;
        slot.text = "No objection to " + purpose.name + ".";
        document.slots.push_back(std::move(slot));
    }
    if (document.slots.size() > kSlotCountMax) {
        root.report("POLICY_LIMIT", "consents",
                    "126 slots are possible, of which 3 are the person's own switches and one is "
                    "for each objection purpose; take some out");
    }
}

void read_rules(ObjectReader& root, Document& document) {
    read_part(root, {"regions", "a region", kRegionCountMax, true}, document.regions, read_region);
    read_part(root, {"fields", "a field", kFieldCountMax, true}, document.fields, read_field);
    read_part(root, {"transforms", "a transform", kTransformCountMax, true}, document.transforms,
              read_transform);
    read_part(root, {"consents", "a consent", kSlotCountMax, true}, document.slots, read_slot);
    read_part(root, {"purposes", "a purpose", kPurposeCountMax, true}, document.purposes,
              read_purpose);
    read_part(root, {"recipients", "a recipient", kRecipientCountMax, true}, document.recipients,
              read_recipient);
    (void)root.require("retention");
    read_array(
        root, "retention", kRetentionRuleCountMax, [&](const JsonNode& item, std::string pointer) {
            document.retention.push_back(read_retention(root.sink(), item, std::move(pointer)));
        });
    read_part(root, {"orders", "an order", kListCountMax, false}, document.orders, read_order);
    read_part(root, {"holds", "a hold", kListCountMax, false}, document.holds, read_hold);
}

// People write the numbers of the country they are in without its code.
void add_phone_country(Document& document) {
    const RegionRule* const home = document.find_region(document.head.home_region);
    if (home == nullptr || home->countries.empty()) return;
    for (FieldRule& field : document.fields) {
        const bool is_phone = field.type == FieldType::phone;
        if (is_phone && field.phone_country.empty()) field.phone_country = home->countries.front();
    }
}

}  // namespace

void read_document(FindingSink& sink, const JsonNode& node, Document& document) {
    ObjectReader root{sink, node, "", "a policy document"};
    if (node.kind != JsonNode::Kind::object) return;
    const std::string schema = root.required_text("schema");
    if (!schema.empty() && schema != "oubliette.policy/1") {
        root.report("POLICY_VALUE", "schema", "this version reads \"oubliette.policy/1\"");
    }
    if (const JsonNode* const head = root.require("policy")) document.head = read_head(sink, *head);
    read_rules(root, document);
    if (const JsonNode* const requests = root.find("requests")) {
        document.requests = read_requests(sink, *requests);
    }
    if (const JsonNode* const incident = root.find("incident")) {
        document.incident = read_incident(sink, *incident);
    }
    add_phone_country(document);
    read_never_together(root, document);
    if (const JsonNode* const rechecks = root.find("rechecks")) {
        ObjectReader in{sink, *rechecks, "/rechecks", "the rechecks"};
        document.re_consent_on = in.texts("re_consent_on", kListCountMax);
        document.notice_on = in.texts("notice_on", kListCountMax);
        in.finish();
    }
    add_switches(document);
    add_objection_slots(root, document);
    root.finish();
}

}  // namespace oubliette::policy
