#pragma once

#include <array>

#include "vault/policy/document.hpp"
#include "vault/policy/policy_reader.hpp"

// The words of a policy document and what they stand for.

namespace oubliette::policy {

inline constexpr std::array<Word<FieldType>, 13> kFieldTypes{
    {{"string", FieldType::string},
     {"name", FieldType::name},
     {"phone", FieldType::phone},
     {"email", FieldType::email},
     {"url", FieldType::url},
     {"address", FieldType::address},
     {"enum", FieldType::enumeration},
     {"account", FieldType::account},
     {"text", FieldType::text},
     {"json", FieldType::json},
     {"date", FieldType::date},
     {"national_id", FieldType::national_id},
     {"binary", FieldType::binary}}};
inline constexpr std::array<Word<Identifier>, 3> kIdentifiers{
    {{"direct", Identifier::direct}, {"quasi", Identifier::quasi}, {"none", Identifier::none}}};
inline constexpr std::array<Word<TokenKind>, 6> kTokenKinds{
    {{"pointer", TokenKind::pointer},
     {"deterministic", TokenKind::deterministic},
     {"format", TokenKind::format},
     {"one_time", TokenKind::one_time},
     {"handle", TokenKind::handle},
     {"value", TokenKind::value}}};
inline constexpr std::array<Word<TokenShape>, 9> kTokenShapes{
    {{"card", TokenShape::card},
     {"iban", TokenShape::iban},
     {"phone", TokenShape::phone},
     {"email", TokenShape::email},
     {"national_id", TokenShape::national_id},
     {"uuid", TokenShape::uuid},
     {"digits", TokenShape::digits},
     {"alphabet", TokenShape::alphabet},
     {"account", TokenShape::account}}};
inline constexpr std::array<Word<bool>, 2> kLuhnChecks{{{"valid", true}, {"invalid", false}}};
inline constexpr std::array<Word<SearchIndex>, 2> kSearches{
    {{"none", SearchIndex::none}, {"blind_index", SearchIndex::blind_index}}};
inline constexpr std::array<Word<bool>, 2> kOwners{{{"one", false}, {"many", true}}};
inline constexpr std::array<Word<Supersede>, 2> kSupersedes{
    {{"erase", Supersede::erase}, {"with_person", Supersede::keep}}};
inline constexpr std::array<Word<ConsentKind>, 3> kConsentKinds{
    {{"policy", ConsentKind::policy},
     {"express", ConsentKind::express},
     {"separate", ConsentKind::separate}}};
inline constexpr std::array<Word<TransformKind>, 6> kTransformKinds{
    {{"plain", TransformKind::plain},
     {"exists", TransformKind::exists},
     {"pseudonym", TransformKind::pseudonym},
     {"generalise", TransformKind::generalise},
     {"mask", TransformKind::mask},
     {"partial", TransformKind::partial}}};
inline constexpr std::array<Word<PartialPart>, 3> kParts{
    {{"email.domain", PartialPart::email_domain},
     {"account.last4", PartialPart::account_last4},
     {"phone.country", PartialPart::phone_country}}};
inline constexpr std::array<Word<GeneraliseLevel>, 6> kLevels{
    {{"address.city", GeneraliseLevel::address_city},
     {"address.region", GeneraliseLevel::address_region},
     {"address.country", GeneraliseLevel::address_country},
     {"date.year", GeneraliseLevel::date_year},
     {"date.age", GeneraliseLevel::date_age},
     {"prefix", GeneraliseLevel::prefix}}};
inline constexpr std::array<Word<PseudonymScope>, 2> kScopes{
    {{"per_recipient", PseudonymScope::per_recipient}, {"per_tenant", PseudonymScope::per_tenant}}};
inline constexpr std::array<Word<PseudonymText>, 2> kPseudonymTexts{
    {{"base32", PseudonymText::base32}, {"hex", PseudonymText::hex}}};
inline constexpr std::array<Word<Basis>, 7> kBases{
    {{"consent", Basis::consent},
     {"contract", Basis::contract},
     {"legal_obligation", Basis::legal_obligation},
     {"vital_interest", Basis::vital_interest},
     {"public_task", Basis::public_task},
     {"legitimate_interest", Basis::legitimate_interest},
     {"order", Basis::order}}};
inline constexpr std::array<Word<RecipientKind>, 5> kRecipientKinds{
    {{"internal", RecipientKind::internal},
     {"affiliate", RecipientKind::affiliate},
     {"partner", RecipientKind::partner},
     {"processor", RecipientKind::processor},
     {"public", RecipientKind::public_}}};
inline constexpr std::array<Word<bool>, 2> kRecipientTokens{
    {{"shared", false}, {"per_recipient", true}}};
inline constexpr std::array<Word<RetentionAnchor>, 4> kAnchors{
    {{"collected", RetentionAnchor::collected},
     {"account_closed", RetentionAnchor::account_closed},
     {"last_activity", RetentionAnchor::last_activity},
     {"campaign_ended", RetentionAnchor::campaign_ended}}};
inline constexpr std::array<Word<RetentionThen>, 2> kThens{
    {{"delete", RetentionThen::erase}, {"anonymise", RetentionThen::anonymise}}};

// Entries of a list that has no limit of its own.
inline constexpr std::size_t kListCountMax = 256;

}  // namespace oubliette::policy
