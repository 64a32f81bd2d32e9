"""The stages of a run, put together: rehearsed, prepared, trained, and opened again."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from gantrain import devices
from gantrain.config import moved
from gantrain.consulted import FromFile
from gantrain.core import Config
from gantrain.data.domain import Domain, prune
from gantrain.deferred import ops
from gantrain.errors import UserError
from gantrain.progress import phase
from gantrain.runs import told
from gantrain.runs.build import OpenRun, build
from gantrain.runs.consult import consult, stand_in
from gantrain.runs.directory import RunDirectory
from gantrain.runs.plan import OwnRun, plan
from gantrain.runs.train import fit
from gantrain.runtime import start
from gantrain.stop import Stop, current
from gantrain.use.measured import asked
from gantrain.use.watch import watch


def train(config: Config, domains: list[Domain] | None = None, stop: Stop | None = None) -> OpenRun:
    """Trains what a config needs and then the run, from its newest checkpoint if there is one.

    Args:
        config: a resolved config (`gantrain.config.resolve`).
        domains: training domains, if they are already loaded.
        stop: `Stop` of the whole program, which interrupts consulted networks' runs too; None is
            the one under way.

    Returns:
        The run at its last (or best) state; `directory.summary()` says how it ended.

    Raises:
        gantrain.stop.Interrupted, gantrain.runs.callbacks.Diverged, UserError.
    """
    stop = stop or current(config.run.time_limit * 60)
    with RunDirectory(config.run.run_dir).writing():
        run = prepare(config, domains, stop)
        fit(run, stop)
    return run


def prepare(
    config: Config,
    domains: list[Domain] | None = None,
    stop: Stop | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> OpenRun:
    """Executes the plan of a run and builds it, ready for `fit`.

    Args:
        config, domains, stop: as `train`.
        tell: is told the plan, line by line, before anything is trained.
    """
    chosen = _planned(config, domains, tell)
    needs = chosen.needs
    networks = {name: consult(n) for name, n in needs.items() if isinstance(n, FromFile)}
    own = {name: n for name, n in needs.items() if isinstance(n, OwnRun)}
    if not all(n.there for n in own.values()):
        # What does not fit together is refused before anything is trained for it.
        stand_ins = {name: stand_in(n) for name, n in own.items()}
        _built(config, chosen.domains, networks | stand_ins)
    networks |= {name: consult(n, partial(train, stop=stop)) for name, n in own.items()}
    return _built(config, _pruned(chosen, networks), networks)


def rehearse(
    config: Config,
    domains: list[Domain] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> OpenRun:
    """A run on untrained stand-ins for what its plan would train or fetch. Args as `prepare`."""
    config = config.with_options(offline=True)
    chosen = _planned(config, domains, tell)
    networks = {
        name: consult(need) if isinstance(need, OwnRun) and need.there else stand_in(need)
        for name, need in chosen.needs.items()
    }
    return _built(config, chosen.domains, networks)


def _planned(config, domains, tell):
    """The plan of a run, in a process that is set up for it, so that it says which device."""
    _ask(config)
    chosen = plan(config, domains, asked)
    device = start(config.runtime, config.run.seed).device
    for line in told.before(config, chosen, device):
        tell(line)
    return chosen


def _ask(config):
    """Asks for the devices of a run, before a reader or a network can use any."""
    devices.ask(config.runtime.gpus, config.runtime.devices, config.runtime.gpu_mem_mb)


def open_run(run_dir: str | os.PathLike, with_data: bool = False, **places: str | None) -> OpenRun:
    """The run of a directory at its newest checkpoint, or at its best where one is kept.

    Networks that the couplings consulted are not needed to look at a run.

    Args:
        run_dir: directory of a run.
        with_data: False builds the networks from what the run remembers of its domains, so that
            samples need no data.
        places: `data_dir` and `dataset`, where the data lie now, if not where they did.

    Raises:
        UserError: the directory holds no run or no checkpoint, or the data are not its own.
    """
    directory = RunDirectory(run_dir)
    # Where a run was trained says nothing about where it is looked at.
    config = moved(directory.config(), {k: v for k, v in places.items() if v}).with_options(
        run_dir=str(directory.path), devices=1, gpus=None
    )
    _ask(config)
    run = build(config, _training_part(config) if with_data else directory.domains())
    run.step = directory.restore(run.trainer.state(), best=True)
    if not run.step:
        raise UserError(f"--run_dir {directory.path}: has no checkpoint yet; train first")
    return run


def _built(config, domains, networks):
    run = build(config, domains, networks)
    run.watch = watch(run)
    return run


def _pruned(chosen, networks):
    """The domains of a plan without the images of which its network "pruning" is unsure."""
    if "pruning" not in networks:
        return chosen.domains
    model = networks["pruning"].model

    def confidence(images):
        return ops.max(ops.softmax(model(images, training=False)), axis=-1)

    with phase("data", f"leaving out images of {chosen.unsure} that a classifier is unsure of"):
        return [prune(d, confidence) if d.name == chosen.unsure else d for d in chosen.domains]


def _training_part(config) -> list:
    """The domains that a run is trained on, pruned where the set asks for it."""
    chosen = plan(config)
    return _pruned(
        chosen,
        {name: consult(need, train) for name, need in chosen.needs.items() if name == "pruning"},
    )
