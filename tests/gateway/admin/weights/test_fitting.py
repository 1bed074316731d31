"""Full weights that no engine must ever be given."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gateway.admin.weights.files import digest_of_model, shards_of
from gateway.admin.weights.fitting import check_fits
from gateway.errors import ApiError
from tests.gateway.admin.weights.conftest import make_model

WHOLE = "model.safetensors"


def changed(folder, **tensors):
    weights = load_file(folder / WHOLE)
    save_file({**weights, **tensors}, folder / WHOLE)


def truncated(folder):
    (folder / WHOLE).write_bytes((folder / WHOLE).read_bytes()[:-64])


def misshapen(folder):
    changed(folder, **{"layer.weight": np.zeros((8, 4), np.float32)})


def other_type(folder):
    changed(folder, **{"layer.weight": np.zeros((8, 8), np.float16)})


def not_a_number(folder):
    changed(folder, **{"layer.weight": np.full((8, 8), np.nan, np.float32)})


def one_infinity(folder):
    weights = load_file(folder / WHOLE)["layer.weight"]
    weights[7, 7] = np.inf
    changed(folder, **{"layer.weight": weights})


def one_less(folder):
    weights = load_file(folder / WHOLE)
    weights.pop("norm.weight")
    save_file(weights, folder / WHOLE)


def one_more(folder):
    changed(folder, extra=np.zeros(3, np.float32))


def in_shards(folder, lose=False):
    weights = load_file(folder / WHOLE)
    placed = {name: f"part-{place}.safetensors" for place, name in enumerate(weights)}
    for name, file in placed.items():
        save_file({name: weights[name]}, folder / file)
    (folder / WHOLE).unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    if lose:
        (folder / file).unlink()


def a_shard_less(folder):
    in_shards(folder, lose=True)


def another_index(folder):
    in_shards(folder)
    index = folder / "model.safetensors.index.json"
    placed = json.loads(index.read_text())["weight_map"]
    first, second, *_ = placed
    placed[first] = placed[second]
    index.write_text(json.dumps({"weight_map": placed}))


def elsewhere(folder):
    in_shards(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../other.safetensors"}}')


def pickled(folder):
    (folder / WHOLE).rename(folder / "pytorch_model.bin")


def another_network(folder):
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"hidden_act": "gelu"}))


def test_weights_of_the_same_shapes_fit(model, base):
    assert check_fits(model, base) == {"tensors": 3, "scanned": "all"}


def test_they_fit_in_shards_too(model, base):
    in_shards(model)
    assert check_fits(model, base)["tensors"] == 3


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (truncated, "cannot be read"),
        (misshapen, "shape"),
        (other_type, "F16"),
        (not_a_number, "NaN"),
        (one_infinity, "infinity"),
        (one_less, "missing"),
        (one_more, "extra"),
        (a_shard_less, "cannot be read"),
        (another_index, "where the index says"),
        (elsewhere, "elsewhere"),
        (pickled, "neither"),
        (another_network, "hidden_act"),
    ],
)
def test_others_are_refused_by_what_is_wrong(model, base, spoil, why):
    spoil(model)
    with pytest.raises(ApiError, match=why):
        check_fits(model, base)


def test_bfloat16_is_looked_at_too(tmp_path):
    pair = [make_model(tmp_path / name) for name in ("bf-base", "bf")]
    for folder, bits in zip(pair, (0x3F80, 0x7FC0), strict=True):
        header = {"w": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}
        told = json.dumps(header).encode()
        numbers = np.array([0x3F80, 0x3F80, bits, 0x3F80], np.uint16).tobytes()
        (folder / WHOLE).write_bytes(len(told).to_bytes(8, "little") + told + numbers)
    with pytest.raises(ApiError, match="NaN"):
        check_fits(pair[1], pair[0])


def test_without_time_a_sample_is_looked_at(model, base):
    assert check_fits(model, base, scan_seconds=-1)["scanned"] == "sample"


def test_the_digest_is_of_everything_that_decides_what_is_said(model):
    before = digest_of_model(model)
    (model / "notes.txt").write_text("nothing to do with it")
    assert digest_of_model(model) == before
    (model / "tokenizer.json").write_text('{"other": 1}')
    assert digest_of_model(model) != before


def test_a_model_in_one_file_has_no_other_shards(model):
    assert shards_of(model) == [WHOLE]
