"""What a stream's tool calls call: shown to guards once it is known, before any of the arguments leaves."""

from gateway.late import may_change
from gateway.line import Call
from gateway.voice import Voice
from guards.verdict import Screening


def called(voice: Voice) -> list[Call]:
    """The calls whose name is complete, since their arguments have begun, each once."""
    begun = [call for call in voice.calls.values() if not call.known and call.window.received]
    for call in begun:
        call.known = True
    return begun


def may_be_called(voice: Voice, screening: Screening) -> bool:
    """Whether the policy lets the choice go on; what guards cannot point at is judged again with the arguments."""
    if screening.withheld and not may_change(screening):
        voice.screening = screening
    return not voice.withheld
