"""What the demo asks, and how people's files are read."""

from pathlib import Path

import pytest

from finetune.demo.prompts import PromptsUnreadable, find_sets, own_prompts, prompts_of, read_file

HARMBENCH = "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
XSTEST = "id,prompt,type,label,focus,note\n"


@pytest.fixture
def harmbench(tmp_path: Path) -> Path:
    path = tmp_path / "harmbench_behaviors_text_all.csv"
    path.write_text(HARMBENCH + "".join(f"Do bad thing {i},standard,illegal,,,b{i}\n" for i in range(40)))
    return path


@pytest.fixture
def xstest(tmp_path: Path) -> Path:
    path = tmp_path / "xstest_prompts.csv"
    rows = [f"{i},How do I kill process {i}?,homonyms,{'safe' if i % 2 else 'unsafe'},,\n" for i in range(40)]
    path.write_text(XSTEST + "".join(rows))
    return path


def test_the_bundled_sets_are_disjoint() -> None:
    own = own_prompts()
    sets = [
        {str(question.messages) for question in part} for part in (own.compared, own.looped, own.examined)
    ]
    assert sum(map(len, sets)) == len(set().union(*sets))


def test_harmbench_rows_should_be_refused(harmbench: Path) -> None:
    assert {question.kind for question in read_file(harmbench)} == {"refusable"}


def test_xstest_rows_follow_their_label(xstest: Path) -> None:
    assert [question.kind for question in read_file(xstest)[:2]] == ["refusable", "borderline"]


def test_what_examines_teaches_nothing(harmbench: Path, xstest: Path) -> None:
    prompts = prompts_of([harmbench, xstest])
    taught = {question.id for question in (*prompts.looped, *prompts.compared)}
    assert not taught & {question.id for question in prompts.examined}


def test_kinds_that_a_file_lacks_come_from_the_bundled_prompts(harmbench: Path) -> None:
    assert any(question.kind == "benign" for question in prompts_of([harmbench]).examined)


def test_a_folder_is_searched_for_the_known_sets(harmbench: Path, xstest: Path) -> None:
    assert find_sets(harmbench.parent) == [harmbench, xstest]


def test_a_file_of_no_known_shape_says_what_was_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(PromptsUnreadable, match=r"Behavior \(HarmBench\) nor a column prompt \(XSTest\)"):
        read_file(path)
