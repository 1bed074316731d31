"""Whether what looks like a card, an account or a telephone number can be one: checksums, number plans."""

import ipaddress
import re
from collections.abc import Callable, Mapping

import phonenumbers
from stdnum import bitcoin as coin
from stdnum import iban as account
from stdnum.us import ssn

from guards.detectors.drawn import drawn, password
from guards.detectors.identity import bic, identity, named_identity, us_ein, vat_number

DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
# As no country groups telephone numbers: a social security number, and a postcode of the United States.
OTHER_NUMBER = re.compile(r"\d{3}[- ]\d{2}[- ]\d{4}|\d{5}-\d{4}")
DECIMAL = re.compile(r"\d\.\d+")  # also a version
SPAN = re.compile(r"([1-9]\d{2,5})[-/]\d{3,6}")  # from so much to so much, unless it is 345-1234
GIVEN_OUT = ipaddress.ip_network("2000::/3")  # all of IPv6 that anybody has
BREAKS = str.maketrans("", "", " .-")
DOUBLED = str.maketrans("0123456789", "0246813579")
# Which first digits a payment network gives out, from and to, and how long its numbers are.
NETWORKS = (
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14,)),  # Diners Club
    ("36", "36", (14, 15, 16, 17, 18, 19)),
    ("38", "39", (14, 16)),
    ("1800", "1800", (15,)),  # JCB, of old
    ("2131", "2131", (15,)),
    ("35", "35", (15, 16, 17, 18, 19)),  # JCB
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("2221", "2720", (16,)),  # Mastercard
    ("51", "55", (16,)),
    ("4", "4", (13, 16, 18, 19)),  # Visa
    ("6011", "6011", (16, 17, 18, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("60", "60", (16,)),  # RuPay
    ("81", "82", (16,)),
    ("508", "508", (16,)),
    ("9792", "9792", (16,)),  # Troy
    ("5018", "5020", (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("5038", "5038", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("5612", "5612", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("5845", "5845", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("5893", "5893", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("6304", "6304", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("6390", "6390", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("6759", "6763", (12, 13, 14, 15, 16, 17, 18, 19)),
)


def card(text: str) -> bool:
    """As many digits as a payment network uses after its first ones, with Luhn's checksum right."""
    number = text.translate(BREAKS)
    return named_card(number) and any(
        low <= number[: len(low)] <= high and len(number) in sizes for low, high, sizes in NETWORKS
    )


def named_card(text: str) -> bool:
    """Twelve digits or more with Luhn's checksum right; for numbers that the text itself calls a card's."""
    number = text.translate(BREAKS)
    return 12 <= len(number) <= 19 and luhn(number)


def luhn(number: str) -> bool:
    """Whether the last digit is the one that the others ask for."""
    doubled = number[-2::-2].translate(DOUBLED)
    return (sum(map(int, number[-1::-2])) + sum(map(int, doubled))) % 10 == 0


def iban(text: str) -> bool:
    """An account number of the length its country uses, with the remainder by 97 right."""
    number = text.translate(BREAKS).upper()
    if not 15 <= len(number) <= 34:
        return False
    spelt = "".join([str(int(char, 36)) for char in number[4:] + number[:4]])
    return int(spelt) % 97 == 1 and bool(account.is_valid(number, check_country=False))


def us_ssn(text: str) -> bool:
    """A US social security number that may have been issued."""
    return bool(ssn.is_valid(text.replace(" ", "-")))


def ip_address(text: str) -> bool:
    """An address that belongs to somebody: neither private nor loopback nor reserved for documentation."""
    # Eight groups are a key's fingerprint where none has three digits; what is abbreviated may be anything.
    if ":" in text and "::" not in text and not any(len(group) > 2 for group in text.split(":")):
        return False
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    given_out = "::" not in text or address in GIVEN_OUT
    return given_out and address.is_global and not address.is_multicast


def phone(text: str) -> bool:
    """A number that some country's plan knows; without a + or 00, read as one of the United States or Canada."""
    return in_plan(re.sub(r"^00(?=[1-9])", "+", text), "US")


def american_phone(text: str) -> bool:
    """A number of North America's, or digits grouped as those are with an area that might be one."""
    digits = re.findall(r"\d{3}", text.partition("x")[0].removeprefix("00").lstrip("+1 .-"))
    return phone(text) or (len(digits) == 3 and digits[0][0] not in "01")


def trunk_phone(text: str) -> bool:
    """Nine to twelve digits with a 0 before the area, grouped as numbers are; pairs only as France's plan has them."""
    groups = re.findall(r"\d+", text)
    if DATE.match(text) or OTHER_NUMBER.fullmatch(text) or not 9 <= sum(map(len, groups)) <= 12:
        return False
    if len(groups) == 5:
        return in_plan(text, "FR")
    padded = sum(group.startswith("0") for group in groups[1:])  # as in a table of numbers
    return groups[0][1] != "0" and len(groups) <= 4 and padded < 2


def area_phone(text: str) -> bool:
    """A number whose area stands in brackets, where that is no year."""
    return dialled(text) and not re.match(r"\((?:19|20)\d\d\)", text)


def in_plan(text: str, region: str) -> bool:
    """Whether the plan of the country in the number, else of the region, knows it."""
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False


def dialled(text: str) -> bool:
    """Seven to fifteen digits that are no date; for numbers that the text itself calls a telephone's."""
    digits = sum(char.isdigit() for char in text)
    if not 7 <= digits <= 15 or DATE.search(text) or DECIMAL.match(text) or OTHER_NUMBER.fullmatch(text):
        return False
    span = SPAN.fullmatch(text)
    return span is None or (len(span[1]) == 3 and not span[1].endswith("00"))


def mac_address(text: str) -> bool:
    """Six bytes, no more, and not all the same: a longer row is a key's fingerprint."""
    octets = re.split("[:-]", text.lower())
    return len(octets) == 6 and len(set(octets)) > 1


def bitcoin(text: str) -> bool:
    """An address of Bitcoin's, its checksum right."""
    return bool(coin.is_valid(text))


def mixed(text: str) -> bool:
    """Letters and digits that look drawn by chance: no word and no placeholder is so various."""
    secret = text[-40:]
    return any(map(str.isdigit, secret)) and any(map(str.isalpha, secret)) and len(set(secret)) >= 8


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "card": card,
    "named_card": named_card,
    "iban": iban,
    "us_ssn": us_ssn,
    "identity": identity,
    "named_identity": named_identity,
    "vat_number": vat_number,
    "us_ein": us_ein,
    "bic": bic,
    "ip_address": ip_address,
    "phone": phone,
    "american_phone": american_phone,
    "trunk_phone": trunk_phone,
    "area_phone": area_phone,
    "dialled": dialled,
    "mac_address": mac_address,
    "bitcoin": bitcoin,
    "mixed": mixed,
    "drawn": drawn,
    "password": password,
}
