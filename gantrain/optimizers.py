"""Adam, one instance per player, its schedule, the moving average, and the options of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gantrain.core import Config
from gantrain.deferred import keras, load, tf
from gantrain.game import Player
from gantrain.options import Options, option
from gantrain.variables import assign, named


@dataclass(frozen=True)
class Regularisation(Options):
    """Learning over the length of a run."""

    weight_decay: float = option(
        0.0, "weight of the sum of squared kernels, a term of every loss", low=0.0
    )
    lr_decay: float = option(
        None,
        "share of the steps, at the end, over which learning rates fall linearly to zero; "
        "default 0.5 for translation and segmenter, else 0",
        low=0.0,
        high=1.0,
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return {"lr_decay": 0.0}

    def fixes(self) -> Sequence[str]:
        """The length of a run decides its learning rates where these fall towards its end."""
        return ("steps",) if self.lr_decay else ()


@dataclass(frozen=True)
class GeneratorAdam(Options):
    """Adam and moving average of generators."""

    g_lr: float = option(None, "learning rate of the generators", above=0.0)
    g_beta1: float = option(None, "Adam beta 1 of the generators", low=0.0, high=0.9999)
    g_beta2: float = option(None, "Adam beta 2 of the generators", low=0.0, high=0.999999)
    ema: float = option(
        0.0,
        "decay of the moving average of generator weights used for samples (0: off)",
        low=0.0,
        high=0.99999,
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return _usual("g", flat)


@dataclass(frozen=True)
class DiscriminatorAdam(Options):
    """Adam of discriminators."""

    d_lr: float = option(None, "learning rate of the discriminators", above=0.0)
    d_beta1: float = option(None, "Adam beta 1 of the discriminators", low=0.0, high=0.9999)
    d_beta2: float = option(None, "Adam beta 2 of the discriminators", low=0.0, high=0.999999)

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return _usual("d", flat)


def _usual(player, flat):
    """WGAN-GP's Adam (Gulrajani et al. 2017; thesis section 2.5), else DCGAN's (section 2.6)."""
    gp = flat["d_penalty"] == "gp"
    rate, beta1, beta2 = (1e-4, 0.0, 0.9) if gp else (2e-4, 0.5, 0.999)
    return {f"{player}_lr": rate, f"{player}_beta1": beta1, f"{player}_beta2": beta2}


@dataclass(frozen=True)
class ReaderAdam(Options):
    """Adam of a network that reads labels."""

    c_lr: float = option(1e-3, "learning rate of a classifier or segmenter", above=0.0)


def sides(
    config: Config,
    generators: Sequence[keras.Model],
    discriminators: Sequence[keras.Model],
    per_step: int,
    clip: float | None = None,
) -> dict[str, Player]:
    """Both players of the game by name; without discriminators only one.

    Args:
        config: a resolved `gantrain.core.Config`.
        generators, discriminators: the Keras models of either side.
        per_step: updates of the discriminators in one of the generators.
        clip: bound of the discriminators' weights, or None.
    """
    steps, decay = config.run.steps, config.of(Regularisation).weight_decay
    made = {}
    if discriminators:
        d = config.of(DiscriminatorAdam)
        made["discriminators"] = Player(
            "discriminators",
            discriminators,
            adam(d.d_lr, d.d_beta1, d.d_beta2, config, steps * per_step),
            weight_decay=decay,
            clip=clip,
        )
    g = config.of(GeneratorAdam)
    made["generators"] = Player(
        "generators",
        generators,
        adam(g.g_lr, g.g_beta1, g.g_beta2, config, steps),
        weight_decay=decay,
    )
    return made


class Average:
    """Exponential moving average of networks: shadow <- d * shadow + (1 - d) * weight.

    Statistics of normalisation layers are copied, not averaged: they are averages already.

    Args:
        networks: Keras models that are trained.
        decay: d in [0, 1). It is warmed up as min(d, (1 + t) / (10 + t)) so that the random
            initial weights are forgotten quickly.
    """

    def __init__(self, networks: Iterable[keras.Model], decay: float):
        self.decay = decay
        self.sources = list(networks)
        self.networks = [keras.models.clone_model(net) for net in self.sources]
        for source, shadow in zip(self.sources, self.networks, strict=True):
            shadow.set_weights(source.get_weights())

    def state(self) -> dict:
        """{name: variable} of what a checkpoint has to hold."""
        return named(self.networks)

    def follow(self, step: tf.Tensor) -> None:
        """Moves the shadow one step. Args: step, int64 scalar tensor."""
        t = tf.cast(step, tf.float32)
        d = tf.minimum(self.decay, (1.0 + t) / (10.0 + t))
        shadows, values = [], []
        for source, shadow in zip(self.sources, self.networks, strict=True):
            trained = {id(w) for w in source.trainable_variables}
            for w, s in zip(source.weights, shadow.weights, strict=True):
                shadows.append(s)
                values.append(d * s + (1.0 - d) * w if id(w) in trained else w.value)
        assign(shadows, values)


def averages(config: Config, generators: Sequence[keras.Model]) -> list[Average]:
    """The moving averages of generators that `--ema` asks for, none or one."""
    ema = config.of(GeneratorAdam).ema
    return [Average(generators, ema)] if ema else []


def reader(name: str, network: keras.Model, config: Config) -> dict[str, Player]:
    """The one player of a classifier or segmenter, by name."""
    rate = config.of(ReaderAdam).c_lr
    return {
        name: Player(
            name,
            [network],
            adam(rate, 0.9, 0.999, config, config.run.steps),
            weight_decay=config.of(Regularisation).weight_decay,
        )
    }


def adam(
    rate: float, beta1: float, beta2: float, config: Config, updates: int
) -> keras.optimizers.Optimizer:
    """Adam whose learning rate may fall linearly to zero at the end of a run of `updates`.

    Half precision needs a scaled loss; bfloat16 has the range of float32 and needs none.
    """
    # Late: Keras's kin, which the options beside this are read without.
    schedules = load("gantrain.schedules")
    share = config.of(Regularisation).lr_decay
    if share:
        rate = schedules.LinearDecay(rate, updates, share)
    optimizer = schedules.Adam(rate, beta_1=beta1, beta_2=beta2)
    if config.runtime.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
