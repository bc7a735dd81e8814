#include "tests/keys/plane_fixture.hpp"

#include <chrono>
#include <cstdlib>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string text_of_state(NodeState state) {
    switch (state) {
    case NodeState::whole: return "whole";
    case NodeState::dead: return "dead";
    case NodeState::punctured: return "punctured";
    case NodeState::corrupt: return "corrupt";
    }
    return "?";
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
    const char* const base = std::getenv("TMPDIR");
    std::string name = std::string{base != nullptr ? base : "/tmp"} + "/oubliette-plane-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

SealSecret keyfile_seal(Byte fill) {
    return {SealType::keyfile, crypto::SecretBytes{Bytes(32, fill)}};
}

Revocation revocation_of(std::vector<Path> addresses) {
    Revocation revocation;
    crypto::random_bytes(revocation.id);
    crypto::random_bytes(revocation.blind);
    revocation.addresses = std::move(addresses);
    return revocation;
}

Path person(std::uint64_t number) {
    return person_path(kTenant, SubjectNumber{number});
}

Path item(std::uint64_t number, std::uint32_t item_number) {
    return item_path(person(number), item_number);
}

KeyPlane::OnRecorded Outcome::on_recorded() {
    return [state = state_](const Fault* fault) {
        const std::lock_guard lock{state->mutex};
        ++state->recorded;
        state->had_fault = state->had_fault || fault != nullptr;
        state->changed.notify_all();
    };
}

KeyPlane::OnFinal Outcome::on_final() {
    return [state = state_](const Finality& finality) {
        const std::lock_guard lock{state->mutex};
        state->finality = finality;
        state->changed.notify_all();
    };
}

bool Outcome::wait_recorded() {
    std::unique_lock lock{state_->mutex};
    return state_->changed.wait_for(lock, 10s, [&] { return state_->recorded > 0; }) &&
           state_->recorded == 1;
}

bool Outcome::is_final_within(std::chrono::milliseconds time) {
    std::unique_lock lock{state_->mutex};
    return state_->changed.wait_for(lock, time, [&] { return state_->finality.has_value(); });
}

bool Outcome::wait_final() {
    return is_final_within(10s);
}

bool Outcome::had_fault() {
    const std::lock_guard lock{state_->mutex};
    return state_->had_fault;
}

Finality Outcome::finality() {
    const std::lock_guard lock{state_->mutex};
    REQUIRE(state_->finality);
    return *state_->finality;
}

Vault::Vault(std::size_t keeper_count) {
    for (std::size_t i = 0; i < keeper_count; ++i) {
        options.keepers.push_back(home.path() / ("keeper" + std::to_string(i + 1)));
    }
    options.accept_besteffort = true;
    options.seed_cache_count = 1'024;
    options.page_cache_bytes = 1U << 20;
    crypto::random_bytes(id);
}

void Vault::init(const SealSecret& seal) const {
    KeyPlane::init(options, id, kTenant, seal);
    confirm();
}

void Vault::confirm() const {
    for (const fs::path& keeper : options.keepers) fs::remove(keeper / "unfinished");
}

std::unique_ptr<KeyPlane> Vault::open(const SealSecret& seal) const {
    return KeyPlane::open(options, seal, clock);
}

Finality revoke(KeyPlane& plane, const Revocation& revocation) {
    Outcome outcome;
    plane.submit(revocation, outcome.on_recorded(), outcome.on_final());
    REQUIRE(outcome.wait_recorded());
    REQUIRE(outcome.wait_final());
    REQUIRE_FALSE(outcome.had_fault());
    return outcome.finality();
}

std::string key_text(KeyPlane& plane, const Path& path) {
    const Derived derived = plane.derive(path);
    if (derived.state != NodeState::whole) return text_of_state(derived.state);
    return crypto::hex_encode(derived.seed.expose());
}

std::string item_text(KeyPlane& plane, std::uint64_t number, std::uint32_t item_number) {
    crypto::ItemKey key;
    const NodeState state = plane.item_key(kTenant, SubjectNumber{number}, item_number, key);
    if (state != NodeState::whole) return text_of_state(state);
    return crypto::hex_encode(key.expose());
}

}  // namespace oubliette::keys::test
