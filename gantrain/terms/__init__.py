"""Terms: the parts of a player's loss, each with its options, its equation and its networks.

A term is one file. It declares what it can be asked for (`options`), is made for a run by
`Term(config, domains, consulted)`, and is called with the `Play` of an update. What it consults
(a classifier, a feature network) is named by `consults` and is there before the run is built.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from gantrain.consulted import Wanted
from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.game import Play, Terms
from gantrain.options import Options


class Term(abc.ABC):
    """A part of a player's objective, by its weight absent or present.

    Args:
        config: a resolved config.
        domains: list of `gantrain.data.domain.Domain`.
        consulted: networks that the program trained or read before, by name.

    Attributes:
        options: the record of its options; the record's switch is the weight.
        also: records of other components that it reads when it takes part.
        trained: networks that descend the term along with the player's own.
        logs: names of what a call gives, the same at every step.
    """

    options: ClassVar[type[Options]]
    also: ClassVar[tuple[type[Options], ...]] = ()
    trained: Sequence = ()

    @classmethod
    def consults(cls, config: Config, domains: Sequence[Domain]) -> Mapping[str, Wanted]:
        """{name in `consulted`: `gantrain.consulted.Trained` or `FromFile`} of this run.

        Raises:
            UserError: the data have no labels for it, or options exclude it.
        """
        return {}

    @property
    @abc.abstractmethod
    def logs(self) -> Sequence[str]: ...

    @abc.abstractmethod
    def __init__(self, config: Config, domains: Sequence, consulted: Mapping[str, Any]): ...

    @abc.abstractmethod
    def __call__(self, play: Play) -> Terms:
        """{name: (weight, float32 scalar)} of one update."""


Kind = TypeVar("Kind", bound=Term)


def chosen(
    kinds: Mapping[str, type[Kind]],
    config: Config,
    domains: Sequence[Domain],
    consulted: Mapping[str, Any],
) -> list[Kind]:
    """The terms among `kinds` that the config switches on, in the order of the registry."""
    return [kind(config, domains, consulted) for kind in kinds.values() if config.on(kind.options)]


def consults(
    registries: Sequence[Mapping[str, Any]], config: Config, domains: Sequence[Domain]
) -> dict[str, Wanted]:
    """What those of the terms consult that the config switches on, by name."""
    return {
        name: wanted
        for kinds in registries
        for kind in kinds.values()
        if config.on(kind.options)
        for name, wanted in kind.consults(config, domains).items()
    }


def total(terms: Sequence, play: Play) -> Terms:
    """The union of what several terms give for one update."""
    return {name: entry for term in terms for name, entry in term(play).items()}


def logged(terms: Sequence[Term]) -> list[str]:
    """The names that terms give."""
    return [name for term in terms for name in term.logs]


def trained(terms: Sequence[Term]) -> list:
    """The networks that terms train along with a player's own."""
    return [net for term in terms for net in term.trained]
