"""What a trainer is, and what it can do besides: abilities are types.

    Trainer      trains: players, one step, models to take home
    Generates    makes images of every domain from a latent vector
    Translates   makes an image of one domain from one of another
    Scores       measures itself on the whole test part at the end
    Adapts       classifies images of every domain by the labels of one
    Shows        lays held-out examples out as a grid, and measures them while it trains

A command asks for the ability, not for a name.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.game import Player
from gantrain.nets import NoiseNets
from gantrain.noise import Draw
from gantrain.optimizers import Average
from gantrain.options import Options
from gantrain.variables import put

Ability = TypeVar("Ability")


class Trainer(abc.ABC):
    """What the loop needs to know of a trainer; a trainer file holds the algorithm box.

    Args:
        config: a resolved `gantrain.core.Config`.
        domains: list of `gantrain.data.domain.Domain`.
        consulted: networks that terms consult, by name.

    Attributes:
        options: records of options that the trainer heeds, those of its terms apart.
        terms: registries of terms that it may play, each term with a record of its own.
        takes: least and most number of domains; None is any.
        paired: True if example n of every domain has to belong to one pair.
        same_channels: True if all domains need the same number of channels.
        players: every `Player`, by name.
        averages: `Average` objects, empty without `--ema`.
        pools: `gantrain.terms.pool.ImagePool` objects, whose images are part of the state.
        per_step: real batches that one iteration consumes.
        examples: command lines for its help.
    """

    examples: ClassVar[Sequence[str]] = ()
    options: ClassVar[tuple[type[Options], ...]] = ()
    terms: ClassVar[Sequence[Mapping[str, Any]]] = ()
    takes: ClassVar[tuple[int, int | None]] = (1, None)
    paired: ClassVar[bool] = False
    same_channels: ClassVar[bool] = True

    players: dict[str, Player]
    averages: Sequence[Average] = ()
    pools: Sequence = ()
    per_step: int = 1

    @abc.abstractmethod
    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        """Builds the networks and the players."""

    @classmethod
    def usual(cls, typed: dict) -> str | None:
        """The preset that stands where none is named, or None.

        Args:
            typed: options that were given, by name.
        """
        return None

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """Values of options that were left open, as the trainer's paper has them.

        Args:
            flat: every option by name, None where it is open.
        """
        return {}

    @abc.abstractmethod
    def train_step(self, batch: list, draw: Draw) -> dict:
        """One iteration. Args: one `Batch` per domain, a `Draw`. Returns float32 scalar logs."""

    @abc.abstractmethod
    def logs(self) -> dict[str, list[str]]:
        """{player: names of the terms of its objectives}; `Player` adds what it logs itself."""

    @abc.abstractmethod
    def models(self) -> dict[str, keras.Model]:
        """Keras models that a user takes home, as they are used, by file name."""

    def report(self) -> dict:
        """Values worth logging that need no batch; computed once per log interval."""
        return {}

    def described(self) -> str:
        """The networks in one line for the start of a run; empty if the config says it all."""
        return ""

    def averaged(self, networks: list) -> list:
        """The moving averages of the generators where there are any, else `networks` themselves."""
        return self.averages[0].networks if self.averages else networks

    def follow(self, draw: Draw) -> None:
        """Moves the averages, once the generators have moved."""
        for average in self.averages:
            average.follow(draw.step)

    def state(self) -> dict:
        """{name: variable} of everything that a checkpoint holds, each variable once.

        A name is made of the player's, the network's and the layer's.
        """
        parts = [(name, player.state()) for name, player in self.players.items()]
        parts += [("average", average.state()) for average in self.averages]
        parts += [("pool", {v.name: v for v in pool.variables}) for pool in self.pools]
        found, held = {}, set()
        for part, state in parts:
            for name, variable in state.items():
                if id(variable) not in held:
                    held.add(id(variable))
                    put(found, f"{part}/{name}", variable)
        return found

    def variables(self) -> list:
        """All variables of a checkpoint, each once, in a fixed order."""
        return list(self.state().values())


class Generates(abc.ABC):
    """Makes one image per domain of a latent vector.

    Attributes:
        latent: what z is made of.
    """

    latent: NoiseNets

    @abc.abstractmethod
    def noise(self, draw: Draw) -> tf.Tensor:
        """z ~ p_z, float32 [B, size of z]."""

    def latents(self, count: int, seed: int) -> tf.Tensor:
        """float32 [count, size of z]: the fixed latent vectors of a seed."""
        return self.noise(Draw(seed, tf.constant(-1, tf.int64), count))

    @abc.abstractmethod
    def samples(self, z: tf.Tensor) -> list:
        """Images [-1, 1] of latent vectors z, one tensor per domain, by the averaged weights."""

    @abc.abstractmethod
    def generators(self) -> list[keras.Model]:
        """The generator of every domain, by the averaged weights."""

    def encoder(self) -> keras.Model | None:
        """Images -> z, where the run trains an encoder."""
        return None


class Adapts(abc.ABC):
    """Classifies images of every domain by what the labels of one have taught."""

    @property
    @abc.abstractmethod
    def source(self) -> int:
        """Number of the domain whose labels are learned, where any are."""

    @abc.abstractmethod
    def classifiers(self) -> list[Callable]:
        """Images [-1, 1] -> logits [B, C] of every domain; empty in a run that learns no labels."""


class Shows(abc.ABC):
    """Shows and measures held-out examples while it trains.

    Attributes:
        patience: (name of a value of `measure`, max or min, measurements without a new best after
            which the run ends with its best state), or None.
    """

    patience: tuple[str, Callable, int] | None = None

    @abc.abstractmethod
    def gallery(self, *examples: tf.Tensor) -> list:
        """Rows of a sample grid, of one tensor per domain, float32 [n, H, W, C] in [-1, 1]."""

    @abc.abstractmethod
    def measure(self, *examples: tf.Tensor) -> dict:
        """Scores of held-out examples, float32 scalars."""


class Translates(Shows):
    """Makes an image of one domain from one of another.

    Attributes:
        way: the direction from the first domain to the second, "a2b" or "b2a".
    """

    way: str

    @abc.abstractmethod
    def translators(self) -> dict[str, Callable]:
        """{direction: images -> images} of the trained networks, in the run's test mode."""


class Scores(abc.ABC):
    """Measures itself on the whole test part."""

    @abc.abstractmethod
    def score(self, test: Callable[[], list]) -> dict:
        """{name: float} of the test part, whose domains `test` reads."""


def able(trainer: object, ability: type[Ability]) -> Ability:
    """A trainer as what has one of the abilities above. Raises UserError where it has not."""
    if not isinstance(trainer, ability):
        does = (ability.__doc__ or ability.__name__).split("\n", 1)[0]
        raise UserError(
            f"{type(trainer).__name__} cannot do this: it takes a trainer that "
            f"{does[0].lower()}{does[1:].rstrip('.')}; give the run of one"
        )
    return trainer


def check_number(config: Config, domains: Sequence, takes: tuple[int, int | None]) -> None:
    """Refuses a data set with fewer or more domains than a trainer takes. Raises UserError."""
    least, most = takes
    if least <= len(domains) <= (most or len(domains)):
        return
    names = ", ".join(d.name for d in domains)
    few = {1: "one domain", 2: "two domains"}
    said = few[most] if most else f"{few[least].split()[0]} or more domains"
    remedy = (
        f"choose with --domains {','.join(d.name for d in domains[:most])}"
        if len(domains) > least
        else "take a --dataset that has them"
    )
    raise UserError(
        f"--gan_type {config.run.gan_type} takes {said}, and --dataset "
        f"{config.data.dataset} gives {len(domains)} ({names}); {remedy}"
    )
