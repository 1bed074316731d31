"""Which code made a version: sources that differ are told apart, whatever else lies beside them."""

from pathlib import Path

from finetune.code_version import HERE, PACKAGES, code_version, digest_of


def checkout(root: Path, source: str = "one = 1\n") -> Path:
    for package in PACKAGES:
        (root / package / "below").mkdir(parents=True)
        (root / package / "below" / "file.py").write_text(source if package == "guards" else "")
    return root


def test_the_same_sources_have_one_digest_wherever_they_lie(tmp_path: Path) -> None:
    first, second = checkout(tmp_path / "a"), checkout(tmp_path / "b")
    (second / "guards" / "notes.txt").write_text("no source")
    assert digest_of(first) == digest_of(second)


def test_one_line_or_one_name_makes_another_digest(tmp_path: Path) -> None:
    first, second, third = (
        checkout(tmp_path / "a"),
        checkout(tmp_path / "b", "one = 2\n"),
        checkout(tmp_path / "c"),
    )
    (third / "guards" / "below" / "file.py").rename(third / "guards" / "below" / "other.py")
    assert len({digest_of(first), digest_of(second), digest_of(third)}) == 3


def test_lineage_names_the_release_and_the_sources() -> None:
    assert code_version().startswith("trimtab ")
    assert code_version().endswith(f", sources {digest_of(HERE)}")
