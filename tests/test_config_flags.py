"""Options from every side: flags, bounds, choices, files, resuming, and the page in the docs."""

import argparse
import dataclasses
import importlib.util
import json
import re
import typing
from pathlib import Path

import pytest
from tiny import refused

import gantrain
from gantrain import flags, options
from gantrain.commands import COMMANDS, TrainOptions
from gantrain.config import (
    config_text,
    configure,
    default_config,
    differences,
    every_option,
    heeded,
    make,
    read_config,
    records_of,
    resolve,
)
from gantrain.options import choices_of, option_type, validate
from gantrain.trainers import TRAINERS

PACKAGE = Path(gantrain.__file__).parent
FIELDS = every_option()
RECORDS = {
    f.name: record
    for kind in TRAINERS
    for record in records_of(kind)
    for f in dataclasses.fields(record)
}
TABLE = {name: entry[:2] for name, entry in COMMANDS.items()}


def records(command):
    """The kinds of records of a command."""
    of = TABLE[command][1]
    return TrainOptions.parsed() if of is TrainOptions else (of,)


def fields(command):
    return [f for record in records(command) for f in dataclasses.fields(record)]


def owner(name):
    """A config of defaults that has the option."""
    return next(default_config(kind) for kind in TRAINERS if name in default_config(kind).flat())


def parse(*words):
    return flags.parse("gantrain", TABLE, "train", list(words))


# -------------------------------------------------------------------------------------- the flags


def words_for(name):
    """A flag with a value that differs from the default, and the value."""
    f, kind = FIELDS[name], option_type(RECORDS[name], name)
    m = f.metadata
    if kind is bool:
        value = not (f.default or False)
        return [f"--{name}" if value else f"--no-{name}"], value
    if m["two"]:
        return [f"--{name}", "2", "0.5"], (2.0, 0.5)
    names = TrainOptions.choices().get(name) or choices_of(f)
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
    own = {f.name for f in fields(command)}
    for name in (set(FIELDS) | own) & {"seed", "run_dir", "dataset", "steps", "what"}:
        words = [command, f"--{name}", "1" if name in ("seed", "steps") else "losses"]
        if name in own:
            assert name in parse(*words)[1]
        else:
            refused(lambda words=words: parse(*words), f"--{name}", f"gantrain {command} --help")


@pytest.mark.parametrize("kind", TRAINERS)
def test_no_option_is_in_two_records(kind):
    names = [f.name for record in records_of(kind) for f in dataclasses.fields(record)]
    sections = [record.section() for record in records_of(kind)]
    assert len(names) == len(set(names)) and len(sections) == len(set(sections))
    assert all(record.__doc__ and record.section() for record in records_of(kind))


def test_every_option_says_what_it_does_in_one_line():
    for command in TABLE:
        for f in fields(command):
            text = f.metadata["help"]
            assert text and "\n" not in text and not text.endswith("."), f.name


@pytest.mark.parametrize(
    "words, value",
    [
        (["--semantic_loss"], 10.0),
        (["--semantic_loss", "3"], 3.0),
        (["--feature_loss"], 100.0),
        (["--feature_loss", "0"], 0.0),
        (["--cycle_loss"], 10.0),
        (["--perceptual_loss"], (1.0, 1.0)),
        (["--perceptual_loss", "0.5", "2"], (0.5, 2.0)),
        (["--xla"], True),
        (["--no-xla"], False),
        (["--no-resume"], False),
        (["--offline"], True),
    ],
)
def test_a_switch_and_its_weight_are_one_flag(words, value):
    name = words[0].removeprefix("--").removeprefix("no-")
    assert parse(*words)[1] == {name: value}


def test_what_is_absent_is_off():
    flat = default_config().flat()
    assert not any(
        (
            flat["semantic_loss"],
            flat["feature_loss"],
            flat["cycle_loss"],
            *flat["perceptual_loss"],
            flat["spectral_norm"],
            flat["ema"],
        )
    )
    assert flat["xla"] is None and flat["resume"] is True


def test_a_bare_switch_does_not_swallow_the_next_flag():
    assert parse("--semantic_loss", "--seed", "3")[1] == {"semantic_loss": 10.0, "seed": 3}
    assert parse("--perceptual_loss", "--seed", "3")[1] == {
        "perceptual_loss": (1.0, 1.0),
        "seed": 3,
    }


@pytest.mark.parametrize(
    "words, parts",
    [
        (["--perceptual_loss", "1"], ["--perceptual_loss", "two", "1"]),
        (["--perceptual_loss", "1", "2", "3"], ["--perceptual_loss", "two", "3"]),
        (["--perceptual_loss", "1", "-2"], ["--perceptual_loss", "at least 0"]),
        (["--steps", "many"], ["--steps", "'many'", "whole number"]),
        (["--steps", "1.5"], ["--steps", "'1.5'", "whole number"]),
        (["--g_lr", "fast"], ["--g_lr", "'fast'", "number"]),
        (["--g_lr", "nan"], ["--g_lr", "must be a number"]),
        (["--g_lr", "inf"], ["--g_lr", "must be a number"]),
        (["--steps", str(10**12)], ["--steps", "must be at most"]),
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
    ],
)
def test_a_bad_flag_is_one_line_that_names_it(words, parts):
    refused(lambda: parse(*words), *parts)


@pytest.mark.parametrize("name", FIELDS)
def test_bounds_hold_for_configs_too(name):
    """A notebook that builds a config meets the same checks as a command line."""
    m = FIELDS[name].metadata
    wrong = [
        value
        for bound, value in (
            ("low", (m["low"] or 0) - 1),
            ("above", m["above"]),
            ("high", (m["high"] or 0) + 1),
        )
        if m[bound] is not None
    ]
    wrong += ["no such name"] if m["choices"] else []
    for value in wrong:
        value = (value, value) if m["two"] else value
        refused(
            lambda value=value: validate(owner(name).with_options(**{name: value})), f"--{name}"
        )


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
    shown = records_of("scogan") if command == "train" else records(command)
    for f in [f for record in shown for f in dataclasses.fields(record)]:
        assert f"--{f.name}" in text
        for name in choices_of(f) or ():
            assert name in text.replace("\n", "").replace(" ", "") or name in text


@pytest.mark.parametrize("kind", TRAINERS)
def test_help_of_a_trainer_shows_what_it_heeds_and_how_it_is_used(kind, capsys):
    with pytest.raises(SystemExit):
        parse("--gan_type", kind, "--help")
    text = capsys.readouterr().out
    own = {f.name for record in records_of(kind) for f in dataclasses.fields(record)}
    assert {name for name in FIELDS if re.search(rf"^  --{name}\b", text, re.M)} == own
    examples = TRAINERS[kind].examples
    assert len(examples) == 3 and all(line in text for line in examples)
    for line in examples:
        configure(parse(*line.split()[1:])[1])


def test_the_top_help_mentions_every_command(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize(
    "line, part",
    [
        ("lst", "command lst: unknown; did you mean list?"),
        ("check --dataset mnist2shvn", "--dataset mnist2shvn: unknown; did you mean mnist2svhn?"),
        ("check --dataset nothing_like_it", "one of apple2orange"),
        ("check --dataset nothing_like_it", "folder:PATH"),
        ("stylize --content nowhere.png --style nowhere.png", "--content nowhere.png: there is no"),
    ],
)
def test_what_is_not_there_is_named_with_what_may_be_meant(line, part):
    """Before anything is loaded or fetched."""

    def run():
        command, options = parse(*line.split())
        COMMANDS[command][2](options)

    refused(run, part)


def test_version(capsys):
    with pytest.raises(SystemExit):
        parse("--version")
    assert capsys.readouterr().out.startswith("gantrain ")


# ---------------------------------------------------------------------------------- between options


@pytest.mark.parametrize(
    "options, parts",
    [
        (dict(label_smoothing=0.1, loss="hinge"), ["--label_smoothing", "--loss hinge"]),
        (dict(d_penalty="gp", d_norm="batch"), ["--d_norm batch", "--d_norm layer"]),
        (dict(d_penalty="clip", penalty_every=4), ["--penalty_every", "gp or r1"]),
        (dict(gan_type="cogan", semantic_loss=1.0), ["--semantic_loss", "--gan_type scogan"]),
        (dict(gan_type="gan", perceptual_loss=(0.0, 1.0)), ["--perceptual_loss", "scogan"]),
        (
            dict(gan_type="classifier", loss="hinge"),
            ["--loss", "--gan_type gan or cogan or scogan"],
        ),
        (dict(gan_type="segmenter", dataset="plan2facade", ema=0.9), ["--ema", "segmenter"]),
        (
            dict(vgg_weights="a", lpips_weights="b", perceptual_loss=(1.0, 1.0)),
            ["--vgg_weights", "--lpips_weights"],
        ),
        (dict(lpips_weights="b"), ["--lpips_weights", "--perceptual_loss"]),
        (
            dict(lpips_weights="b", evaluate_every=5),
            ["--lpips_weights", "--evaluate_metrics lpips"],
        ),
        (dict(classifier="c"), ["--classifier", "--semantic_loss"]),
        (dict(feature_layers=2), ["--feature_layers", "--feature_loss"]),
        (dict(classifier_noise=0.1), ["--classifier_noise", "--semantic_loss"]),
        (dict(coupling_ramp=9), ["--coupling_ramp", "--semantic_loss", "--feature_loss"]),
        (dict(label_self=1.0), ["--label_self", "--label_loss"]),
        (dict(label_loss=1.0, target_augment="zoom"), ["--target_augment", "--label_transfer or"]),
        (dict(loss="hinge", penalty_weight=3.0), ["--penalty_weight", "--d_penalty"]),
        (dict(gan_type="gan", dataset="mnist", same_init=True), ["--same_init", "cogan or scogan"]),
        (
            dict(gan_type="pix2pix", adversarial_weight=0.0, d_lr=1e-3),
            ["--d_lr", "--adversarial_weight"],
        ),
        (
            dict(gan_type="pix2pix", adversarial_weight=0.0, n_critic=2),
            ["--n_critic", "--adversarial_weight"],
        ),
        (
            dict(gan_type="pix2pix", adversarial_weight=0.0, conditional=False),
            ["--conditional", "--adversarial_weight"],
        ),
        (
            dict(semantic_loss=1.0, classifier="c", classifier_net="digit"),
            ["--classifier_net", "beside --classifier"],
        ),
        (
            dict(semantic_loss=1.0, label_loss=1.0, classifier_attack=1.0),
            ["--classifier_attack", "beside --label_loss"],
        ),
        (dict(evaluate_metrics="lpips"), ["--evaluate_metrics", "--every"]),
        (dict(gan_type="scogn"), ["--gan_type scogn", "did you mean scogan?"]),
        (dict(preset="quik"), ["--preset quik", "did you mean quick?"]),
        (dict(semantic_los=1.0), ["semantic_los", "did you mean semantic_loss?"]),
    ],
)
def test_what_is_contradictory_or_heeded_by_nothing_is_refused_with_the_remedy(options, parts):
    refused(lambda: configure(options), *parts)


def test_what_follows_from_other_options_decides_what_is_heeded():
    """A Wasserstein loss brings its penalty, so that its weight is heeded."""
    assert "penalty_weight" in heeded(
        resolve(configure({"loss": "wasserstein", "penalty_weight": 3.0}))
    )


@pytest.mark.parametrize("dataset", ["pen2street", "ring"])
@pytest.mark.parametrize("kind", TRAINERS)
def test_what_a_run_reads_without_asking_for_none_is_decided(kind, dataset):
    """By its annotation; points, which have no size, are refused when they are met, not here."""
    for record in make(gan_type=kind, dataset=dataset).records:
        hints = typing.get_type_hints(type(record))
        for name in (f.name for f in dataclasses.fields(record)):
            may_stay = type(None) in typing.get_args(hints[name])
            assert may_stay or getattr(record, name) is not None, name


def test_what_a_preset_says_beyond_the_trainer_is_left_out():
    """A preset is a suggestion: typed flags win, and what they leave without a reader goes."""
    assert "semantic_loss" not in configure({"preset": "quick", "gan_type": "cogan"}).flat()
    config = configure({"preset": "quick", "semantic_loss": 0.0})
    assert "semantic_form" not in heeded(config)


def test_an_unknown_option_suggests_the_known_one():
    refused(
        lambda: default_config().with_options(semantic_los=1.0), "semantic_los", "semantic_loss"
    )


# ------------------------------------------------------------------------------------------ files


def full_config(kind):
    """A config of a trainer in which every option but the trainer differs from its default."""
    config = default_config(kind)
    return config.with_options(
        **{name: words_for(name)[1] for name in config.flat() if name != "gan_type"}
    )


@pytest.mark.parametrize("kind", TRAINERS)
def test_every_option_survives_the_file(tmp_path, kind):
    path = tmp_path / "config.json"
    for config in (full_config(kind), default_config(kind)):
        path.write_text(config_text(config))
        assert read_config(path) == config
    assert json.loads(path.read_text())["version"] == 1


def test_an_older_file_takes_the_default_of_a_newer_option(tmp_path):
    path = tmp_path / "config.json"
    sections = json.loads(config_text(default_config().with_options(steps=7)))
    del sections["run"]["seed"], sections["runtime"]
    path.write_text(json.dumps(sections))
    assert read_config(path) == default_config().with_options(steps=7)


def test_a_file_of_the_first_format_opens(tmp_path):
    """Before version 1 every config had all options, in nine sections; this one is a cogan's."""
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {
                "run": {"gan_type": "cogan", "steps": 7, "evaluate_every": 3},
                "nets": {"net": "compact", "classifier_net": "digit"},
                "adversarial": {"loss": "hinge"},
                "coupling": {"semantic_loss": 0.0, "perceptual_loss": [0.0, 0.0]},
                "translation": {"l1_loss": 100.0},
                "optimisation": {"c_lr": 0.001, "g_lr": 0.5},
            }
        )
    )
    flat = read_config(path).flat()
    assert (flat["steps"], flat["net"], flat["loss"], flat["g_lr"]) == (7, "compact", "hinge", 0.5)
    assert flat["evaluate_every"] == 3 and "l1_loss" not in flat


def test_a_file_of_a_later_version_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"version": 99, "run": {"gan_type": "gan"}}')
    refused(lambda: read_config(path), str(path), "version 99", "newer gantrain")


def test_a_renamed_option_keeps_its_old_name(tmp_path, monkeypatch):
    from gantrain import config

    monkeypatch.setattr(config, "RENAMED", {"rate_of_g": "g_lr", "dropped": None})
    path = tmp_path / "config.json"
    path.write_text(
        '{"run": {"gan_type": "gan"}, "optimisation": {"rate_of_g": 0.25, "dropped": 1}}'
    )
    assert read_config(path).flat()["g_lr"] == 0.25


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "[1, 2]",
        '"text"',
        "3",
        '{"run": 3}',
        '{"run": {"no_such_option": 1}}',
        '{"run": {"steps": "many"}}',
        '{"run": {"steps": [1, 2]}}',
        '{"run": {"gan_type": 3}}',
        '{"coupling": {"perceptual_loss": 1}}',
        '{"coupling": {"perceptual_loss": [1]}}',
        '{"run": {"resume": "yes"}}',
        "\x00\xff",
    ],
)
def test_a_garbage_config_is_one_line_that_names_the_file(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    refused(lambda: validate(read_config(path)), str(path))


def test_an_absent_config_says_what_a_run_directory_is(tmp_path):
    refused(lambda: read_config(tmp_path / "config.json"), "not there", "--run_dir")


# --------------------------------------------------------------------------------------- resuming


RESUMABLE = {
    "run_dir",
    "steps",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "evaluate_every",
    "evaluate_metrics",
    "evaluate_num",
    "evaluate_end",
    "keep",
    "time_limit",
    "tensorboard",
    "resume",
    "dry_run",
    "data_dir",
    "place",
    "offline",
    "vgg_weights",
    "lpips_weights",
    "xla",
    "gpu_mem_mb",
    "gpus",
}


@pytest.mark.parametrize("kind", TRAINERS)
def test_differences_are_those_that_change_the_run(kind):
    """The allow-list, written down: everything else decides what is trained."""
    usual = default_config(kind)
    found = differences(usual, full_config(kind))
    own = set(usual.flat()) - {"gan_type"}
    assert {line.split()[0].removeprefix("--") for line in found} == own - RESUMABLE
    assert differences(usual, usual) == []


def test_a_difference_says_old_and_new():
    usual = default_config()
    assert differences(usual, usual.with_options(seed=3)) == ["--seed 0 -> 3"]


def test_the_length_of_a_run_is_fixed_where_rates_fall_towards_its_end():
    falling = default_config().with_options(lr_decay=0.5, steps=10)
    assert differences(falling, falling.with_options(steps=20)) == ["--steps 10 -> 20"]
    steady = default_config().with_options(steps=10)
    assert differences(steady, steady.with_options(steps=20)) == []


# ------------------------------------------------------------------------------ what they are for


def test_the_page_of_options_is_that_of_the_program():
    docs = PACKAGE.parent / "docs"
    spec = importlib.util.spec_from_file_location("options_page", docs / "options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The tests' own networks and data sets are no part of the page.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "choices_of", without_tiny(options.choices_of))
        page = module.page()
    assert (docs / "options.md").read_text() == page, "run: python docs/options.py"


def without_tiny(names_of):
    import tiny

    extra = {*tiny.NETS, *tiny.CLASSIFIERS, *tiny.DATASETS}

    def names(field):
        found = names_of(field)
        return found and [n for n in found if n not in extra]

    return names
