"""What the settings describe is what is served."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rewardserve.calibrate import calibrate, document_of
from rewardserve.errors import ModelUnusable
from rewardserve.loading import load_served, load_workers
from rewardserve.scorer import Message
from rewardserve.settings import read_settings
from tests.rewardserve.test_calibrate import drawn


def ensemble(folder: Path, model: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    members = [{"name": each, "model": str(model), "family": each} for each in ("one", "two")]
    path.write_text(yaml.safe_dump({"name": name, "members": members}))
    return path


def rewarded(**given: Any) -> Any:
    settings = read_settings(**given)
    scorer = load_served(settings, settings.spec)
    return scorer.score(scorer.prepare([Message("user", "How?")], ["So."]))[0]


def test_an_ensemble_stands_in_for_a_model(tiny: Path, tmp_path: Path) -> None:
    assert set(rewarded(ensemble=ensemble(tmp_path, tiny, "both")).heads) == {"one", "two", "members"}


def test_a_calibration_stands_before_the_model_that_it_is_of(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(document_of(calibrate("tiny", drawn(200)))))
    found = rewarded(model=str(tiny), calibration=path)
    assert found.heads["raw"] == pytest.approx(rewarded(model=str(tiny)))
    with pytest.raises(ModelUnusable, match="made for 'tiny'"):
        rewarded(ensemble=ensemble(tmp_path, tiny, "both"), calibration=path)


def test_another_ensemble_can_take_its_place(tiny: Path, tmp_path: Path) -> None:
    settings = read_settings(ensemble=ensemble(tmp_path, tiny, "first"))
    other = ensemble(tmp_path, tiny, "second")
    assert load_served(settings, settings.spec).card.name == "first"
    assert load_served(settings, replace(settings.spec, model=str(other))).card.name == "second"


def test_each_worker_has_a_model_of_its_own(tiny: Path) -> None:
    first, second = load_workers(read_settings(model=str(tiny), workers=2))
    assert first is not second
    assert first.card.name == second.card.name == "tiny"
