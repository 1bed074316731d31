"""Values that were hidden from the engine, put back into what its client reads: the last thing done to an answer.

Everything before knows placeholders only: guards, the reward model, the record. Log probabilities and token ids spell
placeholders, so of an answer to a prompt in which anything was hidden none leave. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway import parts
from guards.judgement import SPOKEN
from guards.vault import Restorer, Vault
from guards.verdict import Segment

Json = dict[str, Any]
Place = tuple[int, str, int, str]  # the choice, its field, the call's position, and what of the call

AS_IT_IS = SPOKEN | {"tool_name"}  # a sound says what it says, and a name is looked up by programs
SPELL = ("logprobs", "token_ids")
RANK = {"reasoning": 0, "reasoning_content": 0, "content": 1, "refusal": 1, "tool_calls": 2}


def restored_body(vault: Vault, body: Json) -> Json:
    """A whole chat completion as its client gets it."""
    if not vault:
        return body
    return {**body, "choices": [restored_choice(vault, choice) for choice in body["choices"]]}


def restored_choice(vault: Vault, choice: Json) -> Json:
    """One choice of it."""
    message = choice["message"]
    found = parts.of_reply(message)
    safe = [restored_segment(vault, part) for part in found]
    return {**unspelt(choice), "message": parts.put_back(message, found, safe)}


def restored_segment(vault: Vault, part: parts.Part) -> Segment:
    """One text of a message; arguments are JSON, and stay it."""
    segment = part.segment
    if part.fixed or segment.part in AS_IT_IS:
        return segment
    return replace(segment, text=vault.restore(segment.text, in_json=part.path[-1] == "arguments"))


def unspelt(choice: Mapping[str, Any]) -> Json:
    """A choice without what spells its text."""
    return {name: None if name in SPELL else value for name, value in choice.items()}


def concealed(vault: Vault, value: Any) -> Any:
    """What a client was told as it may be written down: with placeholders again."""
    if not vault:
        return value
    if isinstance(value, str):
        return vault.conceal(value)
    if isinstance(value, list):
        return [concealed(vault, each) for each in value]
    if isinstance(value, dict):
        return {name: concealed(vault, each) for name, each in value.items()}
    return value


class Restoring:
    """A stream's chunks: what may be the beginning of a placeholder waits for its end."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._texts: dict[Place, Restorer] = {}

    def restored(self, chunks: Iterable[Json]) -> list[Json]:
        """The chunks as the client gets them."""
        if not self._vault:
            return list(chunks)
        return [told for chunk in chunks for told in self._chunks(chunk)]

    def _chunks(self, chunk: Json) -> Iterator[Json]:
        told = []
        for choice in chunk["choices"]:
            delta = choice.get("delta") or {}
            for earlier in self._ended_by(choice, delta):
                yield {
                    **plain(chunk),
                    "choices": [{**unspelt(choice), "delta": earlier, "finish_reason": None}],
                }
            told.append({**unspelt(choice), "delta": self._delta(choice["index"], delta)})
            if choice.get("finish_reason"):
                self._end(told[-1])
        yield {**chunk, "choices": told}

    def _end(self, choice: Json) -> None:
        """What was held of a text that came with the choice's end, a refusal, leaves with it."""
        for name in choice["delta"].keys() & parts.PART_OF_FIELD.keys():
            if (place := (choice["index"], name, 0, "")) in self._texts:
                choice["delta"][name] += self._texts[place].finish()

    def _ended_by(self, choice: Json, delta: Mapping[str, Any]) -> Iterator[Json]:
        """What was held of texts that end because another is told now, or because the choice does."""
        index, rank = (
            choice["index"],
            max((self._rank(name, value) for name, value in delta.items()), default=-1),
        )
        for place in sorted((one for one in self._texts if one[0] == index), key=self._order):
            if (choice.get("finish_reason") or self._order(place) < rank) and (
                rest := self._texts[place].finish()
            ):
                yield delta_of(place, rest)

    def _rank(self, name: str, value: Any) -> int:
        if name == "tool_calls" and value:
            return RANK[name] + max(call.get("index") or 0 for call in value)
        return RANK.get(name, -1) if value else -1

    def _order(self, place: Place) -> int:
        return RANK[place[1]] + place[2]

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Json:
        told = dict(delta)
        for name, value in delta.items():
            if isinstance(value, str) and name in parts.PART_OF_FIELD:
                told[name] = self._more((index, name, 0, ""), value)
            elif name == "tool_calls":
                told[name] = [self._call(index, call) for call in value or ()]
            elif name == "function_call" and value:
                told[name] = whole_function(self._vault, value)
        return told

    def _call(self, index: int, call: Mapping[str, Any]) -> Json:
        told, position = dict(call), call.get("index") or 0
        for kind, field in (("function", "arguments"), ("custom", "input")):
            said = call.get(kind)
            if said and isinstance(said.get(field), str):
                told[kind] = {**said, field: self._more((index, "tool_calls", position, kind), said[field])}
        return told

    def _more(self, place: Place, text: str) -> str:
        if place not in self._texts:
            self._texts[place] = Restorer(self._vault, in_json=place[3] == "function")
        return self._texts[place].push(text)


def whole_function(vault: Vault, call: Json) -> Json:
    """OpenAI's old function call, which is told at once."""
    arguments = call.get("arguments")
    return {**call, "arguments": vault.restore(arguments, in_json=True)} if arguments else call


def plain(chunk: Mapping[str, Any]) -> Json:
    """A chunk without what is told once, with the last."""
    return {name: value for name, value in chunk.items() if name not in ("usage", "alignment")}


def delta_of(place: Place, text: str) -> Json:
    """More of a text as a delta."""
    _, name, position, kind = place
    if name != "tool_calls":
        return {name: text}
    field = "arguments" if kind == "function" else "input"
    return {"tool_calls": [{"index": position, kind: {field: text}}]}
