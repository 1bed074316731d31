"""What is pointed to is there: files and headings, in the documents and in what the code tells people."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "guards", "rewardserve", "finetune")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
TOLD = re.compile(r"\bdocs/[\w-]+\.md(?:#[\w-]+)?")
ELSEWHERE = ("http://", "https://", "mailto:")


@cache
def headings(document: Path) -> frozenset[str]:
    """A document's anchors, as GitHub makes them of headings."""
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line) for line in lines]
    return frozenset(re.sub(r"[^\w\- ]", "", line.strip().lower()).replace(" ", "-") for line in plain)


def lacking(links: Iterator[str], folder: Path, own: Path) -> list[str]:
    """Those that lead nowhere."""
    found = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (folder / path).resolve() if path else own
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in headings(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    links = (link for link in LINK.findall(document.read_text()) if not link.startswith(ELSEWHERE))
    assert lacking(links, document.parent, document) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_document_that_the_code_names_is_there(package: str) -> None:
    files = [path for kind in ("py", "yaml", "html") for path in (ROOT / package).rglob(f"*.{kind}")]
    told = (link for path in files for link in TOLD.findall(path.read_text()))
    assert lacking(told, ROOT, ROOT) == []


def test_a_heading_that_is_not_there_is_found_out() -> None:
    assert lacking(iter(["docs/gate.md#no-such-heading"]), ROOT, ROOT) == ["docs/gate.md#no-such-heading"]
