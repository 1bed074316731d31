"""Fields around what streams say: told again, they are what they would be if each frame were heard by itself."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.shape import Shape

EACH = frozenset({"index"})
FRAMES = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["seed", "ids"]), st.sampled_from([None, 1, [2]])), st.booleans()
    ),
    max_size=8,
)


@given(FRAMES)
def test_to_hear_the_same_again_is_to_hear_it(frames: list[tuple[dict[str, Any], bool]]) -> None:
    slow, quick = Shape(EACH), Shape(EACH)
    latest: dict[str, Any] | None = None
    for told, goes_out in frames:
        frame = {"index": 0, **told}
        slow.hear(frame)
        quick.hear_again() if frame == latest else quick.hear(frame)
        latest = frame
        if goes_out:
            assert list(quick.take().items()) == list(slow.take().items())


def test_a_null_that_follows_does_not_bring_back_what_was_told() -> None:
    shape = Shape(EACH)
    shape.hear({"index": 0, "seed": 42})
    assert shape.take() == {"index": 0, "seed": 42}
    shape.hear({"index": 0, "seed": None})
    for _ in range(3):
        assert shape.take().get("seed") is None
        shape.hear_again()
