"""Whether what looks like a card, an account or a telephone number can be one: checksums, number plans."""

import ipaddress
import re
from collections.abc import Callable, Mapping

import phonenumbers
from stdnum import iban as account
from stdnum.us import ssn

DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
# By a number's first digit: 3 is American Express and Diners, 4 Visa, 2 and 5 Mastercard, 6 Discover and others.
CARD_LENGTHS = {2: (16,), 3: (14, 15, 16), 4: (13, 16, 19), 5: (16,), 6: (16, 17, 18, 19)}


def card(text: str) -> bool:
    """As many digits as a payment network uses after its first ones, with Luhn's checksum right."""
    digits = [int(char) for char in text if char.isdigit()]
    if not digits or len(digits) not in CARD_LENGTHS.get(digits[0], ()):
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


def dialled(text: str) -> bool:
    """Seven to fifteen digits that are no date; for numbers that the text itself calls a telephone's."""
    digits = sum(char.isdigit() for char in text)
    return 7 <= digits <= 15 and DATE.match(text) is None


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
    "dialled": dialled,
    "mixed": mixed,
}
