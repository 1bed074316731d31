"""Public texts in which personal data is marked to the character; patterns are measured on them.

One set so far: presidio-research's synthetic sentences (MIT), templates filled with made-up values. What was developed
with is kept apart from what patterns are measured on, by template: the same sentence with another number in it
teaches the same. docs/personal-data.md says what had been seen of the test texts all the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zlib import crc32

from guards.datasets import read_json

Split = Literal["development", "test"]
FOLDER = "presidio-research-pii"
FILES = ("data/synth_dataset_v2.json", "tests/data/generated_large.json", "tests/data/generated_small.json")
PLACEHOLDER = re.compile(r"\{\{.*?\}\}")
DEVELOPMENT_OF = 3  # one template in so many

# What the set calls a type, and the bundled patterns that find it. All have a check beside their form: a checksum,
# a number plan, a registry of ranges, or for an e-mail address and a domain the list of top-level domains.
LABELS_OF_TYPE = {
    "CREDIT_CARD": frozenset({"card number", "card number by its name"}),
    "IBAN_CODE": frozenset({"bank account"}),
    "US_SSN": frozenset({"social security number", "undivided social security number"}),
    "EMAIL_ADDRESS": frozenset({"email address"}),
    "IP_ADDRESS": frozenset({"ip address", "ipv6 address"}),
    "PHONE_NUMBER": frozenset(
        {
            "phone number",
            "international phone number",
            "trunk phone number",
            "phone number with its area",
            "telephone number by its name",
            "undivided telephone number",
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Marked:
    """Characters [start, end) that are of a type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text and what people, or its generator, marked in it; texts of one template are much alike."""

    text: str
    marks: tuple[Marked, ...]
    template: str


def marked_texts(folder: Path, split: Split) -> Iterator[MarkedText]:
    """The texts of one split, from the set's own folder."""
    for name in FILES:
        for row in read_json(folder / name):
            template = PLACEHOLDER.sub("{}", row["masked"])
            if split_of(template) != split:
                continue
            marks = tuple(
                Marked(span["start_position"], span["end_position"], span["entity_type"])
                for span in row["spans"]
                if span["entity_type"] in LABELS_OF_TYPE
            )
            yield MarkedText(row["full_text"], marks, template)


def split_of(template: str) -> Split:
    """Where the texts of a template belong; the same template has the same place in every file."""
    return "test" if crc32(template.encode()) % DEVELOPMENT_OF else "development"
