"""What may go wrong in the learning loop.

FinetuneFailed              the base of all
├── Fault                   what nobody foresaw, by where it came from; its own text may hold what people wrote
├── DatasetDamaged          a frozen dataset's bytes no longer match its name
├── Unready                 what was asked for cannot begin like this: a setting, a file or a name must change first
│   ├── RecipeInvalid       a recipe's file cannot be read, or a field of it is wrong
│   ├── DataInvalid         a file of rows or prompts is not what is learnt from
│   ├── StoryUnknown        nothing is known of a version of this name
│   └── ConstitutionInvalid a constitution cannot be read, or holds something else
├── DrawFailed              candidates could not be drawn after the fact
├── FindingsInvalid         a file of red-teaming's findings cannot be read; where nothing has begun, Unready says so
├── TrainingFailed          training could not be done, or left nothing fit to keep
├── ExamFailed              its prompts, the policy or the reward server are not to be had
├── PolicyFailed            the policy model could not be asked
├── RolloutFailed           a version could not be brought into traffic
│   └── FlipUndone          the traffic is as it was, or as somebody else put it meanwhile; the run is over
└── RunRefused              this worker may not run now
    ├── RunUnderWay         another worker holds the lease
    ├── RolloutUnderWay     the version before is still on its way into traffic
    ├── GatewayAway         the gateway that would have to take the new version cannot be asked
    ├── NothingToResume     there is no unfinished run, and the last one did not fail
    └── LeaseLost           another worker took the run over
"""


def reason(error: BaseException) -> str:
    """What a library's error says, in one short line: the rest of its text may hold what people wrote."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:200]}"


class FinetuneFailed(Exception):
    """Something in the learning loop could not be done."""


class Fault(FinetuneFailed):
    """What nobody foresaw, by its kind and where it came from."""


class DatasetDamaged(FinetuneFailed):
    """A frozen dataset's bytes no longer match its name."""


class Unready(FinetuneFailed):
    """What was asked for cannot begin like this; nothing was written."""


class RecipeInvalid(Unready):
    """A recipe's file cannot be read, or a field of it is wrong."""


class DataInvalid(Unready):
    """A file of rows or prompts is not what is learnt from."""


class StoryUnknown(Unready):
    """Nothing is known of a version of this name."""


class DrawFailed(FinetuneFailed):
    """Candidates could not be drawn after the fact."""


class ConstitutionInvalid(Unready):
    """A constitution cannot be read, or holds something else than principles."""


class FindingsInvalid(FinetuneFailed):
    """A file of red-teaming's findings cannot be read."""


class TrainingFailed(FinetuneFailed):
    """Training could not be done, or left nothing fit to keep."""


class ExamFailed(FinetuneFailed):
    """An exam could not be held."""


class RolloutFailed(FinetuneFailed):
    """A version could not be brought into traffic."""


class FlipUndone(RolloutFailed):
    """The traffic is as it was, or as somebody else put it meanwhile."""


class PolicyFailed(FinetuneFailed):
    """The policy model could not be asked."""


class RunRefused(FinetuneFailed):
    """This worker may not run now."""


class RunUnderWay(RunRefused):
    """Another worker holds the lease."""


class RolloutUnderWay(RunRefused):
    """An alias takes one new version at a time, and one is on its way."""


class GatewayAway(RunRefused):
    """The gateway cannot be asked; nothing was begun."""


class NothingToResume(RunRefused):
    """There is no run to go on with."""


class LeaseLost(RunRefused):
    """Another worker took the run over."""
