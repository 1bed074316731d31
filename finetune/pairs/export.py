"""A frozen dataset for other tools: parquet in TRL's conversational columns, and a card that says what it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from finetune.pairs.dataset import row_of, thaw, write_whole
from finetune.pairs.pair import Pair

TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        ("prompt", pa.list_(TURN)),
        ("chosen", pa.list_(TURN)),
        ("rejected", pa.list_(TURN)),
        ("id", pa.string()),
        ("kind", pa.string()),
        ("source", pa.string()),
        ("provenance", pa.string()),  # JSON
    ]
)
RATED = pa.schema(
    [SCHEMA.field("prompt"), ("completion", pa.list_(TURN)), ("label", pa.bool_()), *list(SCHEMA)[3:]]
)
BOTH = pa.schema(
    [*list(SCHEMA)[:3], *list(RATED)[1:]]
)  # each row has chosen and rejected, or completion and label
CARD = """---
task_categories: [text-generation]
tags: [preference, {method}, trl, trimtab]
configs: [{{config_name: default, data_files: data.parquet}}]
---

# {title} {short}

{rows:,} {what}, frozen by Trimtab from the traffic of its own gateway. The frozen file's SHA-256 is `{sha256}`.

| column | what |
|---|---|
{columns}
| `id` | a hash of these: the same texts have the same id wherever they come from |
| `kind` | `safety` where a guard withheld the rejected answer, else `helpfulness` |
| `source` | what it was made of: a guard's or the reward model's label, a revision, or somebody's word |
| `provenance` | JSON: exchange, key, version, guard policy, who labelled it, hazard, rewards, whether it was drawn |

{tables}

The texts are what users wrote and what the policy model answered, as the guard policy of their time let them be
written down. Whose data they are, and what licence they have, is for whoever runs the gateway to say; keys and
subjects may have been erased since {created}: see `trimtab finetune dataset show`.
"""


OF_PAIRS = {
    "method": "dpo",
    "title": "Preference pairs",
    "what": "pairs",
    "columns": "| `prompt`, `chosen`, `rejected` | conversations as TRL's preference trainers take them |",
}
OF_RATINGS = {
    "method": "kto",
    "title": "Ratings",
    "what": "ratings, of users' thumbs",
    "columns": "| `prompt`, `completion`, `label` | conversations as TRL's KTO takes them; true is a good answer |",
}
OF_BOTH = {
    "method": "kto",
    "title": "Preference pairs and ratings",
    "what": "rows: pairs, and ratings of users' thumbs",
    "columns": "| `prompt`, `chosen`, `rejected` | of a pair; else null |\n"
    "| `prompt`, `completion`, `label` | of a rating; else null |",
}
CARDS = {"pairs": OF_PAIRS, "ratings": OF_RATINGS, "pairs and ratings": OF_BOTH}


def export(row: Mapping[str, Any], folder: Path) -> Path:
    """Write `data.parquet` and `README.md`; raises DatasetDamaged where the frozen file has changed, or OSError."""
    pairs = thaw(Path(row["path"]))
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "data.parquet.part"
    parquet.write_table(table_of(pairs), draft)
    draft.replace(folder / "data.parquet")
    write_whole(folder / "README.md", card_of(row).encode())
    return folder


def table_of(pairs: Sequence[Pair]) -> Any:
    """The pairs in columns."""
    rows = [row_of(pair) for pair in pairs]
    shapes = {"label" in row for row in rows}
    schema = BOTH if len(shapes) == 2 else RATED if True in shapes else SCHEMA
    told = [
        {name: row[name] for name in schema.names if name in row}
        | {"source": pair.provenance.source, "provenance": json.dumps(asdict(pair.provenance))}
        for pair, row in zip(pairs, rows, strict=True)
    ]
    return pa.Table.from_pylist(told, schema=schema)


def card_of(row: Mapping[str, Any]) -> str:
    """The card of a dataset, from its row in the ledger."""
    tables = "\n\n".join(counted(name, row["counts"][name]) for name in row["counts"] if row["counts"][name])
    return CARD.format(
        **CARDS[row["kind"]],
        short=row["sha256"][:12],
        sha256=row["sha256"],
        rows=row["rows"],
        tables=tables,
        created=f"{row['created_at']:%Y-%m-%d}",
    )


def counted(name: str, counts: Mapping[str, int]) -> str:
    """One of its counts as a table."""
    title = {"dropped": "taken by a filter", "kinds": "kind", "sources": "source", "hazards": "hazard"}.get(
        name, name
    )
    lines = [f"| {what} | {count:,} |" for what, count in sorted(counts.items(), key=lambda each: -each[1])]
    return "\n".join([f"| {title.replace('_', ' ')} | pairs |", "|---|---|", *lines])
