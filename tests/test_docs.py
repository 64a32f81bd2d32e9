"""The pages say what the program does: commands, links, deviations, the command of CI."""

import configparser
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import gantrain
from gantrain import flags
from gantrain.commands import COMMANDS
from gantrain.config import configure, resolve

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCES = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return FENCES.findall(page.read_text())


def commands():
    """Command lines of the program in all pages: (page, words after the program's name)."""
    templates = re.compile(r"\.\.\.|\[|\bCOMMAND\b|--\w+ [A-Z]\b")
    for page in PAGES:
        lines = "\n".join(blocks(page)).replace("\\\n", " ").splitlines()
        lines += re.findall(r"`((?:gantrain|python main\.py) [^`]*)`", page.read_text())
        for line in lines:
            found = re.search(r"(?:^|&& |srun )(?:gantrain|python main\.py) (.*)", line.strip())
            if found and not templates.search(found[1]):
                yield page.name, tuple(shlex.split(found[1], comments=True))


@pytest.mark.parametrize("page,words", sorted(set(commands())))
def test_commands_in_the_pages_parse(page, words):
    names = {name: value[:2] for name, value in COMMANDS.items()}
    command, options = flags.parse("gantrain", names, "train", list(words))
    if command == "train":
        resolve(configure(options))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_deviation_in_the_code_is_on_the_page():
    page = (ROOT / "docs" / "reproducing.md").read_text()
    for path in sorted((ROOT / "gantrain").rglob("*.py")):
        if "Deviation" in path.read_text():
            assert path.name in page, path


def test_ci_runs_the_test_command_of_the_readme():
    command = re.search(r"^.* && (python -m pytest.*)$", (ROOT / "README.md").read_text(), re.M)[1]
    assert command in (ROOT / ".ci" / "run").read_text()


def test_every_module_that_a_page_names_is_there():
    """`gantrain/x.py`, `gantrain/x/` and `gantrain.x.name`, wherever a page says them."""
    missing = []
    for page in PAGES:
        text = page.read_text()
        # "`gantrain/a.py`, `b.py`": those behind the first lie in its folder, or below it.
        several = r"`(gantrain/[\w/.]*)`((?:,? (?:and |or )?`[\w/]+(?:\.py|/)`)*)"
        for first, also in re.findall(several, text):
            folder = first if first.endswith("/") else first.rpartition("/")[0] + "/"
            named = [
                first,
                *(
                    name if name.startswith("gantrain/") else folder + name
                    for name in re.findall(r"`([^`]+)`", also)
                ),
            ]
            missing += [f"{page.name}: {path}" for path in named if not (ROOT / path).exists()]
        for dotted in set(re.findall(r"`(gantrain(?:\.\w+)+)", text)):
            if dotted.rpartition(".")[2] in ("py", "egg"):
                continue
            missing += [] if found(dotted) else [f"{page.name}: {dotted}"]
    assert not missing


def found(dotted):
    """Whether a dotted name is a module, or leads to an attribute of one."""
    try:
        return bool(pkgutil.resolve_name(dotted)) or True
    except (ImportError, AttributeError):
        return False


# --- what a visitor looks for --------------------------------------------------------------------


def test_the_version_is_the_same_everywhere():
    """In the package; setup.cfg takes it from there, and the citation names it."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: gantrain.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", gantrain.__version__)
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", citation, re.M) == [gantrain.__version__]
    assert re.findall(r"^license: (.*)$", citation, re.M) == [config["metadata"]["license"]]


def test_the_citation_has_its_form():
    """Two blanks an indent, no tabs, the keys that readers of the format demand."""
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    keys = [line.partition(":")[0] for line in lines if line[:1].isalpha()]
    assert keys[0] == "cff-version" and len(set(keys)) == len(keys)
    assert {"cff-version", "message", "title", "authors", "references"} <= set(keys)
    assert not [line for line in lines if "\t" in line or (len(line) - len(line.lstrip())) % 2]
    thesis = re.search(r"title: (Improved Learning .*)", "\n".join(lines))[1]
    assert thesis in " ".join((ROOT / "README.md").read_text().split())


def test_the_changelog_ends_in_this_version():
    """Newest first: what is not released yet, or the version that the package has."""
    heads = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heads[0] == "Unreleased"
    released = [numbers(head) for head in heads[1:]]
    assert released == sorted(released, reverse=True)
    assert all(version <= numbers(gantrain.__version__) for version in released)


def numbers(version):
    return [int(part) for part in version.split(".")]


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"])
def test_the_readme_leads_to(name):
    assert f"]({name})" in (ROOT / "README.md").read_text()


def test_contributors_run_what_ci_runs():
    script = (ROOT / ".ci" / "run").read_text()
    for command in ("ruff check .", "ruff format --check .", "mypy", "python -m pytest"):
        assert command in (ROOT / "CONTRIBUTING.md").read_text()
        assert re.search(rf"^{re.escape(command)}( |$)", script, re.M)
