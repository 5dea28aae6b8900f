"""Nothing pickled is stored or sent: not by our modules, not by Dagster on our behalf."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import dagster as dg
import pytest

from periscope_assets.definitions import build_definitions
from periscope_assets.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = ("periscope_analytics", "periscope_assets", "app", "infra", "bench", "docs", "tests")
FILES = sorted(path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py"))
MODULES = {
    "pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "hickle",
}  # fmt: skip
CALLS = {"to_pickle", "read_pickle", "HDFStore", "to_hdf", "read_hdf", "PickledObjectFilesystemIOManager"}
PICKLERS = re.compile(r"pickle|PickledObject|fs_io_manager|mem_io_manager", re.IGNORECASE)
OWN = Path(__file__)


def _imported(tree: ast.AST) -> set[str]:
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    others = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | others}


def _called(tree: ast.AST) -> set[str]:
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _allows_pickle(tree: ast.AST) -> bool:
    """Whether numpy may pickle: allow_pickle other than False, or arrays written without saying so."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        said = {word.arg: word.value for word in node.keywords}
        refused = isinstance(said.get("allow_pickle"), ast.Constant) and said["allow_pickle"].value is False
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        of = node.func.value.id if name and isinstance(node.func.value, ast.Name) else ""
        writes = of in {"np", "numpy"} and name in {"save", "savez", "savez_compressed", "load"}
        if not refused and (writes or "allow_pickle" in said):
            return True
    return False


def test_the_tree_is_looked_through():
    assert len(FILES) > 200


@pytest.mark.parametrize(
    "path", [each for each in FILES if each != OWN], ids=lambda p: str(p.relative_to(PROJECT))
)
def test_no_module_pickles(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not _imported(tree) & MODULES
    assert not _called(tree) & CALLS
    assert not _allows_pickle(tree)


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import dumps",
        "import joblib.memory",
        "frame.to_pickle('x')",
        "np.save(file, array)",
        "np.load(file, allow_pickle=True)",
    ],
)
def test_the_ban_would_notice(text):
    tree = ast.parse(text)
    assert _imported(tree) & MODULES or _called(tree) & CALLS or _allows_pickle(tree)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    return build_definitions(Settings(home=tmp_path_factory.mktemp("home")))


def test_dagster_never_hands_values_to_an_io_manager_that_pickles(definitions):
    """Assets return no value and load none: the default IO manager, which is pickle, is never asked."""
    assert len(list(definitions.resolve_all_asset_specs())) > 5
    for definition in definitions.assets or ():
        if not isinstance(definition, dg.AssetsDefinition):
            continue
        for output in definition.node_def.output_defs:
            assert output.dagster_type.kind.name in {"NOTHING", "ANY"}, definition.key
        for given in definition.node_def.input_defs:
            assert given.dagster_type.is_nothing, (definition.key, given.name)


def test_no_resource_of_ours_pickles(definitions):
    for name, resource in (definitions.resources or {}).items():
        assert not PICKLERS.search(type(resource).__name__), name


def test_no_configuration_names_a_pickler():
    texts = [*PROJECT.glob("*.y*ml"), *(PROJECT / "infra").rglob("*.y*ml")]
    assert [str(p) for p in texts if PICKLERS.search(p.read_text(encoding="utf-8"))] == []
