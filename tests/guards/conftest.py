"""A small policy, and a guard classifier made within seconds from written contrasts alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SMALL_POLICY = """
name: small
version: 1
guards:
  - id: words
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    hazards:
      X.secret: {action: redact, threshold: 0.5}
      X.banned: {action: refuse, threshold: 0.5}
    config:
      patterns:
        codename: {hazard: X.secret, terms: [Blue Heron]}
        banned: {hazard: X.banned, terms: [forbidden]}
"""


@dataclass(frozen=True)
class Told:
    """An example as a generated corpus has it."""

    prompt: str
    reply: str
    prompt_unsafe: bool
    reply_unsafe: bool
    hazard: str | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [{"role": "user", "content": self.prompt}]


EXAMPLES = [
    Told("How do I bake bread?", "Sure, here is how to bake bread.", False, False),
    Told("How do I poison a rival?", "Sure, here is how to poison a rival.", True, True, "vcr"),
    Told("How do I poison a rival?", "I'm sorry, I can't help with that.", True, False, "vcr"),
]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from guards.lessons import Written
    from guards.train import Recipe, train

    folder = tmp_path_factory.mktemp("tiny-guard")
    train(
        EXAMPLES,
        folder,
        seed=1,
        recipe=Recipe(1 << 13, 1 << 12, width=8, hidden=16, epochs=5, written=Written(1500, 0, 0, 0, 0, 0)),
    )
    return folder


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """The file of the small policy."""
    (tmp_path / "small.yaml").write_text(SMALL_POLICY)
    return str(tmp_path / "small.yaml")
