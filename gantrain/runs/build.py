"""From a config, its domains and what it consults to networks and one compiled step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gantrain.consulted import Network
from gantrain.core import Config
from gantrain.data.batches import Batches
from gantrain.data.datasets import find
from gantrain.data.domain import Domain
from gantrain.deferred import tf
from gantrain.noise import Draw
from gantrain.progress import phase
from gantrain.runs.callbacks import Kept
from gantrain.runs.directory import RunDirectory
from gantrain.runs.domains import chosen_domains
from gantrain.runs.loop import Logs
from gantrain.runtime import Runtime, start
from gantrain.trainer import Trainer
from gantrain.trainers import TRAINERS


class Watch(NamedTuple):
    """What looks at a run while it trains, handed to it from outside.

    Attributes:
        picture: () -> uint8 [H, W, 3] of the same inputs at every call, or None.
        measurements: [(steps between two, () -> {name: value})], what joins the log.
        best: by what score the best state is kept, or None.
        ending: () -> {name: value} of the state that the run ends with, or None.
    """

    picture: Callable[[], np.ndarray | None] = lambda: None
    measurements: Sequence[tuple[int, Callable[[], Logs]]] = ()
    best: Kept | None = None
    ending: Callable[[], Logs] | None = None


class OpenRun:
    """A run in memory: what commands and notebooks hold.

    What is done with it lies elsewhere (`gantrain.runs.train`, `gantrain.use`,
    `gantrain.measures`).

    Attributes:
        config: its resolved config.
        directory: `RunDirectory` of what it leaves behind.
        domains: of the training part; of one blank example each if it was opened without data.
        trainer: networks and players.
        batches: (seed, step) -> batches of the domains.
        runtime: where and how its programs run.
        networks: {name: what it consults}, `gantrain.consulted.Network` of what a run trained.
        watch: what looks at it while it trains.
        step: that of the state that the variables hold.
    """

    def __init__(
        self,
        config: Config,
        domains: list[Domain],
        trainer: Trainer,
        batches: Batches,
        runtime: Runtime,
        networks: dict,
    ):
        self.config, self.domains, self.networks = config, domains, networks
        self.watch, self.step = Watch(), 0
        self.directory = RunDirectory(config.run.run_dir)
        self.trainer, self.batches, self.runtime = trainer, batches, runtime
        self.iteration = runtime.compile(self._iteration)
        self._compiled: dict[Callable, Callable] = {}

    def _iteration(self, step, host):
        replica, replicas = self.runtime.replica()
        batch = self.batches.batch(step, host, replica, replicas)

        def train(batch, step, replica):
            draw = Draw(self.config.run.seed, step, self.config.data.batch_size, replica, replicas)
            return self.trainer.train_step(batch, draw)

        return self.runtime.fuse(train)(batch, step, replica)

    def iterate(self, step: int, host: tuple | None = None) -> dict:
        """Runs iteration `step` (from 0) on its batch; returns its logs as tensors."""
        host = next(self.batches.host(step)) if host is None else host
        return self.iteration(tf.constant(step, tf.int64), host)

    def compiled(self, method: Callable) -> Callable:
        """A method of the trainer, what it is able to, as a program that is compiled once."""
        if method not in self._compiled:
            self._compiled[method] = self.runtime.function(method)
        return self._compiled[method]

    def test_domains(self) -> list[Domain]:
        """The domains of the test part."""
        return chosen_domains(self.config, "test")[0]


def build(config: Config, domains: list[Domain], networks: dict | None = None) -> OpenRun:
    """A run with fresh weights, in a process that is set up for it.

    Args:
        config: a resolved config.
        domains: of the training part.
        networks: {name: network} of what it consults, as its plan names them. Without them it can
            be used but not trained.

    Raises:
        UserError: the trainer does not take these domains or options, or devices are missing.
    """
    runtime = start(config.runtime, config.run.seed)
    kind, networks = TRAINERS[config.run.gan_type], networks or {}
    consulted = {name: n.model if isinstance(n, Network) else n for name, n in networks.items()}
    with phase("compile", "building the networks"), runtime.strategy.scope():
        trainer = kind(config, domains, consulted)
        batches = Batches(
            domains,
            config.data.batch_size,
            trainer.per_step,
            config.run.seed,
            kind.paired,
            "flip" not in find(config.data.dataset).unread and config.data.flip,
        )
    return OpenRun(config, domains, trainer, batches, runtime, networks)
