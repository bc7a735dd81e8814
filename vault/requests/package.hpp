#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vault/disclosures.hpp"
#include "vault/requests/request_record.hpp"

// What a person gets who asks what is held (GDPR 15 and 20, PIPL 45).

namespace oubliette {

struct PackagedValue {
    std::string field;
    std::string category;
    Timestamp collected;
    policy::ValueKind kind{};
    crypto::SecretBytes value;
};

struct PackagedRetention {
    std::string category;
    std::string purpose;  // "*" = every purpose
    std::string from;     // the event that it counts from
    std::string law;
    policy::CalendarDuration keep;
};

struct Package {
    RequestRecord record;
    Timestamp made;
    std::shared_ptr<const policy::Gate> gate;
    std::string subject;
    std::vector<PackagedValue> values;  // none for `explain`
    std::vector<ConsentRecord> consents;
    std::vector<PackagedRetention> retention;  // of the categories of the values
    DisclosurePage disclosures;                // all of them
};

}  // namespace oubliette
