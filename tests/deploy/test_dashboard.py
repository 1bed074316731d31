"""The dashboard: a valid model, and each panel explained, in a unit, on the grid, and bounded."""

import json
from typing import Any

import pytest

from tests.deploy.places import DASHBOARD, DEPLOY, dashboard, document, panels

BOARD = dashboard()
PANELS = list(panels(BOARD))
WIDTH = 24
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
Panel = dict[str, Any]


def test_grafanas_own_model_reads_all_of_it() -> None:
    model = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard", reason="needs grafana-foundation-sdk"
    )
    sdk = model.Dashboard.from_json(BOARD)
    assert sdk.uid == "trimtab"
    assert len(sdk.panels or []) == len(BOARD["panels"])


def test_ids_are_unique() -> None:
    ids = [panel["id"] for panel in [*BOARD["panels"], *PANELS] if panel["type"] == "row" or panel in PANELS]
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert not {p["id"] for p in BOARD["panels"] if p["type"] == "row"} & {p["id"] for p in PANELS}
    assert ids


def test_titles_are_unique() -> None:
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)


def test_no_two_panels_overlap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in [*PANELS, *(p for p in BOARD["panels"] if p["type"] == "row")]:
        if panel["type"] == "row" and panel["collapsed"]:
            continue
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        for cell in (
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        ):
            if panel in BOARD["panels"]:
                assert cell not in taken, (panel["title"], taken.get(cell))
                taken[cell] = panel["title"]


@each_panel
def test_a_panel_explains_itself(panel: Panel) -> None:
    assert panel["description"].endswith(".")
    assert len(panel["description"]) > len(panel["title"])


@each_panel
def test_a_panel_has_a_unit(panel: Panel) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]


@each_panel
def test_a_panel_asks_the_chosen_data_source(panel: Panel) -> None:
    asked = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in asked)


@each_panel
def test_refs_of_a_panel_are_unique(panel: Panel) -> None:
    refs = [target["refId"] for target in panel["targets"]]
    assert refs
    assert len(set(refs)) == len(refs)


@each_panel
def test_a_panel_over_time_has_a_legend_of_labels(panel: Panel) -> None:
    for target in panel["targets"]:
        if panel["type"] in {"timeseries", "state-timeline"}:
            assert target["legendFormat"]


def test_the_file_is_written_as_grafana_writes_it() -> None:
    assert DASHBOARD.read_text() == json.dumps(BOARD, indent=2, ensure_ascii=False) + "\n"


def test_provisioning_puts_this_dashboard_on_this_data_source() -> None:
    source = document(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]
    variable = BOARD["templating"]["list"][0]
    assert variable["current"]["value"] == source["uid"]
    provider = document(DEPLOY / "grafana/provisioning/dashboards/trimtab.yaml")["providers"][0]
    for name in ("compose.yaml", "compose.pocket.yaml"):
        mounts = {
            str(v.get("target"))
            for v in document(DEPLOY / name)["services"]["grafana"]["volumes"]
            if isinstance(v, dict)
        }
        assert provider["options"]["path"] in mounts
