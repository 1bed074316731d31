"""The guards that a policy wants to see a kind of segment, and one segment before them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from guards.hearing import Post
from guards.judgement import Judgement, Opinion
from guards.memory import key_of
from guards.verdict import Context, Segment


@dataclass(frozen=True, slots=True)
class Panel:
    """Those whose verdict rests on texts alone and may be remembered, and those that ask somebody each time."""

    computing: tuple[Post, ...]
    asking: tuple[Post, ...]

    def __contains__(self, post: Post) -> bool:
        return post in self.computing or post in self.asking

    def __iter__(self) -> Iterator[Post]:
        yield from self.computing
        yield from self.asking

    def reading_on(self, segment: Segment, context: Context) -> "Panel":
        """Those of them whose verdict rests on the texts before the segment as well."""
        alone = replace(segment, earlier=())
        posts = [
            post
            for post in self.computing
            if post.computing is not None
            and post.computing.reads(segment, context) != post.computing.reads(alone, context)
        ]
        return Panel(tuple(posts), ())

    def key(self, segment: Segment, context: Context) -> bytes:
        """What the verdicts of those that compute are remembered by: all that each of them rests on, in its order."""
        own = (segment.text,)
        age = "before" if segment.turns_ago else "now"
        place, read = [segment.where, segment.part, age], [segment.text.encode(errors="surrogatepass")]
        for post in self.computing:
            assert post.computing is not None
            if (texts := post.computing.reads(segment, context)) != own:
                place.append(f"{post.rule.id}:{len(texts)}")
                read += [b"" if text is segment.text else context.digest_of(text) for text in texts]
        return key_of(" ".join(place), read)


def panel_for(segment: Segment, posts: tuple[Post, ...]) -> Panel:
    """The guards whose business such a segment is."""
    mine = [post for post in posts if post.covers(segment)]
    return Panel(
        tuple(post for post in mine if post.computing is not None),
        tuple(post for post in mine if post.computing is None),
    )


@dataclass(slots=True)
class Case:
    """A segment, its panel, and what is known of it: first what those that compute said before, then everything."""

    segment: Segment
    panel: Panel
    key: bytes
    judgement: Judgement | None = None
    said: dict[str, Opinion] = field(default_factory=dict)  # now, by the guard's id

    @property
    def closed(self) -> bool:
        """Whether nobody need be heard."""
        return self.judgement is not None and not self.panel.asking

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        """What was said of it now and before."""
        before = () if self.judgement is None else self.judgement.opinions
        return (*before, *self.said.values())

    def wants(self, post: Post) -> bool:
        """Whether a guard is to be heard on it: always, or where one that asks it is unsure."""
        if post.askers:
            return post in self.panel and not self._knows(post) and self._unsure(post)
        return post in self.panel.asking or (self.judgement is None and post in self.panel.computing)

    def _knows(self, post: Post) -> bool:
        return any(rule.id == post.rule.id for rule, _ in self.opinions)

    def _unsure(self, post: Post) -> bool:
        asking = {rule.id for rule in post.askers}
        said = [(rule.unsure, verdict) for rule, verdict in self.opinions if rule.id in asking]
        return any(unsure is not None and unsure.about(verdict) for unsure, verdict in said)
