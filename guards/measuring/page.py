"""A page that needs nothing beside it: headings, tables and drawings, all text escaped."""

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #ddd }
th { font-weight: 600 } td + td { text-align: right } .note { color: #666 } svg { max-width: 100%; height: auto }
.drawings { display: flex; flex-wrap: wrap; gap: 1rem }
@media (prefers-color-scheme: dark) { body { background: #fff } }
"""


class Page:
    """Grows from top to bottom."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = [f"<h1>{escape(title)}</h1>"]

    def heading(self, text: str, level: int = 2) -> None:
        """A heading."""
        self._parts.append(f"<h{level}>{escape(text)}</h{level}>")

    def note(self, text: str) -> None:
        """A paragraph in grey."""
        self._parts.append(f'<p class="note">{escape(text)}</p>')

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table; the first column is left-aligned."""
        top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        self._parts.append(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")

    def drawings(self, drawn: Iterable[str]) -> None:
        """Drawings side by side, each an SVG."""
        self._parts.append(f'<div class="drawings">{"".join(drawn)}</div>')

    def html(self) -> str:
        """The page."""
        head = f'<meta charset="utf-8"><title>{escape(self._title)}</title><style>{STYLE}</style>'
        return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(self._parts)}</body></html>\n"
