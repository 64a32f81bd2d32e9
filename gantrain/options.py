"""The machinery of options; it knows the meaning of none.

A component (trainer, term, network family, data, runtime) declares its options beside its own code,
as a record: a frozen dataclass derived from `Options` whose fields carry their help, bounds and
choices. Flags, checks, `config.json` and docs/options.md all follow from these records. A config
is the records of what was chosen and of nothing else.

`None` means "follows from the other options": `Options.defaults` of the record turns it into a
value before a run starts, and the values are what `config.json` holds. The annotation is of what a
run reads: `int` where the default is None too, `int | None` where None may stay and says something.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeVar

from gantrain.errors import UserError


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: Any = None,
    several: bool = False,
    const: float | None = None,
    two: tuple[float, float] | None = None,
    resumable: bool = False,
    short: str | None = None,
    alias: str | None = None,
    needs: Any = (),
    unless: Sequence[str] = (),
) -> Any:
    """One field of a record.

    Args:
        default: value when neither a flag, nor a preset, nor a stored run says otherwise.
        help: one line for `--help`.
        low, high: inclusive bounds; `above` is an exclusive lower bound.
        choices: the allowed strings, or a function that returns a container of them.
        several: True if allowed strings may be combined, comma separated.
        const: value of the bare flag, for options that are a switch and a weight in one.
        two: values of the bare flag, for options that take none or exactly two numbers.
        resumable: True if a resumed run may have another value than the one it was started with.
        short: letters that stand in the name of a run with this term.
        alias: a second, shorter name of the flag.
        needs: names of other options, or a function that returns them, one of which has to be on
            for this one to be read.
        unless: names of other options any of which, once on, takes this one's place.
    """
    return dataclasses.field(
        default=default,
        metadata=dict(
            help=help,
            low=low,
            high=high,
            above=above,
            choices=choices,
            several=several,
            const=const,
            two=two,
            resumable=resumable,
            short=short,
            alias=alias,
            needs=needs,
            unless=unless,
        ),
    )


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of a component's record of options; the docstring's first line titles its flags.

    Attributes:
        switch: name of the option without which the record's others say nothing, or None.
    """

    switch: ClassVar[str | None] = None

    @classmethod
    def section(cls) -> str:
        """Its name in `config.json`: that of the class."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.removesuffix("Options"))
        return words.lower()

    @property
    def on(self) -> bool:
        """Whether the component takes part: its switch is not zero."""
        if self.switch is None:
            return True
        return is_on(getattr(self, self.switch))

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        """Values of options that were left open.

        Args:
            flat: every option of the config by name; those of the records before this one, and
                what its own trainer says, are decided.
        """
        return {}

    def fixes(self) -> Sequence[str]:
        """Names of resumable options that, beside these values, a resumed run may not change."""
        return ()

    def check(self, config: Any) -> None:
        """Refuses options that contradict each other. Raises UserError."""


Record = TypeVar("Record", bound=Options)
Chosen = TypeVar("Chosen", bound="Records")


class Records:
    """The options of a run: one record per chosen component (`gantrain.core.Config`).

    Args:
        records: of different types, no two with an option of one name.
    """

    def __init__(self, records: Iterable[Options]):
        self.records = tuple(records)
        self._by_type = {type(record): record for record in self.records}

    def of(self, kind: type[Record]) -> Record:
        """The record of a component. A KeyError says that the trainer does not declare it."""
        return typing.cast(Record, self._by_type[kind])

    def has(self, kind: type[Options]) -> bool:
        """Whether the config has a record of this kind."""
        return kind in self._by_type

    def on(self, kind: type[Options]) -> bool:
        """Whether there is such a record and its component takes part."""
        return kind in self._by_type and self._by_type[kind].on

    def flat(self) -> dict:
        """Every option by its flag name."""
        return {
            f.name: getattr(record, f.name)
            for record in self.records
            for f in dataclasses.fields(record)
        }

    def fields(self) -> list[dataclasses.Field]:
        """The options of all records, in the order of writing."""
        return [f for record in self.records for f in dataclasses.fields(record)]

    def with_options(self: Chosen, **changes: Any) -> Chosen:
        """A copy with some options changed, by flag name: `config.with_options(seed=3)`.

        Raises:
            UserError: no record has such an option.
        """
        records = []
        for record in self.records:
            own = {
                f.name: changes.pop(f.name) for f in dataclasses.fields(record) if f.name in changes
            }
            records.append(dataclasses.replace(record, **own) if own else record)
        if changes:
            raise UserError(unknown("option", sorted(changes)[0], self.flat()))
        return type(self)(records)

    def filled(self: Chosen, values: dict) -> Chosen:
        """A copy in which options that are None take these values; others are left."""
        flat = self.flat()
        return self.with_options(
            **{k: v for k, v in values.items() if k in flat and flat[k] is None and v is not None}
        )

    def __eq__(self, other) -> bool:
        return isinstance(other, Records) and self.records == other.records


def is_on(value: Any) -> bool:
    """Whether a switch is on: a weight, or any of several, that is not zero; a choice but none."""
    return any(value) if isinstance(value, tuple) else bool(value) and value != "none"


def needed(field: dataclasses.Field) -> list[str]:
    """Names of the options one of which has to be on for an option to be read; empty: none."""
    needs = field.metadata["needs"]
    return list(needs() if callable(needs) else needs)


def substitutes(field: dataclasses.Field, flat: dict) -> list[str]:
    """Names of the options that are on and take the place of an option."""
    return [name for name in field.metadata["unless"] if is_on(flat.get(name))]


def option_type(record: type[Options], name: str) -> type:
    """The plain type of an option (`int | None` gives int) from its annotation."""
    hint = typing.get_type_hints(record)[name]
    if isinstance(hint, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def choices_of(field: dataclasses.Field) -> list[str] | None:
    """The allowed strings of an option, or None if it is free."""
    choices = field.metadata["choices"]
    if choices is None:
        return None
    return sorted(choices()) if callable(choices) else list(choices)


# What a count or a size in a graph can be.
LARGEST = 2**31 - 1


def validate_field(
    field: dataclasses.Field, value: Any, allowed: Iterable[str] | None = None
) -> None:
    """Checks one option against its bounds and its choices, or those given. Raises UserError."""
    if value is None:
        return
    m = field.metadata
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, float) and not math.isfinite(number):
            raise UserError(f"--{field.name} {number}: must be a number")
        if m["high"] is None and type(number) is int and number > LARGEST:
            raise UserError(f"--{field.name} {number}: must be at most {LARGEST}")
        if m["low"] is not None and number < m["low"]:
            raise UserError(f"--{field.name} {number}: must be at least {m['low']}")
        if m["above"] is not None and number <= m["above"]:
            raise UserError(f"--{field.name} {number}: must be above {m['above']}")
        if m["high"] is not None and number > m["high"]:
            raise UserError(f"--{field.name} {number}: must be at most {m['high']}")
    allowed = allowed or choices_of(field)
    if allowed is None:
        return
    for name in value.split(",") if m["several"] else [value]:
        if name not in allowed:
            raise UserError(unknown(f"--{field.name}", name, allowed))


def validate(config: Chosen) -> Chosen:
    """Checks every option, and every rule that a record has. Returns the config.

    Raises:
        UserError: one line that names the flag and the remedy.
    """
    check_bounds(config)
    for record in config.records:
        record.check(config)
    return config


def check_bounds(config: Chosen) -> None:
    """Raises UserError for an option outside of its own bounds or choices."""
    for record in config.records:
        for field in dataclasses.fields(record):
            validate_field(field, getattr(record, field.name))


def check_types(record: Options) -> None:
    """Raises ValueError for a value of another type than that of its option."""
    for f in dataclasses.fields(record):
        value, two = getattr(record, f.name), f.metadata["two"]
        kind = float if two else option_type(type(record), f.name)
        values = tuple(value) if two else (value,)
        # JSON writes 1 for 1.0.
        allowed = (float, int) if kind is float else (kind,)
        if value is None and f.default is None:
            continue
        if len(values) != (2 if two else 1) or any(type(v) not in allowed for v in values):
            raise ValueError(f"{f.name} is {value!r}")


def unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    """The message for a name that is not among the allowed ones."""
    close = difflib.get_close_matches(str(name), list(allowed), 1)
    hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(sorted(allowed))}"
    return f"{what} {name}: unknown; {hint}"
