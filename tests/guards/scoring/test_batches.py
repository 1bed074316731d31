"""Lines out of whatever arrives."""

import io

from hypothesis import given
from hypothesis import strategies as st

from guards.scoring.batches import batches


class Dribble(io.RawIOBase):
    """Gives so many bytes at once, as a slow pipe does."""

    def __init__(self, data: bytes, size: int) -> None:
        self.rest, self.size = data, size

    def read1(self, _: int) -> bytes:
        given, self.rest = self.rest[: self.size], self.rest[self.size :]
        return given


@given(
    st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"")), max_size=9), st.integers(1, 7)
)
def test_every_line_has_its_number_however_it_arrives(lines: list[bytes], size: int) -> None:
    found = {}
    for batch in batches(Dribble(b"\n".join(lines), size), 2):
        found |= dict(enumerate(batch.lines, batch.first))
    assert {number: line for number, line in found.items() if line} == {
        number: line for number, line in enumerate(lines, 1) if line
    }


def test_what_has_come_is_answered_before_more_comes() -> None:
    source = Dribble(b"first\nsecond\n", 6)
    assert next(batches(source)).lines == (b"first",)
    assert source.rest == b"second\n"
