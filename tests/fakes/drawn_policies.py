"""Any two policies over the same guards, and any texts: what hypothesis draws for hindsight."""

from hypothesis import strategies as st

from guards.verdict import Segment
from tests.fakes.drawn_guards import HAZARDS

RESPONSES = st.lists(
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(["allow", "flag", "redact", "refuse"]),
            "threshold": st.floats(0.01, 1),
        }
    ),
    min_size=1,
    max_size=2,
)
WHERE = st.sampled_from(
    [["prompt", "reply"], ["prompt"], ["tool_result", "reply"], ["tool_call", "reasoning"]]
)
SEGMENTS = {
    "prompt": st.builds(
        Segment,
        st.text("ab{}\"':1", max_size=6),
        st.just("prompt"),
        st.sampled_from(["content", "system", "tool_result"]),
        turns_ago=st.integers(0, 1),
    ),
    "reply": st.builds(
        Segment,
        st.text("ab", max_size=6) | st.sampled_from(['{"a": "bb"}', '["a"]', "1"]),
        st.just("reply"),
        st.sampled_from(["content", "tool_arguments", "reasoning", "transcript"]),
    ),
}


@st.composite
def documents(draw):
    """A policy of three guards, the first of which may ask the last."""
    guards = []
    for name, kind in (
        ("first", "reckoned"),
        ("second", "drawn"),
        ("third", draw(st.sampled_from(["drawn", "reckoned"]))),
    ):
        hazards = draw(st.dictionaries(st.sampled_from([*HAZARDS, "*"]), RESPONSES, min_size=1, max_size=3))
        guards.append(
            {
                "id": name,
                "kind": kind,
                "where": ["prompt", "reply"] if name == "third" else draw(WHERE),
                "on_error": draw(st.sampled_from(["open", "closed"])),
                "hazards": hazards,
            }
        )
    guards[1]["turns"] = draw(st.sampled_from(["last", "all"]))
    guards[2]["turns"] = "all"  # whoever is asked must read what those who ask it read
    if draw(st.booleans()):
        low = draw(st.floats(0, 0.9))
        guards[0]["unsure"] = {"ask": "third", "from": low, "to": draw(st.floats(low + 0.05, 1))}
    return {
        "name": "drawn",
        "version": 1,
        "unscanned": {"default": draw(st.sampled_from(["refuse", "flag", "allow"]))},
        "guards": guards,
    }
