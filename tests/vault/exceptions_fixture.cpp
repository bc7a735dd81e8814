#include "tests/vault/exceptions_fixture.hpp"

#include <thread>

namespace oubliette::testing {
namespace {

template <class Thing>
Outcome<Thing> outcome_of(Result<Thing> result) {
    if (!result) return {std::string{wire_name(result.error())}, {}};
    return {{}, std::move(*result)};
}

}  // namespace

crypto::Hash some_hash() {
    crypto::Hash hash{};
    hash.fill(0xA5);
    return hash;
}

ExceptionVault::ExceptionVault(std::string_view policy) : TestVault(policy) {
    const std::vector<NewClient> more{{"counsel", "", {Role::legal}},
                                      {"duty", "", {Role::duty_manager}},
                                      {"officer2", "privacy_office", {Role::privacy_officer}},
                                      {"office", "privacy_office", {Role::app}}};
    for (const NewClient& client : more) {
        auto key = wait_for<ApiKey>([&](Done<ApiKey> done) {
            (**this).enrol_client(caller("policy_admin"), client, std::move(done));
        });
        INFO(client.name << (key ? "" : ": ") << (key ? "" : wire_name(key.error())));
        REQUIRE(key.has_value());
        officers_[client.name] = std::move(*key);
    }
}

Caller ExceptionVault::officer(const std::string& name) const {
    const auto found = officers_.find(name);
    if (found == officers_.end()) return caller(name);
    const ApiKey& key = found->second;
    const auto known = (**this).authenticate(key.client, key.key, key.secret.expose());
    REQUIRE(known.has_value());
    return *known;
}

// ---- Orders --------------------------------------------------------------------------------

Outcome<Order> ExceptionVault::open_order(OrderRequest request, const std::string& by) {
    return outcome_of(wait_for<Order>(
        [&](Done<Order> done) { (**this).orders().open(officer(by), request, std::move(done)); }));
}

Outcome<Order> ExceptionVault::approve_order(const ExceptionId& id, const std::string& by) {
    return outcome_of(wait_for<Order>(
        [&](Done<Order> done) { (**this).orders().approve(officer(by), id, std::move(done)); }));
}

Outcome<Order> ExceptionVault::close_order(const ExceptionId& id, const std::string& by) {
    return outcome_of(wait_for<Order>(
        [&](Done<Order> done) { (**this).orders().close(officer(by), id, std::move(done)); }));
}

Outcome<Order> ExceptionVault::give_notice(const ExceptionId& id, const std::string& by) {
    return outcome_of(wait_for<Order>([&](Done<Order> done) {
        (**this).orders().give_notice(officer(by), id, some_hash(), std::move(done));
    }));
}

ExceptionId ExceptionVault::live_order(const OrderRequest& request) {
    const auto opened = open_order(request);
    REQUIRE(opened.code.empty());
    REQUIRE(approve_order(opened.thing.id, "privacy_officer").code.empty());
    const bool is_emergency = request.basis == "vital_interest";
    const auto live = approve_order(opened.thing.id, is_emergency ? "duty" : "legal");
    REQUIRE(live.code.empty());
    REQUIRE(live.thing.row.state == OrderState::live);
    return opened.thing.id;
}

Shown ExceptionVault::read_for(const std::string& purpose, const std::string& order,
                               const std::string& subject, const std::string& field,
                               const std::string& by) {
    ReadRequest request{subject, purpose, {field}, order};
    const auto answer = wait_for<ReadAnswer>(
        [&](Done<ReadAnswer> done) { (**this).read(officer(by), request, std::move(done)); });
    if (!answer) return std::string{wire_name(answer.error())};
    const ReadItem& item = answer->items.front();
    if (item.refusal) return std::string{wire_name(*item.refusal)};
    return std::string{text_of(item.values.front().value.value.expose())};
}

Shown ExceptionVault::read_under(const ExceptionId& order, const std::string& subject,
                                 const std::string& field) {
    return read_for("disclosure", exception_id_text(ExceptionKind::order, order), subject, field);
}

// ---- Holds ---------------------------------------------------------------------------------

Outcome<Hold> ExceptionVault::place_hold(HoldRequest request, const std::string& by) {
    return outcome_of(wait_for<Hold>(
        [&](Done<Hold> done) { (**this).holds().place(officer(by), request, std::move(done)); }));
}

Outcome<Hold> ExceptionVault::approve_hold(const ExceptionId& id, const std::string& by) {
    return outcome_of(wait_for<Hold>(
        [&](Done<Hold> done) { (**this).holds().approve(officer(by), id, std::move(done)); }));
}

Outcome<Hold> ExceptionVault::release_hold(const ExceptionId& id, const std::string& by) {
    return outcome_of(wait_for<Hold>(
        [&](Done<Hold> done) { (**this).holds().release(officer(by), id, std::move(done)); }));
}

std::uint16_t ExceptionVault::day_floor() {
    RetentionRequest request;
    const auto report = wait_for<RetentionReport>([&](Done<RetentionReport> done) {
        (**this).run_retention(caller("privacy_officer"), request, std::move(done));
    });
    REQUIRE(report.has_value());
    return report->day_floor;
}

void ExceptionVault::let_days_pass(unsigned days) {
    for (unsigned i = 0; i < days; ++i) {
        clock.advance(kDay);
        clock.stay_awake(kDay);
        (void)day_floor();  // a sweep raises it by a day
    }
    (**this).orders().end_expired(day_floor());
    (**this).holds().lapse_due(day_floor());
}

// ---- Erasure -------------------------------------------------------------------------------

std::string ExceptionVault::erase_around(const std::string& subject, ErasureRow* row,
                                         ByteArray<32>* opening, bool* first) {
    const auto final = std::make_shared<std::promise<ErasureRow>>();
    auto future = final->get_future();
    const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
        (**this).erase(caller("privacy_officer"), subject, "no_longer_using", std::move(done),
                       [final](const ErasureRow& erased) { final->set_value(erased); });
    });
    if (!answer) return std::string{wire_name(answer.error())};
    REQUIRE(future.wait_for(std::chrono::seconds{30}) == std::future_status::ready);
    *row = future.get();
    if (opening != nullptr) *opening = answer->opening;
    if (first != nullptr) *first = answer->first;
    return {};
}

ErasureRow ExceptionVault::wait_for_rest(const ErasureRow& row) {
    for (int tries = 0; tries < 600; ++tries) {
        const auto rest = (**this).find_rest(row);
        if (rest && rest->log && !rest->log->checkpoint.empty()) return *rest;
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    FAIL("what was held did not become final");
    return {};
}

void ExceptionVault::put_order_info(const std::string& subject) {
    REQUIRE(tokenize(subject, "order_info", R"({"sum":12})", {}, "web", "provide",
                     policy::ValueKind::json)
                .starts_with("obl1."));
}

}  // namespace oubliette::testing
