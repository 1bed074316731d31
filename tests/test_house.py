"""The house: floors, sizes, where torch may live, and names that say nothing."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "guards": set(),
    "rewardserve": set(),
    "gateway": {"guards", "rewardserve"},
    "finetune": {"guards", "rewardserve", "gateway"},
}
# What a floor above may use of rewardserve: both ends of its wire, and nothing that loads a model.
OPEN_TO_GATEWAY = {"rewardserve.client", "rewardserve.contract", "rewardserve.reward"}
TORCH = {"torch", "transformers", "trl", "peft", "datasets", "accelerate"}
TORCH_ROOMS = (
    "gateway/engines/pocket/model.py",
    "gateway/engines/pocket/lane.py",
    "gateway/engines/pocket/sampling.py",
    "rewardserve/scorers/",
    "rewardserve/train.py",
    "rewardserve/training/",
    "guards/nets.py",
    "guards/train.py",
    "guards/models/encoder.py",
    "guards/models/entailment.py",
    "guards/models/sentences.py",
    "finetune/train/",
    "finetune/pocket/",
)
PURE = (
    "guards/verdict.py",
    "guards/window.py",
    "guards/text/",
    "gateway/exchange.py",
    "gateway/sse.py",
    "gateway/strategies/",
    "finetune/pairs/filters.py",
    "finetune/pairs/balancing.py",
    "finetune/pairs/bursts.py",
    "finetune/pairs/composition.py",
    "finetune/pairs/contamination.py",
    "finetune/pairs/words.py",
    "finetune/exams/caving.py",
    "finetune/exams/lengths.py",
    "finetune/exams/parity.py",
    "finetune/executors/sharing.py",
    "finetune/recipes/rows.py",
    "finetune/schedule.py",
    "finetune/rollout/evidence.py",
    "finetune/rollout/bars.py",
    "finetune/rollout/pairing.py",
    "finetune/rollout/machine.py",
    "finetune/rollout/gate.py",
    "finetune/rollout/advice.py",
)
IMPURE = {"httpx", "aiohttp", "sqlalchemy", "sqlite3", "torch", "os", "random", "socket", "subprocess"}
NAMES_THAT_SAY_NOTHING = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc", "core"}
# Whoever writes, or chooses, what something is trained on.
LABELLERS = (
    "finetune.pairs.sources",
    "finetune.pairs.draw",
    "finetune.pocket.reward",
    "guards.train",
    "rewardserve.train",
    "rewardserve.training.trl",
)
JOURNEYS = {"gateway/pipeline.py", "finetune/retrain.py"}
LONGEST_FILE, LONGEST_FUNCTION = 300, 40

FILES = sorted(path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def modules_imported(path: Path, *, at_import_only: bool = False) -> set[str]:
    """Every dotted module a file imports; with `at_import_only`, not those imported inside functions."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    if at_import_only:
        inside = {id(node) for f in functions(tree) for node in ast.walk(f)}
        nodes = [node for node in nodes if id(node) not in inside]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def tops(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


@each_file
def test_imports_run_down_only(path: Path) -> None:
    folder = name_of(path).split("/")[0]
    assert tops(modules_imported(path)) & MAY_IMPORT.keys() <= MAY_IMPORT[folder] | {folder}


@each_file
def test_no_relative_imports(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text()))
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]


@each_file
def test_the_gateway_uses_only_the_client_of_rewardserve(path: Path) -> None:
    if not name_of(path).startswith("gateway/"):
        pytest.skip("not the gateway")
    assert {m for m in modules_imported(path) if m.startswith("rewardserve")} <= OPEN_TO_GATEWAY


@each_file
def test_torch_lives_in_its_rooms(path: Path) -> None:
    heavy = tops(modules_imported(path)) & TORCH
    assert not heavy or name_of(path).startswith(TORCH_ROOMS)


@each_file
def test_pure_rooms_do_no_io(path: Path) -> None:
    if not name_of(path).startswith(PURE):
        pytest.skip("not in the pure list")
    assert not tops(modules_imported(path)) & IMPURE


@each_file
def test_a_command_line_is_instant(path: Path) -> None:
    if path.name != "cli.py":
        pytest.skip("not a command line")
    assert not tops(modules_imported(path, at_import_only=True)) & TORCH


@each_file
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    assert not [f.name for f in functions(ast.parse(text)) if lines_of(f) > LONGEST_FUNCTION]


@each_file
def test_file_names_say_something(path: Path) -> None:
    assert path.stem.strip("_") not in NAMES_THAT_SAY_NOTHING


@each_file
def test_the_environment_is_read_in_settings_only(path: Path) -> None:
    if path.name == "settings.py":
        pytest.skip("the one place that may")
    assert not re.search(r"os\.(environ|getenv)", path.read_text())


def test_imports_make_no_circle() -> None:
    """No module can be reached from itself, not even through an import inside a function."""
    graph = imports()
    assert not [module for module in graph if module in reachable(graph, module)]


@pytest.mark.parametrize("labeller", LABELLERS)
def test_the_judge_of_the_exams_labels_nothing(labeller: str) -> None:
    graph = imports()
    assert "guards.refusal" in graph
    assert "guards.refusal" not in reachable(graph, labeller)


def test_the_learning_loop_samples_in_one_place() -> None:
    """Exams, draws and the pocket build must mean the same by a seed."""
    samplers = [name_of(path) for path in FILES if re.search(r"\bmodel\.generate\(", path.read_text())]
    assert samplers == ["finetune/train/policy.py"]


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def imports() -> dict[str, set[str]]:
    """Each module of ours, and those of ours that it imports."""
    known = {module_of(path) for path in FILES}
    return {module_of(path): modules_of_ours(path, known) for path in FILES}


def modules_of_ours(path: Path, known: set[str]) -> set[str]:
    """The modules of ours a file imports: `from a.b import c` means a.b.c where that is a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (members & known) or {node.module}
    return found & known


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(graph[module])
    return seen


def test_broad_excepts_are_few_and_say_why() -> None:
    waivers = [line for path in FILES for line in path.read_text().splitlines() if "noqa: BLE001" in line]
    assert len(waivers) <= 6
    assert all(re.search(r"noqa: BLE001 - \w+", line) for line in waivers)


def test_the_two_journeys_exist() -> None:
    assert all((ROOT / journey).is_file() for journey in JOURNEYS)


def test_no_test_patches_code() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            assert not re.search(r"\bmock\b|\bpatch\(|monkeypatch\.setattr", path.read_text()), path
