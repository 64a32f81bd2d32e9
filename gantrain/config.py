"""The config of a run: which records of options it has, what was left open, how it is stored.

A config is the core (`gantrain.core`) and the records of what was chosen: the trainer's, those of
its terms, and what measures it. An option that none of these heeds is refused by name.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from os import PathLike
from typing import Any

from gantrain.core import Config, Data, LpipsWeights, Run, RuntimeOptions
from gantrain.data.datasets import find
from gantrain.errors import UserError
from gantrain.files import file_name, short
from gantrain.measures.evaluate import Ending, Measuring
from gantrain.options import (
    Options,
    check_bounds,
    check_types,
    is_on,
    needed,
    substitutes,
    unknown,
    validate,
)
from gantrain.presets import PRESETS
from gantrain.reading import expect, natural, read_json
from gantrain.runtime import best_precision
from gantrain.trainer import Generates, Trainer, Translates
from gantrain.trainers import TRAINERS

# Of config.json. 0, without a number, had nine sections that every trainer shared.
VERSION = 1
# Options that were renamed or dropped since: {old name: new name or None}.
RENAMED: dict[str, str | None] = {}


def trainer_of(gan_type: str) -> type[Trainer]:
    """The class behind a --gan_type. Raises UserError where there is none of this name."""
    if gan_type not in TRAINERS:
        raise UserError(unknown("--gan_type", gan_type, TRAINERS))
    return TRAINERS[gan_type]


def records_of(gan_type: str) -> tuple[type[Options], ...]:
    """The kinds of records that a run of this trainer has, each once, in the order of help."""
    kind = trainer_of(gan_type)
    chosen = [record for options, also in _components(kind) for record in (options, *also)]
    return tuple(dict.fromkeys((Run, Data, *kind.options, *chosen, RuntimeOptions)))


def gan_type_of(words: list[str]) -> str:
    """The trainer that a command line means: by --gan_type, by its preset, else the default."""
    typed = {
        flag: value
        for flag, value in itertools.pairwise(words)
        if flag in ("--gan_type", "--preset")
    }
    typed |= dict(
        word.split("=", 1) for word in words if word.startswith(("--gan_type=", "--preset="))
    )
    preset = PRESETS.get(typed.get("--preset", ""))
    return typed.get("--gan_type") or (preset and preset.options.get("gan_type")) or Run.gan_type


def measurable(kind: type) -> bool:
    """Whether a trainer makes images that metrics can judge."""
    return issubclass(kind, (Generates, Translates))


def default_config(gan_type: str = Run.gan_type) -> Config:
    """A config of defaults, in which what follows from other options is open (None)."""
    return Config(record() for record in records_of(gan_type)).with_options(gan_type=gan_type)


def configure(explicit: dict, stored: Config | None = None, given: dict | None = None) -> Config:
    """The config of a command line: explicit flags, else the stored run, else the preset.

    Args:
        explicit: options that a user typed; one that nothing heeds is refused.
        stored: config of the run that is resumed.
        given: options of a table's arm or of a program, which win over the preset; what the
            trainer does not know of them is left out, as with a preset.

    Returns:
        A validated config in which some options may still be None.

    Raises:
        UserError: one line that names the flag and the remedy.
    """
    given = given or {}
    if stored is not None:
        if explicit.get("precision") == "auto":
            # What the first device of the run chose holds on every other.
            explicit = {name: value for name, value in explicit.items() if name != "precision"}
        refuse_unheeded(explicit, stored.with_options(**_known(explicit, stored)))
        return validate(moved(stored, explicit))
    typed = {**given, **explicit}
    preset = typed.get("preset")
    if preset is None:
        preset = trainer_of(typed.get("gan_type", Run.gan_type)).usual(typed)
    elif preset not in PRESETS:
        raise UserError(unknown("--preset", preset, PRESETS))
    chosen = (PRESETS[preset].options | {"preset": preset} if preset else {}) | given
    config = default_config({**chosen, **explicit}.get("gan_type", Run.gan_type))
    for name in chosen:
        if name not in every_option():
            raise UserError(unknown("option", name, every_option()))
    config = config.with_options(**_known(chosen, config))
    config = config.with_options(**_known(explicit, config))
    refuse_unheeded(explicit, config)
    return validate(config)


def moved(stored: Config, explicit: dict) -> Config:
    """The config of a run with some options changed, which knows its data set by the first name.

    A set that is named by its place, such as `folder:PATH`, may lie elsewhere than where the run
    began; then `place` says where. Whether the content is the same is found when it is read.
    """
    kind, colon, _ = stored.data.dataset.partition(":")
    dataset = explicit.get("dataset")
    if colon and dataset and dataset.startswith(kind + colon):
        elsewhere = None if dataset == stored.data.dataset else dataset
        explicit = {"place": elsewhere} | explicit | {"dataset": stored.data.dataset}
    return stored.with_options(**explicit)


def make(**options: Any) -> Config:
    """The config of a program's own run: `given` of `configure`, and resolved."""
    return resolve(configure({}, given=options))


def _known(options: dict, config: Config) -> dict:
    flat = config.flat()
    return {name: value for name, value in options.items() if name in flat}


def _components(kind: type[Trainer]) -> list[tuple[type[Options], tuple[type[Options], ...]]]:
    """(record with a switch, the records that are read besides once it is on) of a trainer."""
    found = [(term.options, term.also) for terms in kind.terms for term in terms.values()]
    found += [(Measuring, (LpipsWeights,))] if measurable(kind) else []
    return found + ([(Ending, ())] if issubclass(kind, Generates) and kind.takes != (1, 1) else [])


def heeded(config: Config) -> set[str]:
    """Names of the options that the chosen components read."""
    kind, flat = TRAINERS[config.run.gan_type], config.flat()
    records: list[type[Options]] = [Run, Data, RuntimeOptions, *kind.options]
    switches = {options.switch for options, _ in _components(kind) if options.switch}
    for options, also in _components(kind):
        records += [options, *also] if config.on(options) else []
    names = {f.name for record in records for f in dataclasses.fields(record) if _is_read(f, flat)}
    return (switches | names) - set(find(config.data.dataset).unread)


def _is_read(field: dataclasses.Field, flat: dict) -> bool:
    needs = needed(field)
    return (not needs or any(is_on(flat[name]) for name in needs)) and not substitutes(field, flat)


def refuse_unheeded(explicit: dict, config: Config) -> None:
    """Refuses typed options that the chosen components do not read, naming those that would.

    Raises:
        UserError: one line that names the flag and the remedy.
    """
    # First: what they would decide makes no sense of points.
    for name in find(config.data.dataset).unread:
        if name in explicit:
            raise UserError(
                f"--{name} is of images, and --dataset {config.data.dataset} has points; drop it"
            )
    kind, config = config.run.gan_type, decided(config)
    known, flat = heeded(config), config.flat()
    for name in explicit:
        if name in known:
            continue
        if name not in every_option():
            raise UserError(unknown("option", name, every_option()))
        users = [other for other in TRAINERS if name in default_config(other).flat()]
        if kind not in users:
            raise UserError(
                f"--{name} is an option of --gan_type {' or '.join(users)}, and this "
                f"is {kind}; change the one or drop the other"
            )
        (own,) = (record for record in config.records if name in record.__dataclass_fields__)
        field = own.__dataclass_fields__[name]
        instead = substitutes(field, flat)
        if instead:
            raise UserError(f"--{name} is not read beside --{instead[0]}; drop one of them")
        switches = [
            options.switch
            for options, also in _components(TRAINERS[kind])
            if options.switch and type(own) in (options, *also) and not config.on(options)
        ] or needed(field)
        flags = [f"--{every_option()[switch].metadata['alias'] or switch}" for switch in switches]
        raise UserError(f"--{name} is used by {' or '.join(flags)}; add it, or drop --{name}")


def every_option() -> dict[str, dataclasses.Field]:
    """The options of all trainers by name."""
    return {
        f.name: f
        for kind in TRAINERS
        for record in records_of(kind)
        for f in dataclasses.fields(record)
    }


def resolve(config: Config) -> Config:
    """Replaces every None by the value that follows from the other options, and checks all.

    Raises:
        UserError: two options contradict each other.
    """
    return validate(decided(config))


def decided(config: Config) -> Config:
    """The config with a value for every option that was left open.

    The trainer's paper is asked before each record; what one decides another may build on.
    """
    kind = TRAINERS[config.run.gan_type]
    config = config.filled(
        {"run_dir": run_name(config), "image_size": find(config.data.dataset).image_size}
    )
    if config.runtime.precision == "auto":
        config = config.with_options(precision=best_precision())
    before = None
    while config != before:
        before = config
        for record in config.records:
            config = config.filled(kind.paper(config.flat()))
            config = config.filled(record.defaults(config.flat()))
    return config


def run_name(config: Config) -> str:
    """runs/<gan_type>-<dataset>[-domains][-preset][-couplings]-seed<seed>.

    The same command names the same directory, so that running it again resumes it. A name that is
    too long ends in a hash.
    """
    flat, run, data = config.flat(), config.run, config.data
    couplings = [
        f.metadata["short"]
        for f in config.fields()
        if f.metadata["short"] and flat[f.name] != f.default
    ]
    parts = [
        run.gan_type,
        data.dataset,
        data.domains or "",
        run.preset or "",
        "".join(couplings),
        f"seed{run.seed}",
    ]
    return "runs/" + short("-".join(file_name(part) for part in parts if part))


def differences(stored: Config, wanted: Config) -> list[str]:
    """Options that a resumed run may not change and that differ, as `--flag old -> new`."""
    mine, theirs = stored.flat(), wanted.flat()
    fixed = {name for record in stored.records for name in record.fixes()}
    return [
        f"--{f.name} {mine[f.name]} -> {theirs[f.name]}"
        for f in stored.fields()
        if (f.name in fixed or not f.metadata["resumable"]) and mine[f.name] != theirs[f.name]
    ]


def refuse_changes(stored: Config, wanted: Config, where: str | PathLike) -> None:
    """Raises UserError if a resumed run would differ from the one that was started."""
    found = differences(stored, wanted)
    if found:
        raise UserError(
            f"--run_dir {where}: holds a run with other options ({'; '.join(found)}); "
            f"choose another --run_dir, or start anew with --no-resume"
        )


# --- config.json ---------------------------------------------------------------------------------


def config_text(config: Config) -> str:
    """The text of `config.json`."""
    sections = {record.section(): dataclasses.asdict(record) for record in config.records}
    return json.dumps({"version": VERSION} | sections, indent=2) + "\n"


def refuse_open(config: Config, path: str | PathLike) -> Config:
    """The config of a run, which a run has decided. Raises UserError for a value left open."""
    whole = decided(config).flat()
    for name, value in config.flat().items():
        if value is None and whole[name] is not None:
            raise UserError(f"{path}: not the config of a run, {name} is null")
    return config


def read_config(path: str | PathLike) -> Config:
    """Reads a `config.json` of this version or an older one. Raises UserError on anything else."""
    try:
        stored = read_json(path, dict)
        version = stored.pop("version", 0)
        expect(version, natural, "version")
        if version > VERSION:
            raise ValueError(
                f"is of version {version}, and this program reads up to {VERSION}; "
                f"install a newer gantrain"
            )
        for name, section in stored.items():
            expect(section, dict, name)
        flat = {
            RENAMED.get(k, k): tuple(v) if isinstance(v, list) else v
            for section in stored.values()
            for k, v in section.items()
        }
        config = default_config(str(flat.get("gan_type", Run.gan_type)))
        known = every_option()
        strangers = sorted(name for name in flat if name is not None and name not in known)
        if strangers:
            raise ValueError(unknown("option", strangers[0], known))
        config = config.with_options(**_known(flat, config))
        for record in config.records:
            check_types(record)
        check_bounds(config)
        return config
    except FileNotFoundError:
        raise UserError(f"{path}: not there; is --run_dir the directory of a run?") from None
    except (OSError, ValueError, AttributeError, TypeError, KeyError, UserError) as error:
        raise UserError(f"{path}: not a gantrain config ({error})") from None
