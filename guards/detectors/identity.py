"""Numbers that states give to persons and firms: which of them a text can be, by form and checksum."""

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module

from stdnum.eu import vat

Valid = Callable[[str], bool]

# Numbers whose form is rarely anything else's, with the module of python-stdnum that knows their check digits.
FORMS = (
    (r"\d{3}-\d{2}-\d{4}", "us.ssn"),
    (r"9\d{2}-\d{2}-\d{4}", "us.itin"),
    (r"[A-Z]{6}\d[\dL-NP-V][A-EHLMPR-T][\dL-NP-V]{2}[A-Z][\dL-NP-V]{3}[A-Z]", "it.codicefiscale"),
    (r"[12] ?\d{2} ?\d{2} ?[\dAB]{2} ?\d{3} ?\d{3} ?\d{2}", "fr.nir"),
    (r"\d{8}-?[A-Z]", "es.dni"),
    (r"[XYZ]-?\d{7}-?[A-Z]", "es.nie"),
    (r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d", "mx.curp"),
    (r"\d{6}-[1-8]\d{6}", "kr.rrn"),
    (r"\d{17}[\dX]", "cn.ric"),
    (r"756\.?\d{4}\.?\d{4}\.?\d{2}", "ch.ssn"),
    (r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf"),
    (r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]", "cl.rut"),
    (r"\d{2}-\d{8}-\d", "ar.cuit"),
    (r"\d{6}[-+A-FU-Y]\d{3}[\dA-Z]", "fi.hetu"),
    (r"(?:\d{2})?\d{6}[-+]\d{4}", "se.personnummer"),
    (r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "be.nn"),
    (r"\d{6}/\d{3,4}", "cz.rc"),
    (r"\d{6}-\d{2}-\d{4}", "my.nric"),
    (r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", "in_.pan"),
)
# Numbers that are mere digits: found where the words beside them say what they are, and some check digits agree.
NAMED = {
    8: ("dk.cvr", "lu.tva"),
    9: ("nl.bsn", "ca.sin", "au.tfn", "pt.nif", "il.idnr", "us.ssn", "us.itin", "us.rtn", "nz.ird", "gb.nhs"),
    10: ("gb.nhs", "gb.utr", "bg.egn", "dk.cpr", "at.vnr", "ua.rntrc", "se.personnummer", "cz.rc", "pl.nip"),
    11: (
        *("de.idnr", "pl.pesel", "br.cpf", "no.fodselsnummer", "tr.tckimlik", "be.nn", "hr.oib", "gr.amka"),
        *("lt.asmens", "ee.ik", "ar.cuit"),
    ),
    12: ("in_.aadhaar", "jp.in_", "ru.inn", "my.nric", "se.personnummer"),
    13: ("za.idnr", "th.pin", "ro.cnp", "pk.cnic", "fr.nif", "kr.rrn", "ch.ssn"),
    15: ("fr.nir",),
    16: ("id.nik", "in_.vid"),
    18: ("cn.ric", "mx.curp"),
}
NINO = re.compile(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
NRIC = re.compile(r"([STFGM])(\d{7})([A-Z])")
HKID = re.compile(r"([A-Z]{1,2})(\d{6})\(?([\dA])\)?")
NRIC_LETTERS = {
    "S": "JZIHGFEDCBA",
    "T": "GFEDCBAJZIH",
    "F": "XWUTRQPNMLK",
    "G": "RQPNMLKXWUT",
    "M": "XWUTRQPNJLK",
}
NRIC_OFFSETS = {"M": 3}
SEPARATORS = str.maketrans("", "", " -./")


def identity(text: str) -> bool:
    """A state's number for a person, told by its form, whose check digits are right."""
    if any(form.fullmatch(text) and validator(name)(text) for form, name in forms()):
        return True
    compact = text.translate(SEPARATORS)
    return bool(NINO.fullmatch(compact)) or nric(compact) or hkid(compact)


def named_identity(text: str) -> bool:
    """The same for digits that only the words beside them tell from others."""
    compact = text.translate(SEPARATORS).upper()
    if not compact.isdigit() and identity(compact):
        return True
    return any(validator(name)(compact) for name in NAMED.get(len(compact), ()))


def nric(text: str) -> bool:
    """A number of Singapore's registration, with the letter that its digits ask for."""
    found = NRIC.fullmatch(text)
    if found is None:
        return False
    series, digits, letter = found.groups()
    total = sum(weight * int(digit) for weight, digit in zip((2, 7, 6, 5, 4, 3, 2), digits, strict=True))
    return NRIC_LETTERS[series][(total + NRIC_OFFSETS.get(series, 0)) % 11] == letter


def hkid(text: str) -> bool:
    """A number of a Hong Kong identity card, with the check character that its others ask for."""
    found = HKID.fullmatch(text)
    if found is None:
        return False
    letters, digits, check = found.groups()
    values = [36] if len(letters) == 1 else []
    values += [ord(letter) - 55 for letter in letters] + [int(digit) for digit in digits]
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True))
    return (total + (10 if check == "A" else int(check))) % 11 == 0


def vat_number(text: str) -> bool:
    """A VAT number of a member state of the European Union, of Northern Ireland or of Great Britain."""
    return bool(vat.is_valid(text)) or (text[:2] == "GB" and validator("gb.vat")(text))


def us_ein(text: str) -> bool:
    """A number of a firm in the United States, with a prefix that is given out."""
    return validator("us.ein")(text)


def bic(text: str) -> bool:
    """A bank's code, of a country that exists."""
    return validator("bic")(text)


@cache
def forms() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The forms, compiled."""
    return tuple((re.compile(form), name) for form, name in FORMS)


@cache
def validator(name: str) -> Valid:
    """A check of python-stdnum's, loaded when it is first needed."""
    return import_module(f"stdnum.{name}").is_valid  # type: ignore[no-any-return]
