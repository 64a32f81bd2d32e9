"""Where each concern may live, so that nobody has to look for it: the rules of design, as tests."""

import ast
import configparser
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gantrain
from gantrain import trainers
from gantrain.commands.datasets import tables
from gantrain.terms.semantic import SEMANTIC_FORMS
from gantrain.use import stylize

PACKAGE = Path(gantrain.__file__).parent
DOCS = PACKAGE.parent / "docs"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
REGISTRIES = tables() | {"semantic forms": SEMANTIC_FORMS, "styles": stylize.OPTIMIZERS}


def nodes(path):
    return ast.walk(ast.parse(path.read_text(), str(path)))


def name_of(node):
    """The last part of what a node names: `tf.function` gives "function"."""
    return getattr(node, "attr", getattr(node, "id", None))


def files_where(test):
    """Files of the package with a node that passes the test."""
    return {name for name, path in SOURCES.items() if any(test(node) for node in nodes(path))}


def calls(name):
    return lambda node: isinstance(node, ast.Call) and name_of(node.func) == name


def test_the_rules_look_at_the_package():
    assert {"game.py", "trainers/gan.py", "data/batches.py"} <= set(SOURCES)


def test_only_game_and_gradients_open_a_tape():
    assert files_where(lambda n: name_of(n) == "GradientTape") == {"game.py", "terms/gradients.py"}


def test_only_the_runtime_compiles():
    def compiles(node):
        function = (
            isinstance(node, ast.Attribute)
            and node.attr == "function"
            and name_of(node.value) in ("tf", "tensorflow")
        )
        return function or (isinstance(node, ast.keyword) and node.arg == "jit_compile")

    assert files_where(compiles) <= {"runtime.py", "bench/measure.py"}
    assert "runtime.py" in files_where(compiles)


def test_only_flags_adds_arguments():
    assert files_where(calls("add_argument")) == {"flags.py"}


def test_only_the_console_prints():
    prints = files_where(calls("print"))
    assert {n for n in prints if not n.startswith("commands/")} <= {"main.py", "progress.py"}


def test_only_the_optimizer_factory_makes_optimizers():
    """One Adam per player, made in one place."""

    def makes(node):
        return (
            isinstance(node, ast.Attribute)
            and ast.unparse(node).startswith("keras.optimizers.")
            and node.attr in ("Adam", "SGD", "RMSprop", "AdamW")
        )

    assert files_where(makes) == {"schedules.py"}


def test_only_players_apply_gradients():
    def applies(node):
        return (
            isinstance(node, ast.Call)
            and name_of(node.func) in ("apply", "apply_gradients")
            and "optimizer" in ast.unparse(node.func)
        )

    assert files_where(applies) == {"game.py"}


def test_no_host_copies_in_a_step():
    """`.numpy()` waits for the device: never in what a compiled step is made of."""
    allowed = {
        "nets/classifiers.py",  # logits of many images, after training
        "data/batches.py",  # indices of streamed files, decoded on the host
        "bench/clock.py",  # waits on purpose
    }
    assert files_where(calls("numpy")) <= allowed
    step = {"game.py", *(n for n in SOURCES if n.startswith(("terms/", "trainers/")))}
    assert not files_where(calls("numpy")) & step
    assert not files_where(
        lambda n: (
            isinstance(n, ast.Call)
            and name_of(n.func) == "float"
            and n.args
            and not isinstance(n.args[0], ast.Constant)
        )
    ) & step - {"terms/augmentation.py", "trainers/classifier.py"}


def test_trainers_hold_the_algorithm_and_nothing_else():
    banned = {"GradientTape", "function", "strategy", "Checkpoint", "set_dtype_policy", "open"}
    for name in SOURCES:
        if name.startswith("trainers/"):
            used = {name_of(n) for n in nodes(SOURCES[name])} & banned
            assert not used, name


def test_no_paths_of_a_machine():
    """No absolute path in the package, the docs or the tests."""
    pattern = re.compile(r"""(?<![\w.:/>}\])*-])/(?:home|root|work|tmp|mnt|data|Users|opt|var)/""")
    root = PACKAGE.parent
    files = [
        *PACKAGE.rglob("*.py"),
        *DOCS.rglob("*.md"),
        *(root / "tests").glob("*.py"),
        root / "README.md",
        root / "setup.cfg",
    ]
    found = [
        f"{path.name}: {match.group()}"
        for path in files
        if path.exists() and path.name != Path(__file__).name
        for match in pattern.finditer(path.read_text())
    ]
    assert not found


def test_no_flag_is_of_type_bool():
    assert not files_where(
        lambda n: isinstance(n, ast.keyword) and n.arg == "type" and name_of(n.value) == "bool"
    )


def test_tensorflow_is_loaded_where_it_is_first_used():
    """Everything but what derives from Keras's classes is read without it.

    And `gantrain.deferred` asks for the devices before anything can use one.
    """
    library = "tensorflow(_datasets)?$|keras"

    def loads(node):
        return (
            isinstance(node, ast.Import)
            and any(re.match(library, alias.name) for alias in node.names)
        ) or (isinstance(node, ast.ImportFrom) and re.match(library, node.module or ""))

    assert files_where(loads) == {"deferred.py", "schedules.py", "nets/layers.py"}


def test_what_needs_no_tensorflow_does_not_wait_for_it(tmp_path):
    lines = (
        "",
        "--help",
        "--gan_type scogan --help",
        "--gan_type pix2pix --help",
        "evaluate --help",
        "reproduce --help",
        "list",
        "--stpes 3",
        "--gan_type scogan --dataset mnist2svhn --semantic_loss --offline",
        "reproduce table5.2 --offline",
        "check mnist",
    )
    code = """
import sys
from gantrain.main import main
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit:
        pass
    if {"tensorflow", "keras", "tensorflow_datasets"} & set(sys.modules):
        sys.exit(f"loaded by `{line}`")
"""
    place = {"PYTHONPATH": str(PACKAGE.parent), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code, *lines],
        cwd=tmp_path,
        env=place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("gantrain: ") == 3 and not list(tmp_path.iterdir())


def module_of(path):
    return ("gantrain." + path.removesuffix(".py").replace("/", ".")).removesuffix(".__init__")


def imported(node, modules):
    """Modules of the package that an import names."""
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        parts = [f"{node.module}.{alias.name}" for alias in node.names]
        # A room that is imported from its house does not need the house.
        names = [part if part in modules else node.module for part in parts]
    return {name for name in names if name in modules}


def test_no_circle_of_imports_and_no_late_import_that_hides_one():
    modules = {module_of(name): ast.parse(path.read_text()) for name, path in SOURCES.items()}
    above = {
        name: {m for node in tree.body for m in imported(node, modules)}
        for name, tree in modules.items()
    }
    left = dict(above)
    while left:
        free = [name for name, needs in left.items() if not needs & set(left)]
        assert free, f"circle among {sorted(left)}"
        for name in free:
            del left[name]
    # The command line, the public names and those of tables and options wait for no TensorFlow;
    # figures and facades draw rarely.
    late = {
        name
        for name, tree in modules.items()
        for node in ast.walk(tree)
        if node not in tree.body and imported(node, modules)
    }
    assert {name for name in late if not name.startswith("gantrain.commands.")} <= {
        "gantrain",
        "gantrain.main",
        "gantrain.experiments.figures",
        "gantrain.experiments.write",
        "gantrain.data.named",
        "gantrain.nets.blocks",
        "gantrain.nets.portable",
        "gantrain.optimizers",
    }


def test_no_room_looks_up():
    """From the ground up: what a room is made of lies on its own floor or below."""
    floors = ("data", "nets", "terms", "measures", "trainers", "runs", "use")
    for floor, room in enumerate(floors):
        above = re.compile(
            rf"gantrain\.({'|'.join((*floors[floor + 1 :], 'stages', 'commands', 'main'))})\b"
        )
        for name, path in SOURCES.items():
            if name.startswith(f"{room}/"):
                assert not [
                    node.module
                    for node in nodes(path)
                    if isinstance(node, ast.ImportFrom) and above.match(node.module or "")
                ], name


def test_no_module_without_a_subject():
    assert not {n for n in SOURCES if Path(n).stem in ("utils", "util", "helpers", "misc")}


def test_a_class_has_a_name_of_its_own():
    """One word per thing, capitals apart."""
    homes: dict[str, list[str]] = {}
    for name, path in SOURCES.items():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name.lower(), []).append(f"{name}: {node.name}")
    assert not [found for found in homes.values() if len(found) > 1]


def test_nothing_is_left_for_later():
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    assert not [n for n, path in SOURCES.items() if pattern.search(path.read_text())]


def test_every_module_and_public_name_has_a_docstring():
    missing = []
    for name, path in SOURCES.items():
        tree = ast.parse(path.read_text())
        if not ast.get_docstring(tree):
            missing.append(name)
        for node in tree.body:
            if (
                isinstance(node, (ast.FunctionDef, ast.ClassDef))
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                missing.append(f"{name}: {node.name}")
    assert set(missing) <= {"game.py: is_zero"}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_entry_says_what_it_is_in_one_line(registry):
    for name, entry in REGISTRIES[registry].items():
        text = getattr(entry, "summary", None) or entry.__doc__ or ""
        line = text.strip().splitlines()[0] if text.strip() else ""
        assert len(line) > 5, f"{registry}: {name}"


def test_registries_are_plain_dicts():
    assert all(type(table) is dict for table in REGISTRIES.values())


def box(trainer):
    """The algorithm box of a trainer's docstring: from its `for t =` on, as indented there."""
    lines = inspect.cleandoc(trainer.__doc__).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("for t = "))
    last = next((i for i in range(first, len(lines)) if not lines[i].strip()), len(lines))
    return "\n".join(lines[first:last])


@pytest.mark.parametrize("name", trainers.TRAINERS)
def test_every_algorithm_box_is_that_of_the_docs(name):
    text = (DOCS / "algorithms.md").read_text()
    fenced = re.findall(r"^```\w*\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    assert box(trainers.TRAINERS[name]) in fenced


def untyped(tree):
    """Public functions and methods whose arguments or results have no types, by name."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (f"{node.name}.{name}" for name in untyped(node))
        if isinstance(node, ast.FunctionDef) and (
            not node.name.startswith("_") or node.name in ("__init__", "__call__")
        ):
            a = node.args
            arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
            bare = {a.arg for a in arguments if a and a.annotation is None} - {"self", "cls"}
            if bare or (node.returns is None and node.name != "__init__"):
                yield node.name


def test_public_functions_have_types():
    missing = [
        f"{name}: {function}"
        for name, path in SOURCES.items()
        for function in untyped(ast.parse(path.read_text()))
    ]
    assert not missing


def test_the_checker_reads_every_line():
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg")
    assert not [name for name in config.sections() if "ignore_errors" in config[name]]
    comment = re.compile(r"# (mypy|type): ")
    assert not [name for name, path in SOURCES.items() if comment.search(path.read_text())]


def test_the_first_five_minutes():
    """What has to be read to understand the program, in this order."""
    road = ("README.md", "main.py", "gantrain/trainers/scogan.py", "gantrain/game.py")
    assert sum(len((PACKAGE.parent / name).read_text().splitlines()) for name in road) <= 450


def test_an_option_is_read_from_its_own_record():
    """By name only where any option may be meant: never what a component heeds."""
    assert files_where(calls("flat")) <= {
        "options.py",
        "config.py",
        "bench/measure.py",  # prints the options of what it measured
        "runs/plan.py",  # hashes those that differ from the defaults
        "runs/report.py",  # lists them
    }
