"""A strength curve as a picture: what the proxy promises, what the trusted reward gives, and where the cap is."""

from pathlib import Path

from gateway.strength.curve import Curve


def draw(curve: Curve, path: Path) -> None:
    """Proxy and gold reward over n; raises OSError or ValueError where it cannot be written."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - no part of the plain install

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    sizes = [point.n for point in curve.points]
    axes.plot(sizes, [point.proxy for point in curve.points], "--", color="tab:gray", label="proxy reward")
    axes.plot(sizes, [point.gold for point in curve.points], color="tab:blue", label="trusted reward")
    axes.fill_between(
        sizes, [p.low for p in curve.points], [p.high for p in curve.points], color="tab:blue", alpha=0.2
    )
    if curve.n is not None:
        axes.axvspan(curve.n.low, curve.n.high, color="tab:orange", alpha=0.15)
        axes.axvline(curve.n.value, color="tab:orange", label=f"cap: n = {curve.n.value:.3g}")
    axes.set(
        xscale="log",
        xlabel="n (best of n)",
        ylabel="mean reward",
        title=f"{curve.alias}: how strong to select",
    )
    axes.legend()
    figure.savefig(path, dpi=150)
