"""A strength curve as people read it."""

from gateway.strength.curve import Cap, Curve
from gateway.strength.law import peak_of


def table_of(curve: Curve) -> str:
    """What is capped, by which law, and what best-of-n earns at each n; intervals are of 95 %."""
    source = curve.source
    data = f"{source.samples} answers to {source.prompts} prompts ({source.file})"
    lines = [
        f"{curve.alias}: from {data}, {curve.made_at:%Y-%m-%d}",
        f"  n            {_cap(curve.n, f'not capped: still rising at {curve.largest_n}')}",
        f"  mu           {_cap(curve.mu, f'not capped: still rising at {curve.largest_n - 1}')}",
        f"  temperature  {_cap(curve.temperature, 'no floor: the coldest earns most')}",
        f"  law          {_law(curve)}",
        f"  method       {curve.method}",
        "",
        "    n    KL   proxy    gold  interval of gold",
    ]
    lines += [
        f"{p.n:5d} {p.kl:5.2f} {p.proxy:7.3f} {p.gold:7.3f}  [{p.low:.3f}, {p.high:.3f}]"
        for p in curve.points
    ]
    return "\n".join(lines)


def _cap(cap: Cap | None, without: str) -> str:
    return without if cap is None else f"{cap.value:.3g} [{cap.low:.3g}, {cap.high:.3g}]"


def _law(curve: Curve) -> str:
    if curve.law is None:
        return "not fitted"
    law, at = curve.law, peak_of(curve.law)
    told = f"d({law.alpha:.3g} - {law.beta:.3g} d), second coefficient in [{law.beta_low:.3g}, {law.beta_high:.3g}]"
    if not law.peaks or at is None:
        return f"{told}: no evidence of a peak"
    beyond = ", beyond what was measured" if at > curve.largest_n else ""
    return f"{told}: peaks at n = {at:.3g}{beyond}"
