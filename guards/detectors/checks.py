"""Whether what looks like a card, an account or a telephone number can be one: checksums, number plans."""

import ipaddress
from collections.abc import Callable, Mapping

import phonenumbers
from stdnum import iban as account
from stdnum.us import ssn


def card(text: str) -> bool:
    """Thirteen to nineteen digits of a payment network, with Luhn's checksum right."""
    digits = [int(char) for char in text if char.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in {2, 3, 4, 5, 6} or len(set(digits)) == 1:
        return False
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban(text: str) -> bool:
    """An account number of the length its country uses, with the remainder by 97 right."""
    return bool(account.is_valid(text.upper(), check_country=False))


def us_ssn(text: str) -> bool:
    """A US social security number that may have been issued."""
    return bool(ssn.is_valid(text.replace(" ", "-")))


def ip_address(text: str) -> bool:
    """An address that belongs to somebody: neither private nor loopback nor reserved for documentation."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def phone(text: str) -> bool:
    """A number that some country's plan knows; without a +, read as one of the United States or Canada."""
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text, "US")))
    except phonenumbers.NumberParseException:
        return False


def mixed(text: str) -> bool:
    """Letters and digits that look drawn by chance: no word and no placeholder is so various."""
    secret = text[-40:]
    return any(map(str.isdigit, secret)) and any(map(str.isalpha, secret)) and len(set(secret)) >= 8


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "card": card,
    "iban": iban,
    "us_ssn": us_ssn,
    "ip_address": ip_address,
    "phone": phone,
    "mixed": mixed,
}
