"""What is measured: the images of a run as streams, and the networks that judge them.

Streams yield float32 batches [b, H, W, C] in [-1, 1]. Nothing is kept, so that 50,000 images take
the memory of one batch; a second look generates them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gantrain import images
from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.data.pairs import examples, pair_count
from gantrain.deferred import keras
from gantrain.errors import UserError
from gantrain.trainer import Generates, Scores, Trainer, Translates, able

BATCH = 250  # images held at a time
Made = TypeVar("Made")


@dataclass(frozen=True)
class Weights:
    """Network files that metrics consult. Each is a path, or None for what the metric does then.

    A run's metrics read the first three, the comparison of two folders all but `fcn`.
    """

    lpips: str | None = None
    inception: str | None = None
    fcn: str | None = None
    classifier: str | None = None


class Judges(NamedTuple):
    """What gives the networks that judge a run, found where an earlier one left them, or trained.

    Attributes:
        classifiers: () -> {domain: {judge: (evaluation classifier, description)}}; every domain
            has judges of the same names, in the same order.
        segmenter: `--fcn_weights` or None -> (network, description).
        source_only: () -> {name: classifier of the labelled domain alone}, empty if there is none.
    """

    classifiers: Callable[[], dict[str, dict[str, tuple[keras.Model, dict]]]]
    segmenter: Callable[[str | None], tuple[keras.Model, dict]]
    source_only: Callable[[], dict[str, keras.Model]]


class Streams:
    """The images of one run as streams, and what judges them, each made once.

    Args:
        config: the run's `gantrain.core.Config`.
        trainer: what makes the images.
        domains: of the training part.
        test: () -> the domains of the test part.
        compile: function -> compiled function, `gantrain.runtime.Runtime.function`.
        judges: `Judges`.
        num: latent vectors, and the most real images and test examples.
        seed: of the latent vectors and of the order of real images.
        weights: `Weights`; None is none.

    Attributes:
        networks: description of every network that was consulted, by metric.
        counts: images or pairs behind a value, by its name.

    Raises:
        UserError: the trainer makes no images.
    """

    def __init__(
        self,
        config: Config,
        trainer: Trainer,
        domains: Sequence[Domain],
        test: Callable[[], list[Domain]],
        compile: Callable[[Callable], Callable],
        judges: Judges,
        num: int,
        seed: int,
        weights: Weights | None = None,
    ):
        if not isinstance(trainer, (Generates, Translates)):
            own = (
                "; what it scores on the test part stands in its summary.json"
                if isinstance(trainer, Scores)
                else ""
            )
            raise UserError(
                f"--run_dir {config.run.run_dir}: a {config.run.gan_type} makes no "
                f"images, and these are what metrics measure{own}; give the run of a "
                f"GAN"
            )
        self.config, self.trainer, self.domains = config, trainer, domains
        self.compile, self.num, self.seed, self.weights = compile, num, seed, weights or Weights()
        self.names = [d.name for d in domains]
        self.networks: dict[str, dict] = {}
        self.counts: dict[str, Any] = {}
        self._load, self._judges, self._made = test, judges, {}

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """What `make()` gave when it was first asked for by this name: a program, a network."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @property
    def from_noise(self) -> bool:
        return isinstance(self.trainer, Generates)

    @property
    def of_images(self) -> bool:
        return len(self.domains[0].shape) == 3

    @property
    def labelled(self) -> bool:
        return all(d.labels is not None for d in self.domains)

    @property
    def test(self) -> list[Domain]:
        """The domains of the test part."""
        return self.once("test", self._load)

    # --- images

    def generated(self) -> Iterator[list[np.ndarray]]:
        """Batches of all domains, [list of arrays]: the same latent vector at the same place."""
        trainer = able(self.trainer, Generates)
        sample = self.once("samples", lambda: self.compile(trainer.samples))
        z = trainer.latents(self.num, self.seed)
        for start in range(0, len(z), BATCH):
            yield [np.asarray(x, np.float32) for x in sample(z[start : start + BATCH])]

    def of_domain(self, number: int) -> Iterator[np.ndarray]:
        """Generated images of one domain."""
        return (made[number] for made in self.generated())

    def real(self, number: int, again: int = 0) -> Iterator[np.ndarray]:
        """Training images of one domain in a seeded order, at most `num`; `again` is another order.

        Orders of different domains have nothing to do with each other.
        """
        domain = self.domains[number]
        order = np.random.default_rng([self.seed, number, again]).permutation(domain.size)
        return _batches(domain, order[: self.num])

    def held_out(self, number: int) -> tuple[np.ndarray, Iterator[np.ndarray]]:
        """(numbers of test images of one domain in a seeded order, at most `num`; their stream)."""
        domain = self.test[number]
        order = np.random.default_rng([self.seed, number]).permutation(domain.size)[: self.num]
        return order, _batches(domain, order)

    def translations(self, direction: str | None = None) -> Iterator[tuple]:
        """(input, output, targets or None) of the test part, one example at a time.

        Batch statistics of several would let one image change another. Targets are
        [1, H, W, C], or [1, T, H, W, C] where an input has T of them.
        """
        trainer = able(self.trainer, Translates)
        way = direction or trainer.way
        back = way != trainer.way
        translate = self.once(way, lambda: self.compile(trainer.translators()[way]))
        source = self.test[1] if back else self.test[0]
        paired = pair_count(self.test)
        for number in range(min(self.num, paired or source.size)):
            if paired:
                x, y = examples(self.test, [number])[:: -1 if back else 1]
            else:
                x, y = source.pixels([number]), None
            x = images.to_float(x)
            # The way back starts from one of several targets.
            x = x[:, 0] if len(x.shape) == 5 else x
            yield x, np.asarray(translate(x)), None if y is None else images.to_float(y)

    def sets(self) -> dict[str, tuple[Iterator[np.ndarray], Iterator[np.ndarray]]]:
        """{domain: (stream of generated images, stream of real ones)}; each may be read once."""
        if self.from_noise:
            return {name: (self.of_domain(i), self.real(i)) for i, name in enumerate(self.names)}
        trainer = able(self.trainer, Translates)
        made: dict[str, tuple[Iterator[np.ndarray], Iterator[np.ndarray]]] = {}
        for way in trainer.translators():
            back = way != trainer.way
            target = self.test[0 if back else 1]
            made[target.name] = (
                (out for _, out, _ in self.translations(way)),
                _batches(target, np.arange(min(target.size, self.num))),
            )
        return made

    # --- judges

    def judges(self) -> dict[str, list[keras.Model]]:
        """The panel of every domain: its evaluation classifiers, the first for features."""
        panels = self.once("classifiers", self._judges.classifiers)
        self.networks["evaluation_classifiers"] = {
            domain: {judge: described for judge, (_, described) in panel.items()}
            for domain, panel in panels.items()
        }
        return {domain: [m for m, _ in panel.values()] for domain, panel in panels.items()}

    def segmenter(self) -> keras.Model:
        """The network that reads label maps off photographs."""
        network, self.networks["fcn"] = self.once(
            "segmenter", lambda: self._judges.segmenter(self.weights.fcn)
        )
        return network

    def source_only(self) -> dict[str, keras.Model]:
        """{name: classifier of the labelled domain alone}."""
        return self.once("source_only", self._judges.source_only)


def _batches(domain, order):
    for start in range(0, len(order), BATCH):
        yield images.to_float(domain.pixels(order[start : start + BATCH]))
