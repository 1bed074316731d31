"""What the demo's figures are made of: pure sums over what was sent, examined and answered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import stdev

from finetune.demo.outcome import Guarding, Rewarding, Swapping
from finetune.demo.sending import Sent
from finetune.demo.traffic import Answer
from finetune.exams.intervals import difference_of, mean_of


def guarding(sent: Sequence[Sent]) -> Guarding:
    """What the guards flagged among exchanges."""
    flagged = sum(one.flagged for one in sent)
    by_prompt: dict[str, list[float]] = {}
    for one in sent:  # a prompt is sent several times, which are alike
        by_prompt.setdefault(one.question.id, []).append(one.flagged)
    rate = mean_of(by_prompt)
    return Guarding(
        exchanges=len(sent),
        flagged=flagged,
        flagged_rate=rate.value,
        flagged_rate_interval=(rate.low, rate.high),
        how=f"exchanges in the ledger with a finding in the prompt or in any candidate; {rate.method}",
        by_hazard=dict(Counter(hazard for one in sent for hazard in one.hazards).most_common()),
        refused=sum(one.refused for one in sent),
    )


def rewarding(by_n: Mapping[int, Sequence[Sent]]) -> Rewarding:
    """How the delivered answer's reward rises with n; the same prompts for each n."""
    clusters = {n: {one.question.id: [one.reward] for one in sent} for n, sent in by_n.items()}
    fewest, most = min(by_n), max(by_n)
    means = {n: mean_of(cluster) for n, cluster in clusters.items()}
    spread = stdev(one.reward for one in by_n[fewest])
    gain = difference_of(clusters[fewest], clusters[most])
    return Rewarding(
        mean_by_n={str(n): mean.value for n, mean in means.items()},
        interval_by_n={str(n): (mean.low, mean.high) for n, mean in means.items()},
        single_sample_sd=spread,
        gain=gain.value / spread,
        gain_interval=(gain.low / spread, gain.high / spread),
        prompts=len(clusters[fewest]),
    )


def swapping(
    answers: Sequence[Answer], span: tuple[float, float], seconds: float, right: Mapping[tuple[str, str], str]
) -> Swapping:
    """What clients saw of the swap; `right` is each version's own greedy text for each prompt."""
    during = [answer for answer in answers if answer.overlaps(*span)]
    failed = [answer for answer in answers if answer.error is not None]  # a bad drain shows afterwards
    return Swapping(
        clients=len({answer.client for answer in answers}),
        requests_during=len(during),
        failed=len(failed),
        mixed_versions=sum(is_mixed(answer, right) for answer in answers),
        seconds=seconds,
        by_version=dict(Counter(answer.version for answer in during if answer.error is None)),
        errors=sorted({answer.error for answer in failed if answer.error})[:5],
    )


def is_mixed(answer: Answer, right: Mapping[tuple[str, str], str]) -> bool:
    """Whether an answer is not the text that its own version gives; what a guard cut says nothing."""
    if answer.error is not None or answer.finish_reason == "content_filter":
        return False
    return answer.text != right[answer.version, answer.prompt]
