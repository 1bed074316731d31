"""Judgements of texts that come again: a conversation sends all of its turns with every turn, an application the same
instructions and tools with every request, and models have refusals and answers that they often give.

Kept by digest alone, so that nothing that people wrote stays; bounded, the longest unused forgotten first.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable

from guards.judgement import Judgement

MOST = 4096  # judgements, of a few kilobytes each,
MOST_SPANS = (
    16  # for none with more findings' places is kept: a text full of them would be kept by the megabyte
)
SECRET = secrets.token_bytes(32)  # so that nobody can look for two texts with one digest


class Memory:
    """What a policy's guards made of the texts that they were shown last."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[bytes, Judgement] = OrderedDict()

    def recall(self, key: bytes) -> Judgement | None:
        """The judgement of the same texts, if it is remembered."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def keep(self, key: bytes, judgement: Judgement) -> None:
        """Remember a judgement, unless it is a large one."""
        if judgement.spans > MOST_SPANS:
            return
        self._known[key] = judgement
        if len(self._known) > self._most:
            self._known.popitem(last=False)


def key_of(place: str, read: Iterable[bytes]) -> bytes:
    """What a judgement of what was read at this place is known by: a digest of all of it, each with its length."""
    digest = hashlib.blake2b(place.encode(), digest_size=16, key=SECRET)
    for data in read:
        digest.update(b"%d:%b" % (len(data), data))
    return digest.digest()
