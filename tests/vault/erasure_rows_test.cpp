#include <random>

#include <catch2/catch.hpp>

#include "tests/store/store_fixture.hpp"
#include "vault/receipt.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

using store::WriteView;

template <std::size_t N>
void fill(ByteArray<N>& bytes, std::mt19937_64& random) {
    for (Byte& byte : bytes) byte = static_cast<Byte>(random());
}

keys::Finality random_finality(std::mt19937_64& random, std::size_t chain_size) {
    keys::Finality finality;
    finality.epoch = random();
    fill(finality.hash_before, random);
    fill(finality.hash_after, random);
    finality.request_index = random();
    finality.request_count = random();
    finality.request_proof.resize(random() % 20);
    for (crypto::Hash& hash : finality.request_proof) fill(hash, random);
    finality.acknowledgements.resize(1 + random() % 4);
    for (keys::Acknowledgement& ack : finality.acknowledgements) {
        fill(ack.keeper, random);
        fill(ack.public_key, random);
        ack.cell_class =
            random() % 2 == 0 ? keys::CellClass::software : keys::CellClass::besteffort;
        ack.term = random();
        ack.epoch = random();
        fill(ack.previous_hash, random);
        fill(ack.hash, random);
        fill(ack.request_root, random);
        fill(ack.members, random);
        fill(ack.signature, random);
    }
    finality.chain.resize(chain_size);
    for (keys::ChainRow& row : finality.chain) {
        row.epoch = random();
        row.term = random();
        fill(row.previous_hash, random);
        fill(row.root_hash, random);
        fill(row.members, random);
        fill(row.request_root, random);
        fill(row.hash, random);
    }
    return finality;
}

LogRecord random_log_record(std::mt19937_64& random, const ErasureRow& row) {
    LogRecord log;
    log.index = random();
    Bytes entry;
    encode(receipt_entry({}, row, {static_cast<std::uint32_t>(random() % 1'000'000)}), entry);
    std::ranges::copy(entry, log.entry.begin());
    log.keys.resize(random() % 3);
    for (crypto::PublicKey& key : log.keys) fill(key, random);
    log.checkpoint.assign(random() % 500, 'c');
    return log;
}

ErasureRow random_row(std::mt19937_64& random, bool is_final, std::size_t chain_size) {
    ErasureRow row;
    fill(row.id, random);
    row.scope = static_cast<keys::RevocationScope>(1 + random() % 12);
    row.ground = static_cast<Ground>(random() % 6);
    row.accepted.seconds = static_cast<std::uint32_t>(random());
    fill(row.commitment, random);
    fill(row.blind, random);
    const keys::Path person = keys::person_path(keys::kFirstTenant, {random() % 1'000});
    for (std::uint32_t item = 0; item < random() % 4; ++item) {
        row.addresses.push_back(keys::item_path(person, item));
    }
    if (is_final) {
        row.state = ErasureState::final;
        row.finality = random_finality(random, chain_size);
        row.log = random_log_record(random, row);
        row.finality->irrecoverable_after = irrecoverable_after(*row.log);
    }
    return row;
}

QueueRow random_queued(std::mt19937_64& random, std::uint32_t item_count) {
    QueueRow row;
    fill(row.revocation.id, random);
    row.revocation.scope = keys::RevocationScope::field;
    row.revocation.ground = static_cast<std::uint16_t>(random());
    fill(row.revocation.opening_commitment, random);
    fill(row.revocation.blind, random);
    row.due.seconds = static_cast<std::uint32_t>(random());
    fill(row.tag, random);
    const keys::Path person = keys::person_path(keys::kFirstTenant, {random() % 1'000});
    for (std::uint32_t item = 0; item < item_count; ++item) {
        row.revocation.addresses.push_back(keys::item_path(person, item));
    }
    return row;
}

std::unique_ptr<store::Store> open_store(const std::filesystem::path& directory) {
    return store::open_lmdb_store(directory, Tables::names(), store::small_options());
}

bool is_corrupt(const std::function<void()>& work) {
    try {
        work();
    } catch (const Fault& fault) {
        return fault.kind() == FaultKind::corrupt;
    }
    return false;
}

}  // namespace

TEST_CASE("erasure rows come back as they were; cut or longer ones are refused") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    for (int i = 0; i < 40; ++i) {
        const ErasureRow row = random_row(random, i % 2 == 1, random() % 5);
        const Bytes bytes = encode(row);
        const auto decoded = decode_erasure_row(row.id, bytes);
        REQUIRE(decoded);
        REQUIRE(encode(*decoded) == bytes);
        REQUIRE(decoded->id == row.id);
        REQUIRE(decoded->scope == row.scope);
        REQUIRE(decoded->addresses == row.addresses);
        if (row.finality) {
            REQUIRE(decoded->log->index == row.log->index);
            REQUIRE(decoded->log->checkpoint == row.log->checkpoint);
            REQUIRE(decoded->finality->irrecoverable_after == row.finality->irrecoverable_after);
            REQUIRE(decoded->finality->chain.size() == row.finality->chain.size());
            REQUIRE(decoded->finality->acknowledgements.back().signature ==
                    row.finality->acknowledgements.back().signature);
        }
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            REQUIRE_FALSE(decode_erasure_row(row.id, ByteView{bytes}.first(size)));
        }
        Bytes longer = bytes;
        longer.push_back(0);
        CHECK_FALSE(decode_erasure_row(row.id, longer));
    }
}

TEST_CASE("erasure rows with unknown numbers are refused") {
    std::mt19937_64 random{1};
    const ErasureRow row = random_row(random, false, 0);
    const Bytes good = encode(row);
    const auto decodes = [&](std::size_t at, unsigned value) {
        Bytes changed = good;
        changed[at] = static_cast<Byte>(value);
        return decode_erasure_row(row.id, changed).has_value();
    };
    for (unsigned value = 0; value < 256; ++value) {
        CHECK(decodes(0, value) == (value == 1));
        CHECK(decodes(1, value) == (value >= 1 && value <= 12));
        CHECK(decodes(2, value) == (value == 1));  // final has more behind it
        CHECK(decodes(3, value) == (value == 0));
        CHECK(decodes(4, value) == (value <= 5));
        CHECK(decodes(5, value) == (value == 0));
    }
    // A count that the row cannot hold is no reason to ask for memory.
    ErasureRow final = random_row(random, true, 0);
    final.finality->request_proof.clear();
    Bytes huge = encode(final);
    const std::size_t count_at = 74 + 4 + 11 * final.addresses.size() + 8 + 32 + 32 + 8 + 8;
    for (std::size_t i = 0; i < 4; ++i) huge[count_at + i] = 0xFF;
    CHECK_FALSE(decode_erasure_row(final.id, huge));
}

TEST_CASE("queue rows come back as they were; cut or changed ones are refused") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    const QueueRow row = random_queued(random, 70);
    const Bytes good = encode(row);
    const auto decoded = decode_queue_row(row.revocation.id, good);
    REQUIRE(decoded);
    CHECK(decoded->revocation.addresses == row.revocation.addresses);
    CHECK(decoded->due == row.due);
    CHECK(encode(*decoded) == good);
    for (std::size_t size = 0; size < good.size(); ++size) {
        REQUIRE_FALSE(decode_queue_row(row.revocation.id, ByteView{good}.first(size)));
    }
    Bytes changed = good;
    changed.push_back(0);
    CHECK_FALSE(decode_queue_row(row.revocation.id, changed));
    for (const std::size_t at : {0U, 1U}) {
        changed = good;
        changed[at] = 13;
        CHECK_FALSE(decode_queue_row(row.revocation.id, changed));
    }
    changed = good;
    changed[good.size() - row.tag.size() - 1] ^= 1;  // an unused bit of the last path
    CHECK_FALSE(decode_queue_row(row.revocation.id, changed));
    changed = good;
    for (std::size_t i = 0; i < 4; ++i) changed[72 + i] = 0xFF;  // 4 billion paths
    CHECK_FALSE(decode_queue_row(row.revocation.id, changed));
}

TEST_CASE("the tag of a queue row covers all of it") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    const auto key = crypto::SubKey::generate();
    QueueRow row = random_queued(random, 3);
    row.tag = queue_tag(row, key.expose());
    CHECK(is_authentic(row, key.expose()));
    const Bytes good = encode(row);
    std::size_t decoded_count = 0;
    for (std::size_t at = 0; at < good.size(); ++at) {
        Bytes changed = good;
        changed[at] ^= 1;
        const auto decoded = decode_queue_row(row.revocation.id, changed);
        if (!decoded) continue;
        ++decoded_count;
        REQUIRE_FALSE(is_authentic(*decoded, key.expose()));
    }
    CHECK(decoded_count > 32);
    row.revocation.id[0] ^= 1;
    CHECK_FALSE(is_authentic(row, key.expose()));
}

TEST_CASE("rows longer than one value of the store") {
    std::mt19937_64 random{2};
    const store::TemporaryDirectory directory;
    const auto store = open_store(directory.path());
    const ErasureRow small = random_row(random, false, 0);
    ErasureRow waited = random_row(random, true, 2'000);  // a keeper was away for 2,000 epochs
    REQUIRE(encode(waited).size() > 5 * store::kValueSizeMax);
    const QueueRow many = random_queued(random, 20'000);
    const QueueRow few = random_queued(random, 1);
    store->write([&](WriteView& view) {
        write_erasure(view, small);
        write_erasure(view, waited);
        write_queued(view, many);
        write_queued(view, few);
    });
    {
        const auto view = store->read();
        CHECK(encode(read_erasure(*view, small.id).value()) == encode(small));
        CHECK(encode(read_erasure(*view, waited.id).value()) == encode(waited));
        CHECK_FALSE(read_erasure(*view, keys::RequestId{}));
        const auto queue = read_queue(*view);
        REQUIRE(queue.size() == 2);
        const bool is_many_first = many.revocation.id < few.revocation.id;
        CHECK(encode(queue[is_many_first ? 0 : 1]) == encode(many));
        CHECK(encode(queue[is_many_first ? 1 : 0]) == encode(few));
    }
    // A shorter row leaves no piece of the longer one.
    waited.finality->chain.resize(1);
    store->write([&](WriteView& view) {
        write_erasure(view, waited);
        remove_queued(view, many.revocation.id);
        remove_queued(view, keys::RequestId{});
    });
    {
        const auto view = store->read();
        CHECK(encode(read_erasure(*view, waited.id).value()) == encode(waited));
        REQUIRE(read_queue(*view).size() == 1);
        std::size_t rows = 0;
        view->scan(Tables::kQueue, {}, {}, [&](ByteView, ByteView) { return ++rows > 0; });
        CHECK(rows == 1);
    }
}

TEST_CASE("a missing or damaged piece is not taken for the whole") {
    std::mt19937_64 random{3};
    const store::TemporaryDirectory directory;
    const auto store = open_store(directory.path());
    const QueueRow row = random_queued(random, 20'000);
    const ErasureRow erasure = random_row(random, true, 1'000);
    const auto piece = [](const keys::RequestId& id, std::uint16_t number) {
        Bytes key;
        ByteWriter{key}.bytes(id).be16(number);
        return key;
    };
    for (std::uint16_t missing = 0; missing < 4; ++missing) {
        store->write([&](WriteView& view) {
            write_queued(view, row);
            write_erasure(view, erasure);
            REQUIRE(view.remove(Tables::kQueue, piece(row.revocation.id, missing)));
            if (missing < 3) REQUIRE(view.remove(Tables::kErasures, piece(erasure.id, missing)));
        });
        INFO("piece " << missing);
        CHECK(is_corrupt([&] { (void)read_queue(*store->read()); }));
        if (missing < 3) CHECK(is_corrupt([&] { (void)read_erasure(*store->read(), erasure.id); }));
    }
}

TEST_CASE("erasure ids have one text") {
    keys::RequestId id{};
    for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<Byte>(0xA0 + i);
    const std::string text = erasure_id_text(id);
    CHECK(text == "er_a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    CHECK(parse_erasure_id(text) == id);
    std::string upper = text;
    upper[3] = 'A';
    for (const std::string& bad :
         {std::string{}, std::string{"er_"}, text.substr(3), text + "0", text + "00",
          text.substr(0, text.size() - 1), text.substr(0, text.size() - 2), upper,
          "ER_" + text.substr(3), " " + text, "er_" + std::string(32, 'g')}) {
        CHECK_FALSE(parse_erasure_id(bad));
    }
    for (const char* const name :
         {"other", "unlawful", "no_consent", "breach", "no_longer_using", "withdrawn"}) {
        CHECK(name_of(parse_ground(name)) == name);
    }
    CHECK(parse_ground("anything else") == Ground::other);
}

}  // namespace oubliette
