"""The networks of a plan: found where an earlier run left them, read, or trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gantrain.consulted import Network, Published, load_model, model_path
from gantrain.nets.frozen import weights_hash
from gantrain.runs.directory import RunDirectory
from gantrain.runs.plan import Need
from gantrain.trainers import TRAINERS


def consult(need: Need, train: Callable | None = None) -> Any:
    """The network of a `gantrain.runs.plan.Need`.

    Args:
        need: of the plan.
        train: (config, domains) -> None, trains a run to its end; not asked for what is there.

    Returns:
        `Network` of what a run trains, and of `Published` what they are read as.

    Raises:
        UserError: a file is missing or something else.
    """
    what = need.wanted
    if isinstance(what, Published):
        return what.read()
    if need.config is None:
        path, version, scores = model_path(what.given, what.kind), "given", {}
    else:
        directory = RunDirectory(need.config.run.run_dir)
        if not need.there:
            print(f"training a {what.title} in {directory.path}", flush=True)
            train(need.config, need.domains)
        scores = {name: v for name, v in directory.summary().items() if isinstance(v, float)}
        said = ", ".join(f"{name.removeprefix('accuracy/')} {v:.3f}" for name, v in scores.items())
        print(f"{what.kind} {directory.path}: {said} on the test part", flush=True)
        path, version = model_path(directory.path, what.kind), directory.path.name
    model = load_model(path, what.kind)
    return Network(
        model, {"version": version, "weights": path.name, "sha256": weights_hash(model)}, scores
    )


def stand_in(need: Need) -> Network:
    """An untrained network of the same shape, for a dry run."""
    trainer = TRAINERS[need.wanted.kind](need.config, need.wanted.domains, {})
    return Network(trainer.models()[need.wanted.kind], {}, {})
