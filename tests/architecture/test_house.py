"""The house rules that a machine can check: layers, sizes, docstrings, nothing pickled, no machine named."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import LONGEST

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("periscope_analytics", "periscope_assets", "app")
MODULES = sorted(path for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))


def _tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    ).stdout
    return [PROJECT / name for name in names.decode().split("\0") if name and (PROJECT / name).is_file()]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_imports_go_down_only():
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_file_is_over_500_lines():
    files = [path for path in _tracked() if path.suffix == ".py"]
    assert {str(path.relative_to(PROJECT)): _lines(path) for path in files if _lines(path) > 500} == {}


def test_median_sizes_stay_small():
    sizes = [_lines(path) for path in MODULES if path.name != "__init__.py"]
    assert statistics.median(sizes) <= 160
    assert statistics.median(_code_lines(f) for path in MODULES for f in _functions(path)) <= 15


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_module_says_what_belongs_in_it(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), (
        f"{path.name} has no module docstring"
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_nothing_is_pickled(path):
    names = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert not names & {"pickle", "cloudpickle", "dill", "shelve", "joblib", "marshal"}


def test_no_transform_or_kernel_reads_a_clock():
    clock = re.compile(r"datetime\.now|date\.today|time\.time\(|utcnow|Timestamp\.now|os\.environ|getenv")
    pure = [
        p for p in MODULES if p.parts[len(PROJECT.parts)] == "periscope_analytics" or "transforms" in p.parts
    ]
    assert [str(p) for p in pure if clock.search(p.read_text(encoding="utf-8"))] == []


def test_files_that_begin_first_are_there():
    assert [name for name in LONGEST if not (PROJECT / "tests" / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_nothing_names_a_machine_path():
    place = re.compile(r"(?<![\w.~-])/(?:work|root|farm)/\w")
    texts = [
        p
        for p in _tracked()
        if p.suffix in {".py", ".md", ".toml", ".yaml", ".sh", ".lock", ".json"}
        or p.name in {"Makefile", "run"}
    ]
    guilty = [
        str(p)
        for p in texts
        if p != Path(__file__) and place.search(p.read_text(encoding="utf-8", errors="replace"))
    ]
    assert guilty == []


@pytest.mark.parametrize("name", ["requirements.lock", "infra/bootstrap.lock"])
def test_lock_files_carry_names_versions_and_hashes_only(name):
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in requirements)


def test_the_lock_satisfies_every_declared_dependency():
    from packaging.requirements import Requirement

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["dependencies"] + [
        r for group in project["optional-dependencies"].values() for r in group
    ]
    text = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9.\-]+)==(\S+)", text, flags=re.MULTILINE):
        locked.setdefault(name, set()).add(version)
    unmet = [
        text
        for text in declared
        if not any(
            Requirement(text).specifier.contains(v)
            for v in locked.get(Requirement(text).name.lower().replace("_", "-"), ())
        )
    ]
    assert unmet == []
