"""What `trimtab finetune revise` does: prompts in, revised pairs into the ledger, batch by batch."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.table import Table

from finetune.display import Screen
from finetune.errors import DataInvalid
from finetune.ledger import ledger
from finetune.pairs.constitution import Constitution, read_constitution
from finetune.pairs.draw import Drawer
from finetune.pairs.kept import keep
from finetune.pairs.pair import Group
from finetune.pairs.red_team import Turn
from finetune.pairs.revising import Reviser
from finetune.printing import print_json
from finetune.settings import Situation
from finetune.wiring import opened, refuse_files
from gateway.ledger.database import Database

STEP = "revise"


class Line(BaseModel):
    """One prompt of a file: a conversation, or one question in `prompt`."""

    model_config = ConfigDict(extra="ignore")

    messages: list[Turn] = Field(default=[])
    prompt: str = ""

    @property
    def group(self) -> Group | None:
        """As a group without candidates."""
        turns = [turn.model_dump() for turn in self.messages]
        if not turns and self.prompt.strip():
            turns = [{"role": "user", "content": self.prompt}]
        return Group("", tuple(turns), ()) if turns else None


async def revise(
    situation: Situation, prompts: Path | None, limit: int, constitution: Path | None, *, as_json: bool
) -> None:
    """Have the live policy answer, criticise and mend; what is kept counts from the next retraining on."""
    principles = read_constitution(constitution)
    groups = await asyncio.to_thread(read_prompts, prompts) if prompts else []
    console = Console(stderr=as_json)
    async with ledger(situation) as database:
        await refuse_files(situation)
        with Screen(console) as screen:
            fates, new = await revised(situation, database, screen, principles, groups, limit)
    if as_json:
        print_json({"constitution": principles.digest, "new_pairs": new, "revisions": dict(fates)})
    else:
        console.print(table_of(fates, new, principles))


async def revised(
    situation: Situation,
    database: Database,
    screen: Screen,
    principles: Constitution,
    groups: Sequence[Group],
    limit: int,
) -> tuple[Counter[str], int]:
    """Batch after batch into the ledger: what is killed has lost one of them, and the next run goes on."""
    fates, new, done = Counter[str](), 0, 0
    async with opened(situation, database, screen) as tools:
        assert isinstance(tools.drawer, Drawer)
        tried = Tried(situation.home / "revised" / f"{principles.digest}.txt")
        known = tried.marks()
        asked = groups or await tools.pairs.poor(situation.plan.make, limit + len(known))
        todo = [group for group in asked if mark_of(group) not in known][:limit]
        live = await tools.registry.live(situation.gateway.alias)
        policy = await asyncio.to_thread(tools.drawer.load, live.adapter)
        reviser = Reviser(policy, live.version, tools.drawer, principles)
        screen.began(STEP)
        async for batch in reviser.revise(todo):
            async with database.write() as connection:
                new += await keep(connection, batch.pairs)
            tried.add(todo[done : done + sum(batch.fates.values())])
            fates, done = fates + batch.fates, done + sum(batch.fates.values())
            screen.advanced(done, len(todo), f"{fates['kept']} kept")
        screen.ended(STEP, f"{fates['kept']} of {len(todo)} revisions are better than what they mend")
    return fates, new


@dataclass(frozen=True, slots=True)
class Tried:
    """The conversations that a constitution was tried on, whatever came of it: their digests alone, a line each."""

    path: Path

    def marks(self) -> set[str]:
        """All of them."""
        return set(self.path.read_text().split()) if self.path.exists() else set()

    def add(self, groups: Sequence[Group]) -> None:
        """Some more."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.writelines(f"{mark_of(group)}\n" for group in groups)


def mark_of(group: Group) -> str:
    """What a conversation is remembered by."""
    return hashlib.sha256(group.messages_key.encode()).hexdigest()


def read_prompts(path: Path) -> list[Group]:
    """The prompts of a file of JSON lines; raises DataInvalid naming the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataInvalid(f"--prompts: {path} cannot be read: {error}") from error
    found = [
        prompt_in(line, f"--prompts: {path}, line {i}") for i, line in enumerate(lines, 1) if line.strip()
    ]
    if not found:
        raise DataInvalid(f"--prompts: {path} holds none")
    return found


def prompt_in(line: str, where: str) -> Group:
    """One line's."""
    try:
        group = Line.model_validate(json.loads(line)).group
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, each["loc"])) or "line" for each in error.errors())
        raise DataInvalid(f"{where}: {wrong}") from None
    except ValueError:
        raise DataInvalid(f"{where} is not JSON") from None
    if group is None:
        raise DataInvalid(f"{where}: messages or prompt is needed")
    return group


FATES = {
    "kept": "better than what it mends: a pair",
    "flagged": "a guard withholds it",
    "no_better": "its reward is no higher",
    "unchanged": "the same words again",
    "unfinished": "it breaks off",
}


def table_of(fates: Counter[str], new: int, principles: Constitution) -> Table:
    """What became of the revisions."""
    table = Table(title=f"revisions by constitution {principles.digest}; {new} new pairs")
    table.add_column("revisions", justify="right")
    table.add_column("what became of them")
    for name, told in FATES.items():
        table.add_row(str(fates[name]), told)
    return table
