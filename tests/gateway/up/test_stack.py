"""What `trimtab up` decides to run."""

import socket
from pathlib import Path

import pytest

from gateway.up.stack import HomeTaken, PortTaken, plan, require_free, sole_use_of


def test_without_a_configuration_the_pocket_form_runs(tmp_path: Path) -> None:
    stack = plan(home=tmp_path, port=9000)
    assert [service.name for service in stack.services] == ["engine", "reward", "gateway"]
    assert [port for _, _, port in stack.ports] == [9002, 9003, 9000, 9001]


def test_an_engine_of_the_operators_own_is_not_started_again(tmp_path: Path) -> None:
    config = tmp_path / "trimtab.yaml"
    config.write_text("engines: [{name: vllm, url: 'http://10.0.0.7:8000/v1'}]\nbase_model: llama\n")
    stack = plan(config, home=tmp_path)
    assert [service.name for service in stack.services] == ["reward", "gateway"]
    assert stack.settings.base_model == "llama"


def test_what_the_operator_set_beside_a_pocket_change_stays(tmp_path: Path) -> None:
    config = tmp_path / "trimtab.yaml"
    config.write_text("reward: {timeout_seconds: 3}\n")
    assert plan(config, home=tmp_path).settings.reward.timeout_seconds == 3


def test_the_gateway_is_told_the_changes_as_variables(tmp_path: Path) -> None:
    variables = plan(home=tmp_path, port=9000).services[-1].variables
    assert variables["TRIMTAB_LISTEN"] == '{"port": 9000}'
    assert variables["TRIMTAB_HOME"] == str(tmp_path)


def test_the_gateway_has_time_for_its_requests_and_its_ledger(tmp_path: Path) -> None:
    config = tmp_path / "trimtab.yaml"
    config.write_text("limits: {shutdown_seconds: 100}\n")
    services = {service.name: service.grace_seconds for service in plan(config, home=tmp_path).services}
    assert services["gateway"] > 100 + services["engine"]


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"engine cannot listen on 127.0.0.1:{port}.*--port"):
            require_free([("engine", "127.0.0.1", port)])


def test_one_home_serves_one_stack(tmp_path: Path) -> None:
    with sole_use_of(tmp_path), pytest.raises(HomeTaken, match="--home"), sole_use_of(tmp_path):
        pass


def test_a_strategy_that_needs_rewards_may_be_configured(tmp_path: Path) -> None:
    config = tmp_path / "trimtab.yaml"
    config.write_text("alignment: {strategy: blockwise, block_tokens: 24}\n")
    alignment = plan(config, home=tmp_path).settings.alignment
    assert (alignment.strategy, alignment.block_tokens) == ("blockwise", 24)


def test_who_configures_something_else_of_selection_still_gets_the_best_of_four(tmp_path: Path) -> None:
    config = tmp_path / "trimtab.yaml"
    config.write_text("alignment: {wave: 3}\n")
    alignment = plan(config, home=tmp_path).settings.alignment
    assert (alignment.strategy, alignment.n, alignment.wave) == ("best_of_n", 4, 3)
