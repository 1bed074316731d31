"""Public sets that the guard classifier is measured on and never learns from."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guards.datasets import deepset_rows, lines_of, read_json, table
from guards.verdict import Where

HARMLESS_ROWS = 3000


@dataclass(frozen=True, slots=True)
class Case:
    """One text with what people, or its source, say of it; for a reply, with the request."""

    text: str
    unsafe: bool
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Exam:
    """A set of cases; `against`: all of it is harmful, and is told apart from harmless instructions."""

    name: str
    where: Where
    folder: str
    read: Callable[[Path], Iterator[Case]]
    against: bool = False
    attack: bool = False  # what it asks is whether a text is an attack, not whether it is harmful


def harmless(folder: Path) -> Iterator[Case]:
    """Alpaca's harmless instructions, the test split of refusal-direction."""
    for line in read_json(folder / "dataset" / "splits" / "harmless_test.json")[:HARMLESS_ROWS]:
        yield Case(line["instruction"], unsafe=False)


def validation(folder: Path) -> Iterator[Case]:
    """The validation split of refusal-direction: HarmBench's validation behaviours, and harmless instructions."""
    for line in read_json(folder / "dataset" / "splits" / "harmful_val.json"):
        yield Case(line["instruction"], unsafe=True)
    for line in read_json(folder / "dataset" / "splits" / "harmless_val.json"):
        yield Case(line["instruction"], unsafe=False)


def harmbench(kind: str) -> Callable[[Path], Iterator[Case]]:
    """HarmBench's test behaviours of one kind, with their context where they have one."""

    def read(folder: Path) -> Iterator[Case]:
        for line in table(folder / "behavior_datasets" / "harmbench_behaviors_text_test.csv"):
            if line["FunctionalCategory"] == kind:
                yield Case(f"{line['ContextString']}\n{line['Behavior']}".strip(), unsafe=True)

    return read


def harmbench_targets(folder: Path) -> Iterator[Case]:
    """How an answer to each of HarmBench's test behaviours would begin if the model went along."""
    targets = read_json(folder / "optimizer_targets" / "harmbench_targets_text.json")
    for line in table(folder / "behavior_datasets" / "harmbench_behaviors_text_test.csv"):
        if line["FunctionalCategory"] == "standard":
            yield Case(targets[line["BehaviorID"]], unsafe=True, asked=line["Behavior"])


def strongreject(folder: Path) -> Iterator[Case]:
    """StrongREJECT's forbidden prompts."""
    for line in table(folder / "behavior_datasets" / "strongreject_dataset.csv"):
        yield Case(line["forbidden_prompt"], unsafe=True)


def jailbreakbench(folder: Path) -> Iterator[Case]:
    """JailbreakBench's goals."""
    for line in read_json(folder / "dataset" / "processed" / "jailbreakbench.json"):
        yield Case(line["instruction"], unsafe=True)


def jailbreak_prompts(folder: Path) -> Iterator[Case]:
    """Attacks on models with JailbreakBench's goals in them, each text once."""
    texts = {
        line["prompt"]
        for file in sorted(folder.glob("*/*/*.json"))
        for line in read_json(file).get("jailbreaks", [])
        if line.get("prompt")
    }
    yield from (Case(text, unsafe=True) for text in sorted(texts))


def xstest(folder: Path) -> Iterator[Case]:
    """Prompts that only sound unsafe, and their unsafe likes."""
    for line in table(folder / "xstest_prompts.csv"):
        yield Case(line["prompt"], unsafe=line["label"] == "unsafe")


def xstest_answers(folder: Path) -> Iterator[Case]:
    """Five models' answers to XSTest; unsafe is what people called full compliance with an unsafe prompt."""
    yield from (case for case, _ in labelled_answers(folder))


def labelled_answers(folder: Path) -> Iterator[tuple[Case, bool]]:
    """Each answer, and whether its prompt is an unsafe one."""
    for file in sorted((folder / "model_completions").glob("*.csv")):
        for line in table(file):
            complied, harmful = line["final_label"].startswith("1"), line["type"].startswith("contrast")
            if harmful and not complied and not line["final_label"].startswith("2"):
                continue  # partial refusals of unsafe prompts are neither
            yield Case(line["completion"], unsafe=complied and harmful, asked=line["prompt"]), harmful


def xstest_refusals(folder: Path) -> Iterator[Case]:
    """The same, of unsafe prompts alone: full compliance against full refusals."""
    yield from (case for case, harmful in labelled_answers(folder) if harmful)


def gptfuzz_answers(folder: Path) -> Iterator[Case]:
    """The evaluation part of GPTFuzz: answers to harmful questions, labelled by people."""
    questions = [line["text"] for line in table(folder / "questions" / "question_list.csv")]
    for line in table(folder / "responses_labeled" / "evaluate.csv"):
        yield Case(line["Response"], unsafe=line["label"] == "1", asked=questions[int(line["question"])])


def moderation(folder: Path) -> Iterator[Case]:
    """OpenAI's moderation set: texts rather than requests; unsafe is any of its eight labels."""
    with gzip.open(folder / "samples-1680.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in map(json.loads, file):
            yield Case(
                line["prompt"],
                unsafe=any(line.get(k) == 1 for k in ("S", "H", "V", "HR", "SH", "S3", "H2", "V2")),
            )


def injections(folder: Path) -> Iterator[Case]:
    """The third of deepset's training split that is not learnt from; unsafe is an injection."""
    for row, held in deepset_rows(folder):
        if held:
            yield Case(row.prompt, unsafe=row.attack is not None)


def toxicity(folder: Path) -> Iterator[Case]:
    """Surge's comments, half of them toxic."""
    for line in table(folder / "toxicity_en.csv"):
        yield Case(line["text"], unsafe=line["is_toxic"] == "Toxic")


def multijail(folder: Path) -> Iterator[Case]:
    """MultiJail in English, odd ids: what people who attack models have asked."""
    for line in table(folder / "MultiJail.csv"):
        if int(line["id"]) % 2:
            yield Case(line["en"], unsafe=True)


def long_and_harmless(folder: Path) -> Iterator[Case]:
    """E-mails and tables with a question, from BIPIA's test part."""
    for name in ("email", "table"):
        for line in lines_of(folder / name / "test.jsonl"):
            yield Case(f"{line['context']}\n{line['question']}", unsafe=False)


def arena_answers(folder: Path) -> Iterator[Case]:
    """Answers of several models to real people's requests: long, and harmless but for rare ones."""
    questions = {line["question_id"]: line for line in lines_of(folder / "arena-bench-v1" / "question.jsonl")}
    for file in sorted((folder / "arena-bench-v1" / "model_answer").glob("*.jsonl"))[:6]:
        for line in lines_of(file)[::2]:
            asked, reply = questions[line["question_id"]]["turns"][0], line["choices"][0]["turns"][0]
            yield Case(content_of(reply), unsafe=False, asked=content_of(asked))


def content_of(turn: Any) -> str:
    """A turn's text, whether it stands alone or in an object."""
    return str(turn["content"] if isinstance(turn, dict) else turn)


EXAMS = (
    Exam("HarmBench test, standard", "prompt", "harmbench-and-friends", harmbench("standard"), against=True),
    Exam(
        "HarmBench test, contextual", "prompt", "harmbench-and-friends", harmbench("contextual"), against=True
    ),
    Exam(
        "HarmBench test, copyright", "prompt", "harmbench-and-friends", harmbench("copyright"), against=True
    ),
    Exam("StrongREJECT", "prompt", "harmbench-and-friends", strongreject, against=True),
    Exam("JailbreakBench goals", "prompt", "refusal-direction", jailbreakbench, against=True),
    Exam("JailbreakBench attacks", "prompt", "jailbreakbench-artifacts", jailbreak_prompts, against=True),
    Exam("MultiJail, English, odd ids", "prompt", "multijail", multijail, against=True),
    Exam("XSTest", "prompt", "xstest", xstest),
    Exam("OpenAI moderation", "prompt", "openai-moderation", moderation),
    Exam("deepset, held-out third", "prompt", "deepset-prompt-injections", injections, attack=True),
    Exam("Surge toxicity", "prompt", "surge-toxicity", toxicity),
    Exam("BIPIA test contexts", "prompt", "bipia", long_and_harmless),
    Exam("arena-bench answers", "reply", "arena-bench-v1", arena_answers),
    Exam("XSTest answers", "reply", "xstest", xstest_answers),
    Exam("XSTest answers, unsafe prompts alone", "reply", "xstest", xstest_refusals),
    Exam("GPTFuzz answers, evaluation part", "reply", "gptfuzz", gptfuzz_answers),
    Exam("HarmBench targets", "reply", "harmbench-and-friends", harmbench_targets),
)
HARMLESS = Exam("harmless instructions, test split", "prompt", "refusal-direction", harmless)
VALIDATION = Exam("refusal-direction, validation", "prompt", "refusal-direction", validation)


def asked_in_exams(data: Path | None) -> Iterator[str]:
    """Every prompt that an exam judges or whose answer it judges, of the exams that are at hand."""
    for exam in (HARMLESS, VALIDATION, *EXAMS):
        if data is not None and (data / exam.folder).is_dir() and exam.name not in SHARED:
            for case in exam.read(data / exam.folder):
                yield case.text if exam.where == "prompt" else case.asked


# Whose questions are the same in its two parts: what it asks is how answers are judged.
SHARED = {"GPTFuzz answers, evaluation part"}
