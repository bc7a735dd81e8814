#include "tests/vault/requests_fixture.hpp"

#include <thread>

namespace oubliette::testing {
namespace {

template <class T>
std::string state_or_code(const Result<T>& result, const RequestRecord* record) {
    return result ? std::string{name_of(record->state)} : std::string{wire_name(result.error())};
}

std::string state_of(const Result<RequestRecord>& result) {
    return state_or_code(result, result ? &*result : nullptr);
}
std::string state_of(const Result<Requests::Executed>& result) {
    return state_or_code(result, result ? &result->record : nullptr);
}

keys::RequestId parsed(const std::string& id) {
    const auto found = parse_request_id(id);
    REQUIRE(found.has_value());
    return *found;
}

}  // namespace

std::string RequestVault::open_request(Requests::Opening opening, const std::string& by) {
    const auto opened = wait_for<Requests::Opened>([&](Done<Requests::Opened> done) {
        (**this).requests().open(caller(by), opening, std::move(done));
    });
    return opened ? request_id_text(opened->record.id) : std::string{wire_name(opened.error())};
}

std::string RequestVault::verify(const std::string& id, const Requests::Proof& proof,
                                 const std::string& by, std::string* code) {
    const auto proving = wait_for<Requests::Proving>([&](Done<Requests::Proving> done) {
        (**this).requests().verify(caller(by), parsed(id), proof, std::move(done));
    });
    if (!proving) return std::string{wire_name(proving.error())};
    if (code != nullptr) *code = proving->code;
    return std::string{name_of(proving->record.state)};
}

std::string RequestVault::accept(const std::string& id, bool fee_settled, const std::string& by) {
    return state_of(wait_for<RequestRecord>([&](Done<RequestRecord> done) {
        (**this).requests().accept(caller(by), parsed(id), fee_settled, std::move(done));
    }));
}

std::string RequestVault::refuse(const std::string& id, RefusalCode code, bool with_evidence,
                                 const std::string& by) {
    const auto evidence = with_evidence ? std::optional{crypto::Hash{1}} : std::nullopt;
    return state_of(wait_for<RequestRecord>([&](Done<RequestRecord> done) {
        (**this).requests().refuse(caller(by), parsed(id), code, evidence, std::move(done));
    }));
}

std::string RequestVault::withdraw(const std::string& id, const std::string& by) {
    return state_of(wait_for<RequestRecord>([&](Done<RequestRecord> done) {
        (**this).requests().withdraw(caller(by), parsed(id), std::move(done));
    }));
}

std::string RequestVault::execute(const std::string& id, const std::string& by,
                                  const std::vector<FieldInput>& corrections) {
    return state_of(wait_for<Requests::Executed>([&](Done<Requests::Executed> done) {
        (**this).requests().execute(caller(by), parsed(id), corrections, std::move(done), {});
    }));
}

std::string RequestVault::close_account(const std::string& subject, const std::string& by) {
    const auto closed = wait_for<Requests::Executed>([&](Done<Requests::Executed> done) {
        (**this).requests().close_account(caller(by), subject, std::move(done));
    });
    return closed ? request_id_text(closed->record.id) : std::string{wire_name(closed.error())};
}

std::string RequestVault::reopen_account(const std::string& subject, const std::string& by) {
    return state_of(wait_for<RequestRecord>([&](Done<RequestRecord> done) {
        (**this).requests().reopen_account(caller(by), subject, std::move(done));
    }));
}

Result<Package> RequestVault::package(const std::string& id, const std::string& subject) {
    return wait_for<Package>([&](Done<Package> done) {
        (**this).requests().package(caller("privacy_officer"), parsed(id), subject,
                                    std::move(done));
    });
}

RequestRecord RequestVault::record(const std::string& id) const {
    const auto found = (**this).requests().find(caller("privacy_officer"), parsed(id));
    REQUIRE(found.has_value());
    return *found;
}

std::string RequestVault::prove(const std::string& id, const std::string& field,
                                const std::string& value) {
    Requests::Proof session;
    session.method = ProofMethod::session;
    (void)verify(id, session);
    Requests::Proof match;
    match.method = ProofMethod::match;
    match.field = field;
    match.value = value;
    return verify(id, match);
}

bool RequestVault::reaches(const std::string& id, RequestState state) const {
    for (int i = 0; i < 300; ++i) {
        if (record(id).state == state) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    return false;
}

std::string RequestVault::proved_access(const std::string& subject, const std::string& value) {
    Requests::Opening opening;
    opening.type = RequestType::access;
    opening.subject = subject;
    const std::string id = open_request(opening);
    (void)prove(id, "email", value);
    return id;
}

}  // namespace oubliette::testing
