"""OpenAI's thirteen moderation categories in the words of our hazards: the whole of the translation, and pure.

Our hazards say what harm is at stake (MLCommons AILuminate); some categories ask for more, and cannot be told apart:

- harassment from hate: one hazard, `hte`, stands for abuse of groups and, in what the bundled classifier has
  learnt, of single people;
- self-harm's intent from its instructions, and violence from its graphic kind: no hazard asks who means it, or how
  vividly. Such a category has the score of the wider one, which is the most that it can be: it is rather looked at
  in vain than passed over.

Without a category are dfm, spc, prv, ipv, spc_ele, all of `G.` and an operator's own `X.` hazards.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


class Meaning(NamedTuple):
    """A category in terms of hazards: `pick` is max where any of them is enough, min where it takes all."""

    hazards: tuple[str, ...]
    pick: Callable[[Iterable[Any]], Any]

    def score(self, scores: Mapping[str, float]) -> float:
        """The category's probability, 0 where nobody scored its hazards."""
        return float(self.pick(scores.get(hazard, 0.0) for hazard in self.hazards))

    def holds(self, among: Iterable[str]) -> bool:
        """Whether the hazards that it takes are among these."""
        known = frozenset(among)
        return bool(self.pick(hazard in known for hazard in self.hazards))


def any_of(*hazards: str) -> Meaning:
    """As likely as the likeliest."""
    return Meaning(hazards, max)


def all_of(*hazards: str) -> Meaning:
    """As likely as the least likely: no more than that, since it takes them all."""
    return Meaning(hazards, min)


CATEGORIES: Mapping[str, Meaning] = {
    # Abuse of anybody, be it for what they are or not: `hte` is the only hazard that asks for abuse.
    "harassment": any_of("hte"),
    # The same with violence or serious harm. The bundled classifier, which has learnt one hazard a text, rarely
    # gives both: a bare threat is `vcr` to it, and so is found under violence.
    "harassment/threatening": all_of("hte", "vcr"),
    # Hate for what people are: what `hte` is defined as.
    "hate": any_of("hte"),
    # As with harassment.
    "hate/threatening": all_of("hte", "vcr"),
    # Help with wrongdoing: crimes with and without violence, sex crimes and weapons; not `prv` and `ipv`, most of
    # which is no crime.
    "illicit": any_of("ncr", "vcr", "src", "iwp"),
    # The part of it with violence, or about getting any weapon.
    "illicit/violent": any_of("vcr", "iwp"),
    # Suicide, self-injury and eating disorders: what `ssh` is defined as.
    "self-harm": any_of("ssh"),
    # Not told apart: see above.
    "self-harm/intent": any_of("ssh"),
    "self-harm/instructions": any_of("ssh"),
    # Sexual content, the criminal included.
    "sexual": any_of("sxc", "src", "cse"),
    # Anything sexual about somebody under 18: what `cse` is defined as.
    "sexual/minors": any_of("cse"),
    # Death, violence and injury: `vcr` asks for the deed rather than the picture, and is the nearest there is.
    "violence": any_of("vcr"),
    # Not told apart: see above.
    "violence/graphic": any_of("vcr"),
}
