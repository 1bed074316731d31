"""What log probabilities spell beside the text: other words that might have come, and whatever else is written there.

Guards read the text; what spells just that needs no reading of its own. All else does. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.stray import stray_texts

Json = Mapping[str, Any]
OF_TOKEN = frozenset({"token", "bytes", "logprob", "top_logprobs"})


def unread(logprobs: Any, said: str) -> dict[str, str]:
    """All text in a choice's log probabilities that is not part of what was said, by where it stands."""
    if not logprobs:
        return {}
    found: dict[str, str] = {}
    for place, text in texts_in(logprobs):
        found[place] = found.get(place, "") + text
    return {place: text for place, text in found.items() if text and text not in said}


def texts_in(logprobs: Json) -> Iterator[tuple[str, str]]:
    """Every text, token by token, with its place: one for the tokens, one for each rank of alternatives."""
    for name, told in logprobs.items():
        if name not in ("content", "refusal"):
            yield from strays(told)
            continue
        for token in told or ():
            yield from texts_of(token)


def texts_of(token: Json) -> Iterator[tuple[str, str]]:
    """What one token and its alternatives spell, in letters and in bytes."""
    yield from spelt("tokens", token)
    for rank, other in enumerate(listed(token.get("top_logprobs"))):
        if not isinstance(other, Mapping):
            yield from strays(other)
        elif other.get("token") != token.get("token") or other.get("bytes") != token.get("bytes"):
            yield from spelt(f"rank {rank}", other)
    if "token" not in token:  # the old shape of completions, all of whose tokens come together
        yield from strays(token)
    else:
        yield from strays({name: value for name, value in token.items() if name not in OF_TOKEN})


def spelt(place: str, token: Json) -> Iterator[tuple[str, str]]:
    """A token's letters, and what its bytes say where they say something else."""
    letters, raw = token.get("token"), listed(token.get("bytes"))
    if isinstance(letters, str):
        yield place, letters
        said = bytes(byte for byte in raw if isinstance(byte, int) and 0 <= byte < 256)
        if raw and said != letters.encode(errors="surrogatepass"):
            yield f"{place} in bytes", said.decode(errors="replace")


def strays(value: Any) -> Iterator[tuple[str, str]]:
    """Every string in a value of no known shape."""
    yield from (("beside", stray.text) for stray in stray_texts(value, ("logprobs",)))


def listed(value: Any) -> Sequence[Any]:
    """The list that it should be, or none."""
    return value if isinstance(value, list) else ()
