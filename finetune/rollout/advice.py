"""What to try where a condition of the gate does not hold, by its code: one line for people. Pure."""

from collections.abc import Sequence

WHERE = "docs/gate.md#what-to-do"
MORE = "more traffic with n of 2 or more gives more pairs"
ADVICE = {
    "over_refusal": "more pairs in which an answer wins (helpfulness), or a lower finetune.filters.refusals; "
    "`run --dry-run` shows the balance",
    "safety.unmoved": f"{MORE} about harm; or more steps (finetune.recipe.epochs)",
    "safety.worse": f"{MORE} about harm; look at what it learnt by `trimtab finetune pairs`",
    "safety.guard": "another guard finds harm that yours passes: look at what it learnt by `trimtab finetune pairs`",
    "reward": "is the reward server up? Else a lower finetune.recipe.learning_rate, or more pairs",
    "target": "more pairs, or a lower finetune.recipe.learning_rate; the next traffic may do",
    "length": "lower finetune.filters.longer_most, so that length tells less",
    "ended": "a lower finetune.recipe.learning_rate, or fewer finetune.recipe.epochs",
    "forgetting": "a higher finetune.recipe.ballast, or a lower finetune.recipe.learning_rate",
    "capability": "a higher finetune.recipe.ballast, or a lower finetune.recipe.learning_rate",
    "sycophancy": "a higher finetune.recipe.ballast, or fewer pairs of thumbs (finetune.filters.feedback_share)",
    "exam.small": "more prompts in finetune.exam.prompts",
    "health.displacement": "finetune.filters.closest_share 0.05, or a lower finetune.recipe.learning_rate",
    "health.unlearnt": "more pairs, or more finetune.recipe.epochs",
    "health.nan": "a lower finetune.recipe.learning_rate",
    "health.too_easy": "look at the pairs by `trimtab finetune pairs`: something plain tells which answer wins",
    "servability": "a recipe that makes what engines load: see the code in the docs",
    "data.contaminated": "run again: the exam's prompts were changed after the data was frozen",
    "data.erased": "run again: what was erased since is left out of the next dataset",
    "data.damaged": "move the dataset's file away, and run again: it is frozen anew",
    "judge.labelled": "name another guard or reward server for the exam",
}


def advice_on(codes: Sequence[str]) -> tuple[str, ...]:
    """A line for each of these codes, or for its family, of which anything is known; each thing to try is told once."""
    found: dict[str, str] = {}
    for code in codes:
        known = next((name for name in families(code) if name in ADVICE), None)
        if known is not None:
            found.setdefault(known, f"{code}: {ADVICE[known]}")
    return tuple(found.values())


def families(code: str) -> list[str]:
    """A code, and what it belongs to: over_refusal.bound, over_refusal."""
    parts = code.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
