"""Lists of patterns as authors write them: named regular expressions or terms, each with its hazard."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import re2
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from guards.detectors.checks import CHECKS
from guards.detectors.onset import onset_of
from guards.expression import compiled
from guards.policy.beside import beside
from guards.policy.source import parse
from guards.policy.strict import Hazard, Strict
from guards.verdict import PolicyRefused
from guards.wording import worded

BUNDLED = files("guards.detectors") / "sets"


class Pattern(Strict):
    """One thing to look for: a regular expression in RE2's syntax, or terms, matched as whole words."""

    hazard: Hazard
    regex: str = ""
    terms: tuple[Annotated[str, Field(min_length=2, max_length=200)], ...] = ()
    check: str | None = None
    near: str = ""  # a regular expression that must match close by, for digits that say nothing by themselves
    unless: str = ""  # one that must not match right before, as "version " says that digits are no address
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    views: Literal["raw", "visible", "all"] = "visible"
    onset: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def usable(self) -> Self:
        """Refuses what RE2 does not compile, what matches nothing at all, and unknown checks."""
        if bool(self.regex) == bool(self.terms):
            raise ValueError("needs either a regex or terms, and not both")
        if self.check is not None and self.check not in CHECKS:
            raise ValueError(f"unknown check {self.check!r}; known are {', '.join(CHECKS)}")
        for expression in filter(None, (self.expression, self.near, self.unless)):
            if compiled(expression).search("") is not None:
                raise ValueError("matches the empty text, so it would match everywhere")
        return self

    @property
    def expression(self) -> str:
        """What RE2 is given; terms stand between word boundaries where they begin or end in a word."""
        if self.regex:
            return self.regex
        return "(?i)(?:" + "|".join(map(whole_word, self.terms)) + ")"

    @property
    def needed(self) -> int | None:
        """Characters from which on every beginning of a match is one; declared, or read off."""
        return self.onset if self.onset is not None else onset_of(self.expression)


class PatternList(Strict):
    """A file of patterns; `hazard` stands in for those that name none."""

    description: str = ""
    hazard: Hazard | None = None
    patterns: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_ -]{0,39}$")], Pattern]

    @model_validator(mode="before")
    @classmethod
    def share_hazard(cls, data: Any) -> Any:
        """Gives the list's hazard to every pattern without its own."""
        if not isinstance(data, dict) or not isinstance(data.get("patterns"), dict) or "hazard" not in data:
            return data
        shared = {"hazard": data["hazard"]}
        own = data["patterns"].items()
        return data | {
            "patterns": {name: shared | body if isinstance(body, dict) else body for name, body in own}
        }


class PatternConfig(Strict):
    """Which patterns a guard looks for: bundled sets, files beside the policy, and some of its own."""

    sets: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    patterns: dict[str, Pattern] = Field(default_factory=dict)
    without: tuple[str, ...] = ()

    @field_validator("sets")
    @classmethod
    def bundled(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuses a set that is not bundled, naming those that are."""
        known = sorted(
            entry.name.removesuffix(".yaml") for entry in BUNDLED.iterdir() if entry.name.endswith(".yaml")
        )
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"no set is called {', '.join(unknown)}; bundled are {', '.join(known)}")
        return names

    @field_validator("files")
    @classmethod
    def beside_policy(cls, paths: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        """Reads relative names from the policy's folder, and each list once, so that faults show at load."""
        for path in (resolved := tuple(beside(path, info) for path in paths)):
            read_file(path)
        return resolved

    @model_validator(mode="after")
    def something(self) -> Self:
        """Refuses a guard that looks for nothing, and exceptions from what is not there."""
        everything = self.everything()
        if unknown := [name for name in self.without if name not in everything]:
            raise ValueError(f"`without` names {', '.join(unknown)}, which none of its lists has")
        if not self.chosen():
            raise ValueError("names no pattern: give it sets, files or patterns")
        return self

    def chosen(self) -> dict[str, Pattern]:
        """The patterns by name, without those that are excepted."""
        return {name: pattern for name, pattern in self.everything().items() if name not in self.without}

    def everything(self) -> dict[str, Pattern]:
        """All patterns by name; a later list, and the guard's own above all, replaces an earlier one's."""
        found: dict[str, Pattern] = {}
        for name in self.sets:
            found |= bundled_set(name).patterns
        for path in self.files:
            found |= read_file(path).patterns
        return found | self.patterns


def read_file(path: Path) -> PatternList:
    """The list in a file."""
    try:
        return read_list(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {type(error).__name__}") from error


@cache
def bundled_set(name: str) -> PatternList:
    """A list that comes with the package."""
    return read_list((BUNDLED / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")


def read_list(text: str, name: str) -> PatternList:
    """The list in a text; ValueError with the first fault, for pydantic to place."""
    try:
        return PatternList.model_validate(parse(text, name)[0])
    except PolicyRefused as error:
        raise ValueError(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ValueError(f"{name}: {place}: {worded(first, PatternList)}") from error


def whole_word(term: str) -> str:
    """The term escaped, its spaces of any width, its ends at word boundaries."""
    body = r"\s{1,4}".join(re2.escape(word) for word in term.split())
    before = r"\b" if term[:1].isascii() and (term[:1].isalnum() or term[:1] == "_") else ""
    after = r"\b" if term[-1:].isascii() and (term[-1:].isalnum() or term[-1:] == "_") else ""
    return before + body + after
