"""What a policy takes over from those that it extends, merged before anything is understood of it. Pure but for files.

    extends: default            a policy that comes with Trimtab, by its name
    extends: base.yaml          a file beside this one
    extends: [default, ./eu.yaml]   several; each says more than the one before

A mapping is merged key by key, the guards by their ids; anything else is replaced. Name, version, description and cases
speak of one document alone, and are never taken over. The files that a base names are those beside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from guards.policy.beside import can_be, seen_from
from guards.policy.shown import shown
from guards.policy.source import Mark, Node, flattened, read
from guards.verdict import PolicyRefused

LARGEST_BYTES = 1_000_000
BUNDLED = Path(str(files("guards.policy"))) / "bundled"
OWN = frozenset({"extends", "without", "name", "version", "description", "cases"})
Find = Callable[[str, Mark], tuple[str, Path]]


def bundled_names() -> list[str]:
    """The policies that come with Trimtab."""
    return sorted(file.stem for file in BUNDLED.glob("*.yaml"))


def bundled(name: str) -> Path | None:
    """The file of a policy that comes with Trimtab; None where none is called so."""
    return BUNDLED / f"{name}.yaml" if name in bundled_names() else None


def text_of(file: Path) -> str:
    """A policy file's text; raises PolicyRefused."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise PolicyRefused(f"{file}: larger than {LARGEST_BYTES} bytes: not a policy")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise PolicyRefused(f"{file}: cannot be read: {reason}") from error


@dataclass(frozen=True, slots=True)
class Library:
    """Where the policies lie that others extend: beside them, or with Trimtab; `confined` to the first folder."""

    folder: Path
    confined: bool = False

    def composed(self, text: str, name: str) -> Node:
        """The document with all that it takes over; `name` is its file, for messages. Raises PolicyRefused."""
        return self._composed(read(text, name), self.folder, (str(Path(name).resolve()),))

    def _composed(self, own: Node, folder: Path, trail: tuple[str, ...]) -> Node:
        named = own.under("extends")
        if named is None:
            return own
        base: Node | None = None
        for reference in references(named):
            file = self._found(reference, folder)
            if str(file) in trail:
                way = " → ".join(Path(step).name for step in (*trail, str(file)))
                raise PolicyRefused(f"{reference.mark}: extends: goes round in a circle: {way}")
            taken = self._composed(read(text_of(file), file.name), file.parent, (*trail, str(file)))
            taken = seen_from(folder, taken_over(taken), file.parent)
            base = taken if base is None else merged(base, taken)
        assert base is not None
        return merged(without(base, own), own)

    def _found(self, reference: Node, folder: Path) -> Path:
        wanted = str(reference.value)
        if (known := bundled(wanted)) is not None:
            return known.resolve()
        possible = can_be(folder / wanted)
        file = (folder / wanted).resolve() if possible else folder
        if self.confined and not file.is_relative_to(self.folder.resolve()):
            raise PolicyRefused(
                f"{reference.mark}: extends: {shown(wanted)} is not in the folder of the configured policy"
            )
        if not possible or not file.is_file():
            raise PolicyRefused(
                f"{reference.mark}: extends: there is no file {shown(wanted)} beside it, and no policy of that name "
                f"comes with Trimtab; those are {', '.join(bundled_names())}"
            )
        return file


def portable(file: Path) -> str:
    """A policy as it can be understood elsewhere: as it was written, or merged with the files that it extends.

    Raises PolicyRefused.
    """
    text = text_of(file)
    named = read(text, str(file)).under("extends")
    if named is None or all(bundled(str(each.value)) for each in references(named)):
        return text
    data, _ = flattened(Library(file.parent).composed(text, str(file)))
    merged_in = ", ".join(str(each.value) for each in references(named))
    said = {key: value for key, value in data.items() if key not in {"extends", "without"}}
    return f"# {file.name}, with {merged_in} merged in\n" + yaml.safe_dump(
        said, sort_keys=False, allow_unicode=True, width=110
    )


def references(named: Node) -> Iterator[Node]:
    """What `extends` names, each a node with a text; raises PolicyRefused."""
    listed = named.value if isinstance(named.value, list) else [named]
    if not listed or not all(isinstance(each.value, str) and each.value for each in listed):
        raise PolicyRefused(f"{named.mark}: extends: must be a name or a file, or a list of such")
    yield from listed


def taken_over(base: Node) -> Node:
    """Of a policy, what another may build upon."""
    if not isinstance(base.value, dict):
        raise PolicyRefused(f"{base.mark}: a policy is a mapping that begins with `name:` and `version:`")
    return Node({key: value for key, value in base.value.items() if key not in OWN}, base.mark)


def without(base: Node, own: Node) -> Node:
    """The base without the guards that the document does not want; raises PolicyRefused for one that is not there."""
    unwanted = own.under("without")
    if unwanted is None:
        return base
    if not isinstance(unwanted.value, list):
        raise PolicyRefused(f"{unwanted.mark}: without: must be a list of guards' ids")
    guards = base.under("guards")
    known = {} if guards is None else by_id(guards)
    for each in unwanted.value:
        if not isinstance(each.value, str) or each.value not in known:
            raise PolicyRefused(
                f"{each.mark}: without: no guard is called so; there are {shown(', '.join(known))}"
            )
    ids = {each.value for each in unwanted.value}
    kept = [guard for name, guard in known.items() if name not in ids]
    return Node({**base.value, "guards": Node(kept, guards.mark if guards else base.mark)}, base.mark)


def merged(base: Node, own: Node, key: str = "") -> Node:
    """What the document says, and the base where it says nothing."""
    if key == "guards" and isinstance(base.value, list) and isinstance(own.value, list):
        return Node(merged_guards(base, own), own.mark)
    if isinstance(base.value, dict) and isinstance(own.value, dict):
        entries = dict(base.value)
        for name, value in own.value.items():
            known = entries.get(name)
            entries[name] = value if known is None else merged(known, value, name)
        return Node(entries, own.mark)
    return own


def merged_guards(base: Node, own: Node) -> list[Node]:
    """The base's guards in their order, each with what the document says of it; then the document's own."""
    ours = by_id(own)
    for guard in own.value:
        if (name := guard_id(guard)) is not None and ours[name] is not guard:
            raise PolicyRefused(f"{guard.mark}: guards: {shown(name)!r} stands twice; keep one")
    known = by_id(base)
    changed = [merged(guard, ours[name]) if name in ours else guard for name, guard in known.items()]
    return changed + [guard for guard in own.value if guard_id(guard) not in known]


def by_id(guards: Node) -> dict[str, Node]:
    """Guards by id; those without one are for whoever understands the document."""
    return {name: guard for guard in guards.value if (name := guard_id(guard)) is not None}


def guard_id(guard: Node) -> str | None:
    """A guard's id, where it says one."""
    named = guard.under("id")
    return named.value if named is not None and isinstance(named.value, str) else None
