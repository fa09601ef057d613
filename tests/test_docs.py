"""What the pages say is there is there: links, commands, settings, metrics, files, code."""

import contextlib
import io
import re
from pathlib import Path

import click
import pytest

from switch.adapters.telemetry import METRICS
from switch.apps.settings_sources import list_fields
from switch.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "infra/README.md"])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
PROJECT_FILE = re.compile(
    r"^(?:switch|projections|loadtest|tests|infra|docs|\.ci)/[\w./-]*\w(?:\.\w+|/)?$"
)
CITATION = re.compile(r"docs/[\w/-]+\.md(?: (\d+))?")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
LOOSE_CITATION = re.compile(r"`[a-z]+` \d+\.\d|`(?:design|rules|domain)` \d")
CODE_ROOTS = ("switch", "projections", "loadtest", "infra", "tests")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    return BLOCK.sub("", text)


def name_page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchor_of(heading: str) -> str:
    """Make the anchor that a Markdown page has for a heading."""
    plain = re.sub(r"[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {anchor_of(heading) for heading in HEADING.findall(prose(read(path)))}


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_link_leads_somewhere(page):
    broken = []
    for target in LINK.findall(prose(read(page))):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert not broken, f"{name_page(page)}: {broken}"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_file_of_the_project_that_is_named_exists(page):
    named = {text for text in INLINE.findall(prose(read(page))) if PROJECT_FILE.match(text)}
    missing = [text for text in sorted(named) if "*" not in text and not (ROOT / text).exists()]
    assert not missing, f"{name_page(page)}: {missing}"


def list_commands(text: str) -> list[list[str]]:
    """Find what a page tells people to type: `switch ...` in blocks and in code spans."""
    lines = [line for kind, block in BLOCK.findall(text) if kind != "python" for line in
             block.replace("\\\n", " ").splitlines()]  # fmt: skip
    lines += INLINE.findall(BLOCK.sub("", text))
    found = []
    for line in lines:
        command = re.match(r"^\s*(?:\$ )?switch ([a-z].*)$", re.sub(r"\s+#.*$", "", line))
        if command:
            found.append(re.findall(r"[^\s\[\]|]+", command.group(1)))
    return found


def explain_unknown(words: list[str]) -> str:
    """Say what in a command the program does not know; empty if it knows all of it."""
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest[0].rstrip(",.;:")
        if name not in command.list_commands(context):
            return "" if command.invoke_without_command or not name.islower() else name
        found = command.get_command(context, name)
        assert found is not None
        command, rest = found, rest[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {
        option for parameter in command.params for option in parameter.secondary_opts
    }
    wanted = {word for word in rest if OPTION.fullmatch(word)}
    return ", ".join(sorted(wanted - known - {"--help", "--version"}))


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_command_exists_with_its_options(page):
    unknown = {
        " ".join(words): what
        for words in list_commands(read(page))
        if (what := explain_unknown(words))
    }
    assert not unknown, f"{name_page(page)}: {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^([a-z][a-z-]*):", read(ROOT / "Makefile"), re.MULTILINE))
    spans = INLINE.findall(prose(read(page)))
    spans += [line for _, block in BLOCK.findall(read(page)) for line in block.splitlines()]
    named = {found.group(1) for span in spans if (found := re.match(r"^make ([a-z-]+)", span))}
    assert named <= targets, f"{name_page(page)}: {sorted(named - targets)}"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_setting_and_metric_that_is_named_exists(page):
    settings = {field.name for field in list_fields()}
    sections = {name.partition(".")[0] for name in settings}
    metrics = {metric.name for metric in METRICS}
    suffixes = ("", "_bucket", "_count", "_sum")
    unknown = []
    for span in INLINE.findall(prose(read(page))):
        section, _, key = span.partition(".")
        is_setting = section in sections and re.fullmatch(r"[a-z][a-z0-9_]+", key)
        if is_setting and not key.endswith(("py", "toml", "db", "md")) and span not in settings:
            unknown.append(span)
        if re.fullmatch(r"switch_[a-z_]+", span):
            bases = {span.removesuffix(suffix) for suffix in suffixes}
            if not bases & metrics:
                unknown.append(span)
    assert not unknown, f"{name_page(page)}: {unknown}"


def list_python_blocks() -> list[tuple[Path, str]]:
    return [
        (page, block)
        for page in PAGES
        for kind, block in BLOCK.findall(read(page))
        if kind == "python"
    ]


@pytest.mark.parametrize(
    ("page", "block"), list_python_blocks(), ids=lambda value: getattr(value, "name", "block")
)
def test_every_python_block_runs(page, block):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(block, str(page), "exec"), {})
    assert "6200000000000005" not in output.getvalue()


def test_the_readme_shows_the_codec_in_about_ten_lines():
    [block] = [block for page, block in list_python_blocks() if page.name == "README.md"]
    assert len([line for line in block.splitlines() if line.strip()]) <= 12


def test_every_page_that_the_code_cites_exists_with_its_section():
    broken = []
    for root in CODE_ROOTS:
        for path in sorted((ROOT / root).rglob("*.py")):
            for citation in CITATION.finditer(read(path)):
                page = ROOT / citation.group().split(" ")[0]
                section = citation.group(1)
                if not page.exists() or (
                    section and not re.search(rf"^## {section}\. ", read(page), re.MULTILINE)
                ):
                    broken.append(f"{name_page(path)}: {citation.group()}")
    assert not broken, "\n".join(broken)


def test_no_comment_cites_a_page_that_is_not_in_the_project():
    found = [
        f"{name_page(path)}: {citation.group()}"
        for root in CODE_ROOTS
        for path in sorted((ROOT / root).rglob("*.py"))
        if path.name != "test_docs.py"
        for citation in LOOSE_CITATION.finditer(read(path))
    ]
    assert not found, "\n".join(found)


def test_every_module_that_the_makefile_runs_exists():
    named = re.findall(r"-m ((?:infra|switch|loadtest|tests)[\w.]*)", read(ROOT / "Makefile"))
    places = [ROOT / name.replace(".", "/") for name in named]
    missing = [
        place
        for place in places
        if not place.with_suffix(".py").exists() and not (place / "__main__.py").exists()
    ]
    assert not missing, missing
    assert named, "nothing found: this test looks for the wrong thing"
