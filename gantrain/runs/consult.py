"""The networks of a plan: found where an earlier run left them, read, or trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gantrain.consulted import FromFile, Network, network
from gantrain.errors import UserError
from gantrain.progress import phase, say
from gantrain.runs.plan import Need
from gantrain.trainers import TRAINERS


def consult(need: Need, train: Callable | None = None) -> Any:
    """The network of a `gantrain.runs.plan.Need`.

    Args:
        need: of the plan.
        train: (config, domains) -> None, trains a run to its end; None trains nothing.

    Returns:
        `Network` of what a run trains, and of a `FromFile` what it is read as.

    Raises:
        UserError: a file is missing or something else, or what is not there may not be trained.
    """
    if isinstance(need, FromFile):
        return need.read()
    what, directory = need.wanted, need.directory
    if not need.there:
        if train is None:
            raise UserError(
                f"{directory.path}: holds no {what.title} yet; `gantrain evaluate` trains it"
            )
        # Jobs that start together train it once.
        with directory.writing(wait=True), phase("classifiers", whole=True):
            if not need.there:
                say(f"training a {what.title} in {directory.path}")
                train(need.config, need.domains)
        say(f"{what.kind} {directory.path}: {need.scored()}")
    return network(directory.path, what.kind, directory.path.name, need.scores)


def stand_in(need: Need) -> Any:
    """An untrained network of the same shape, or what is read where it is at hand."""
    if isinstance(need, FromFile):
        try:
            return need.read()
        except UserError:
            if need.file or not need.untrained:
                raise
            return need.untrained()
    what = need.wanted
    trainer = TRAINERS[what.kind](need.config, what.domains, {})
    return Network(trainer.models()[what.kind], {}, {})
