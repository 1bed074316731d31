"""The demo's plots."""

from matplotlib.axes import Axes

from finetune.demo.plots import svg


def line(axes: Axes) -> None:
    axes.plot([1, 2])


def test_a_plot_names_no_page_but_its_own_namespaces() -> None:
    drawn = svg(line)
    assert "<path" in drawn
    assert "http" not in drawn.replace("http://www.w3.org", "")
