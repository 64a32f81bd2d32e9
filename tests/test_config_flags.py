"""Options from every side: flags, bounds, choices, files, resuming, and the page in the docs."""

import argparse
import ast
import dataclasses
import importlib.util
import json
import typing
from pathlib import Path

import pytest
from tiny import refused

import gantrain
from gantrain import config as cfg
from gantrain import flags
from gantrain.commands import COMMANDS
from gantrain.config import Config, validate

PACKAGE = Path(gantrain.__file__).parent
FIELDS = {f.name: f for f in cfg.options()}
SECTIONS = {f.name: section for section in typing.get_type_hints(Config).values()
            for f in dataclasses.fields(section)}
TABLE = {name: entry[:2] for name, entry in COMMANDS.items()}


def parse(*words):
    return flags.parse("gantrain", TABLE, "train", list(words))


# -------------------------------------------------------------------------------------- the flags


def words_for(name):
    """A flag with a value that differs from the default, and the value."""
    f, kind = FIELDS[name], cfg.option_type(SECTIONS[name], name)
    m = f.metadata
    if kind is bool:
        value = not (f.default or False)
        return [f"--{name}" if value else f"--no-{name}"], value
    if m["pair"]:
        return [f"--{name}", "2", "0.5"], (2.0, 0.5)
    names = cfg.names_of(m)
    if names:
        value = next(n for n in names if n != f.default)
    elif kind is str:
        value = "some/where"
    else:
        low = m["low"] if m["low"] is not None else m["above"] or 0
        value = kind(min(v for v in (low + 0.25, low + 9) if kind is float or v == int(v)))
        if m["high"] is not None:
            value = min(value, kind(m["high"]))
    return [f"--{name}", str(value)], value


@pytest.mark.parametrize("name", FIELDS)
def test_every_option_is_a_flag(name):
    words, value = words_for(name)
    command, options = parse(*words)
    assert command == "train"
    assert options == {name: value} and type(options[name]) is type(value)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_its_options_and_no_others(command):
    assert parse(command) == (command, {})
    own = {f.name for f in cfg.options(TABLE[command][1])}
    for name in (set(FIELDS) | own) & {"seed", "run_dir", "dataset", "steps", "what"}:
        words = [command, f"--{name}", "1" if name in ("seed", "steps") else "losses"]
        if name in own:
            assert name in parse(*words)[1]
        else:
            refused(lambda words=words: parse(*words), f"--{name}", f"gantrain {command} --help")


def test_no_option_is_in_two_sections():
    names = [f.name for section in typing.get_type_hints(Config).values()
             for f in dataclasses.fields(section)]
    assert len(names) == len(set(names))


def test_every_option_says_what_it_does_in_one_line():
    for _, of in TABLE.values():
        for f in cfg.options(of):
            text = f.metadata["help"]
            assert text and "\n" not in text and not text.endswith("."), f.name


@pytest.mark.parametrize("words, value", [
    (["--semantic_loss"], 10.0), (["--semantic_loss", "3"], 3.0),
    (["--feature_loss"], 100.0), (["--feature_loss", "0"], 0.0),
    (["--cycle_loss"], 10.0),
    (["--perceptual_loss"], (1.0, 1.0)), (["--perceptual_loss", "0.5", "2"], (0.5, 2.0)),
    (["--xla"], True), (["--no-xla"], False), (["--no-resume"], False), (["--offline"], True),
])
def test_a_switch_and_its_weight_are_one_flag(words, value):
    name = words[0].removeprefix("--").removeprefix("no-")
    assert parse(*words)[1] == {name: value}


def test_what_is_absent_is_off():
    flat = Config().flat()
    assert not any((flat["semantic_loss"], flat["feature_loss"], flat["cycle_loss"],
                    *flat["perceptual_loss"], flat["spectral_norm"], flat["ema"]))
    assert flat["xla"] is None and flat["resume"] is True


def test_a_bare_switch_does_not_swallow_the_next_flag():
    assert parse("--semantic_loss", "--seed", "3")[1] == {"semantic_loss": 10.0, "seed": 3}
    assert parse("--perceptual_loss", "--seed", "3")[1] == {"perceptual_loss": (1.0, 1.0),
                                                           "seed": 3}


@pytest.mark.parametrize("words, parts", [
    (["--perceptual_loss", "1"], ["--perceptual_loss", "two", "1"]),
    (["--perceptual_loss", "1", "2", "3"], ["--perceptual_loss", "two", "3"]),
    (["--perceptual_loss", "1", "-2"], ["--perceptual_loss", "at least 0"]),
    (["--steps", "many"], ["--steps", "'many'", "whole number"]),
    (["--steps", "1.5"], ["--steps", "'1.5'", "whole number"]),
    (["--g_lr", "fast"], ["--g_lr", "'fast'", "number"]),
    (["--g_lr", "nan"], ["--g_lr", "must be a number"]),
    (["--steps"], ["--steps", "expected one argument"]),
    (["--steps", "0"], ["--steps 0", "at least 1"]),
    (["--g_lr", "0"], ["--g_lr 0", "above 0"]),
    (["--lr_decay", "1.5"], ["--lr_decay 1.5", "at most 1"]),
    (["--seed", "-1"], ["--seed -1", "at least 0"]),
    (["--wid", "2"], ["--wid", "--help"]),
    (["--semantic_los"], ["--semantic_los", "--help"]),
    (["--xla", "true"], ["true"]),
    (["stray"], ["stray"]),
    (["--dataset", "ring", "stray"], ["stray"]),
    (["--loss", "hing"], ["--loss hing", "did you mean hinge?"]),
    (["--gan_type", "scogn"], ["--gan_type scogn", "did you mean scogan?"]),
    (["--preset", "quik"], ["--preset quik", "did you mean quick?"]),
    (["--precision", "float8"], ["--precision float8"]),
    (["--augment", "cutout,colour"], ["--augment colour", "did you mean color?"]),
    (["--loss", "xyz"], ["--loss xyz", "one of", "hinge", "wasserstein"]),
    (["sampel", "--run_dir", "x"], ["sampel"]),
    (["sample", "--count", "0"], ["--count 0", "at least 1"]),
    (["list", "--what", "everything"], ["--what everything"]),
])
def test_a_bad_flag_is_one_line_that_names_it(words, parts):
    refused(lambda: parse(*words), *parts)


@pytest.mark.parametrize("name", FIELDS)
def test_bounds_hold_for_configs_too(name):
    """A notebook that builds a config meets the same checks as a command line."""
    m = FIELDS[name].metadata
    wrong = [value for bound, value in (("low", (m["low"] or 0) - 1), ("above", m["above"]),
                                        ("high", (m["high"] or 0) + 1)) if m[bound] is not None]
    wrong += ["no such name"] if m["choices"] or m["registry"] else []
    for value in wrong:
        value = (value, value) if m["pair"] else value
        refused(lambda value=value: validate(Config().with_options(**{name: value})),
                f"--{name}")


def test_no_flag_has_type_bool():
    parsers = []
    original = argparse.ArgumentParser.__init__

    def remember(self, *args, **kwargs):
        original(self, *args, **kwargs)
        parsers.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "__init__", remember)
        for command in COMMANDS:
            parse(command)
    actions = [action for parser in parsers for action in parser._actions]
    assert len(actions) > len(FIELDS)
    assert not [a for a in actions if a.type is bool]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_mentions_every_flag(command, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(command, "--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for f in cfg.options(TABLE[command][1]):
        assert f"--{f.name}" in text
        for name in cfg.names_of(f.metadata) or ():
            assert name in text.replace("\n", "").replace(" ", "") or name in text


def test_the_top_help_mentions_every_command(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit):
        parse("--version")
    assert capsys.readouterr().out.startswith("gantrain ")


# ---------------------------------------------------------------------------------- between options


@pytest.mark.parametrize("options, parts", [
    (dict(label_smoothing=0.1, loss="hinge"), ["--label_smoothing", "--loss hinge"]),
    (dict(d_penalty="gp", d_norm="batch"), ["--d_norm batch", "--d_norm layer"]),
    (dict(d_penalty="clip", penalty_every=4), ["--penalty_every", "gp or r1"]),
    (dict(gan_type="cogan", semantic_loss=1.0), ["--semantic_loss", "--gan_type scogan"]),
    (dict(gan_type="gan", perceptual_loss=(0.0, 1.0)), ["--perceptual_loss", "scogan"]),
    (dict(vgg_weights="a", lpips_weights="b", perceptual_loss=(1.0, 1.0)),
     ["--vgg_weights", "--lpips_weights"]),
    (dict(lpips_weights="b"), ["--lpips_weights", "--perceptual_loss"]),
    (dict(classifier="c"), ["--classifier", "--semantic_loss"]),
])
def test_contradictions_are_refused_with_the_remedy(options, parts):
    refused(lambda: validate(Config().with_options(**options)), *parts)


def test_an_unknown_option_suggests_the_known_one():
    refused(lambda: Config().with_options(semantic_los=1.0), "semantic_los", "semantic_loss")


# ------------------------------------------------------------------------------------------ files


def full_config():
    """A config in which every option differs from its default."""
    return Config().with_options(**{name: words_for(name)[1] for name in FIELDS})


def test_every_option_survives_the_file(tmp_path):
    path = tmp_path / "config.json"
    config = full_config()
    assert all(config.flat()[name] != f.default for name, f in FIELDS.items())
    path.write_text(config.to_json())
    assert Config.from_json(path) == config
    path.write_text(Config().to_json())
    assert Config.from_json(path) == Config()


def test_an_older_file_takes_the_default_of_a_newer_option(tmp_path):
    path = tmp_path / "config.json"
    sections = json.loads(Config().with_options(steps=7).to_json())
    del sections["run"]["seed"], sections["runtime"]
    path.write_text(json.dumps(sections))
    assert Config.from_json(path) == Config().with_options(steps=7)


@pytest.mark.parametrize("text", [
    "", "{", "null", "[]", "[1, 2]", '"text"', "3", '{"run": 3}', '{"run": {"no_such_option": 1}}',
    '{"run": {"steps": "many"}}', '{"run": {"steps": [1, 2]}}', '{"run": {"gan_type": 3}}',
    '{"coupling": {"perceptual_loss": 1}}', '{"coupling": {"perceptual_loss": [1]}}',
    '{"run": {"resume": "yes"}}', "\x00\xff",
])
def test_a_garbage_config_is_one_line_that_names_the_file(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    refused(lambda: validate(Config.from_json(path)), str(path))


def test_an_absent_config_says_what_a_run_directory_is(tmp_path):
    refused(lambda: Config.from_json(tmp_path / "config.json"), "not there", "--run_dir")


# --------------------------------------------------------------------------------------- resuming


RESUMABLE = {
    "run_dir", "steps", "log_every", "sample_every", "checkpoint_every", "evaluate_every",
    "evaluate_metrics", "evaluate_num", "keep",
    "time_limit", "tensorboard", "resume", "dry_run", "data_dir", "place", "offline", "vgg_weights",
    "lpips_weights", "xla", "gpu_mem_mb",
}


def test_differences_are_those_that_change_the_run():
    """The allow-list, written down: everything else decides what is trained."""
    found = Config().differences(full_config())
    assert {line.split()[0].removeprefix("--") for line in found} == set(FIELDS) - RESUMABLE
    assert Config().differences(Config()) == []


def test_a_difference_says_old_and_new():
    assert Config().differences(Config().with_options(seed=3)) == ["--seed 0 -> 3"]


def test_the_length_of_a_run_is_fixed_where_rates_fall_towards_its_end():
    falling = Config().with_options(lr_decay=0.5, steps=10)
    assert falling.differences(falling.with_options(steps=20)) == ["--steps 10 -> 20"]
    steady = Config().with_options(steps=10)
    assert steady.differences(steady.with_options(steps=20)) == []


# ------------------------------------------------------------------------------ what they are for


def test_every_option_is_read_somewhere():
    """An option that nothing outside config.py looks at promises what nothing keeps."""
    read = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name == "config.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
            # flat["name"] and default("name", ...), and names built from a prefix in a loop.
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read.add(node.value)
    unread = {name for name in FIELDS if name not in read}
    # g_ and d_ options are set by default(f"{player}_lr") but read as attributes like any other.
    assert not unread


def test_the_page_of_options_is_that_of_the_program():
    docs = PACKAGE.parent / "docs"
    spec = importlib.util.spec_from_file_location("options_page", docs / "options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The tests' own networks and data sets are no part of the page.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cfg, "names_of", without_tiny(cfg.names_of))
        page = module.page()
    assert (docs / "options.md").read_text() == page, "run: python docs/options.py"


def without_tiny(names_of):
    import tiny
    extra = {*tiny.NETS, *tiny.CLASSIFIERS, *tiny.DATASETS}

    def names(metadata):
        found = names_of(metadata)
        return found and [n for n in found if n not in extra]

    return names
