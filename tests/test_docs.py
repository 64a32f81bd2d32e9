"""The pages say what the program does: options, algorithm boxes, commands, links, deviations."""

import importlib.util
import inspect
import re
import shlex
from pathlib import Path

import pytest

from gantrain import flags
from gantrain.commands import COMMANDS
from gantrain.presets import configure, resolve
from gantrain.trainers import TRAINERS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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


def box(trainer):
    """The algorithm of a trainer's docstring, from its loop to the next empty line."""
    return re.search(r"^for t = .*?(?=\n\n|\Z)", inspect.getdoc(trainer), re.M | re.S)[0]


@pytest.mark.parametrize("name", sorted(TRAINERS))
def test_algorithm_boxes_are_those_of_the_docstrings(name):
    assert box(TRAINERS[name]) + "\n" in blocks(ROOT / "docs" / "algorithms.md")


def test_options_page_is_that_of_the_program(monkeypatch):
    spec = importlib.util.spec_from_file_location("options", ROOT / "docs" / "options.py")
    options = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(options)
    # The tests register tiny networks and data sets of their own.
    names_of = options.config.names_of
    monkeypatch.setattr(options.config, "names_of", lambda m: names_of(m) and [
        name for name in names_of(m) if name != "plain"])
    assert options.page() == (ROOT / "docs" / "options.md").read_text(), \
        "run python docs/options.py"


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
