"""The pages say what the program does: commands, links, deviations, the command of CI."""

import re
import shlex
from pathlib import Path

import pytest

from gantrain import flags
from gantrain.commands import COMMANDS
from gantrain.config import configure, resolve

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
