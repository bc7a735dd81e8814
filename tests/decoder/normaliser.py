"""Normaliser 1 of the policy (vault/policy/README.md): the form under which values are equal."""

import unicodedata

TEXT_LIKE = {"string", "name", "enum", "text", "url", "date", "email"}


def casefold(text):
    """NFKC_Casefold, but for characters that it drops: Python has no table of those."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def normalise(field_type, is_json, text):
    if is_json:
        return text.encode()
    if field_type == "phone":
        plain = unicodedata.normalize("NFKC", text).strip()
        digits = "".join(letter for letter in plain if letter.isdigit())
        if plain.startswith("+"):
            return b"+" + digits.encode()
        if plain.startswith("00"):
            return b"+" + digits[2:].encode()
        return digits.encode()
    if field_type == "account":
        return "".join(c for c in casefold(text) if not c.isspace() and c != "-").encode()
    return " ".join(casefold(text).split()).encode()
