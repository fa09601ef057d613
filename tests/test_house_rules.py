"""The house rules that a program can check (CONTRIBUTING.md says why each is there)."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.adapters.telemetry import METRICS
from switch.apps.settings_sources import list_fields

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("switch", "projections", "loadtest")
CODE_ROOTS = (*PACKAGES, "infra", "tests")
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500
SLEEP_S_MAX = 0.5  # between two looks at a condition; never instead of one
BANNED_FIRST = frozenset({"util", "utils", "helper", "helpers", "common", "base", "misc"})
BANNED_LAST = BANNED_FIRST | {"manager", "service", "processor", "data", "info"}
TEXT_SUFFIXES = frozenset(
    {".py", ".md", ".toml", ".sql", ".html", ".yml", ".yaml", ".json", ".jsonl", ".xml"}
    | {".template", ".properties", ".service"}
)
# written in parts, so that this file does not break its own rules
MARKERS = re.compile(
    "|".join([r"\bFIX" + "ME", r"\bTO" + r"DO\b", r"#.*\bX" + r"XX\b", "for " + "now"])
)
MACHINE_PATHS = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "bash_" + "jobs"]))
REGISTRY_HOSTS = re.compile(r"//[\w.-]*(?:artifactory|nexus|pypi|proxy|mirror|registry)[\w.-]*[/:]")


@functools.cache
def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(read(path), str(path))


@functools.cache
def list_files() -> tuple[Path, ...]:
    """All text files of the project; what tools leave behind is not looked at."""
    names = [path for path in ROOT.iterdir() if path.is_file()]
    folders = [ROOT / name for name in (*CODE_ROOTS, "docs", ".ci")]
    found = names + [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return tuple(
        sorted(
            path
            for path in found
            if (path.suffix in TEXT_SUFFIXES or path.name in {"Makefile", "run"})
            and not {"__pycache__", "libs", "run"} & set(path.relative_to(ROOT).parts[:-1])
        )
    )


@functools.cache
def list_code(*roots: str) -> tuple[Path, ...]:
    return tuple(
        path
        for path in list_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in (roots or CODE_ROOTS)
    )


def place(path: Path, line: int | None = None) -> str:
    name = path.relative_to(ROOT).as_posix()
    return name if line is None else f"{name}:{line}"


def name_words(name: str) -> list[str]:
    """Split a file stem or a class name into lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def is_banned(name: str) -> bool:
    words = name_words(name)
    return bool(words) and (words[-1] in BANNED_LAST or words[0] in BANNED_FIRST)


def list_functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_is_longer_than_sixty_lines():
    too_long = [
        f"{place(path, node.lineno)} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in list_code()
        for node in list_functions(parse(path))
        if node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not too_long, "\n".join(too_long)


def test_no_file_is_longer_than_five_hundred_lines():
    too_long = [
        f"{place(path)}: {count} lines"
        for path in list_code()
        if (count := len(read(path).splitlines())) > FILE_LINES_MAX
    ]
    assert not too_long, "\n".join(too_long)


def test_every_source_file_has_its_mirror_test():
    missing = []
    for path in list_code(*PACKAGES, "infra"):
        if path.name in {"__init__.py", "__main__.py"}:
            continue
        relative = path.relative_to(ROOT)
        mirror = ROOT / "tests" / relative.parent / f"test_{relative.name}"
        if not mirror.exists():
            missing.append(f"{place(path)}: no {place(mirror)}")
    assert not missing, "\n".join(missing)


def test_every_event_tag_has_golden_bytes():
    tags = {
        keyword.value.value
        for path in list_code("switch", "projections")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef)
        for keyword in node.keywords
        if keyword.arg == "tag" and isinstance(keyword.value, ast.Constant)
    }
    golden = {path.stem for path in (ROOT / "tests/vectors/golden").glob("*.json")}
    assert tags, "no tags found: this test looks in the wrong place"
    assert tags == golden, f"without golden bytes: {sorted(tags - golden)}; without event: " + str(
        sorted(golden - tags)
    )


def test_every_setting_is_in_the_docs():
    page = read(ROOT / "docs/configuration.md")
    missing = []
    for field in list_fields():
        section, _, key = field.name.partition(".")
        if f"## `[{section}]`" not in page or f"\n`{key}` (" not in page:
            missing.append(field.name)
    assert not missing, f"not in docs/configuration.md: {missing} (write it with `make docs`)"


def test_every_metric_is_in_the_docs():
    page = read(ROOT / "docs/metrics.md")
    missing = [metric.name for metric in METRICS if f"`{metric.name}`" not in page]
    assert not missing, f"not in docs/metrics.md: {missing}"


def test_no_marker_of_unfinished_work_is_left():
    found = [
        f"{place(path, number)}: {line.strip()}"
        for path in list_files()
        for number, line in enumerate(read(path).splitlines(), 1)
        if MARKERS.search(line)
    ]
    assert not found, "\n".join(found)


def test_every_ignored_type_error_names_its_code():
    found = []
    for path in list_code():
        text = read(path)
        if "type: ignore" not in text:
            continue
        found += [
            place(path, token.start[0])
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT and re.search(r"type: ignore(?!\[)", token.string)
        ]
    assert not found, "\n".join(found)


def test_no_file_or_class_hides_behind_an_empty_word():
    found = [place(path) for path in list_code() if is_banned(path.stem.removeprefix("test_"))]
    found += [
        f"{place(path, node.lineno)} {node.name}"
        for path in list_code()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef) and is_banned(node.name)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "name", ["utils", "BaseLink", "PaymentManager", "card_info", "RequestData"]
)
def test_the_check_of_words_finds_empty_ones(name):
    assert is_banned(name)


@pytest.mark.parametrize(
    "name", ["data_folder", "Database", "PaymentRouted", "tables", "HTTPServer"]
)
def test_the_check_of_words_lets_good_ones_pass(name):
    assert not is_banned(name)


def list_sleeps(tree: ast.Module) -> Iterator[tuple[int, ast.expr | None]]:
    """Find calls of a function or method named sleep, with the line and what they wait."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            if name == "sleep":
                yield node.lineno, (node.args[0] if node.args else None)


def test_tests_wait_for_conditions_and_never_just_sleep():
    found = [
        place(path, line)
        for path in list_code("tests")
        for line, length in list_sleeps(parse(path))
        if isinstance(length, ast.Constant) and length.value > SLEEP_S_MAX
    ]
    assert not found, "\n".join(found)


def test_no_path_of_one_machine_is_written_down():
    found = [
        f"{place(path, number)}: {line.strip()}"
        for path in list_files()
        for number, line in enumerate(read(path).splitlines(), 1)
        if MACHINE_PATHS.search(line) or REGISTRY_HOSTS.search(line)
    ]
    assert not found, "\n".join(found)
