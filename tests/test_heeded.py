"""An option is heeded if, and only if, a run reads it: recorded while real runs are trained."""

import contextlib
import dataclasses
import sys

import pytest
import tensorflow as tf
import tiny

from gantrain import commands, config, options
from gantrain.config import configure, decided, heeded
from gantrain.core import Config
from gantrain.options import Options, Records
from gantrain.runs import plan, report
from gantrain.trainers import TRAINERS

# What looks at every option alike, whatever it means: reads by these say nothing.
MACHINERY = {
    function.__code__
    for function in (
        Records.with_options,
        Records.filled,
        Records.__eq__,
        options.validate,
        options.check_types,
        config.configure,
        config.moved,
        config.decided,
        config.heeded,
        config.refuse_unheeded,
        config.differences,
        config.config_text,
        config.read_config,
        report.page,
        plan._directory,
        dataclasses.replace,
    )
}
# Called by those, and yet a use: the name of a run's directory.
USES = {config.run_name.__code__}


def used():
    """Whether whoever reads an option now is the program and not its machinery of options."""
    frame = sys._getframe(2)
    while frame:
        if frame.f_code in USES or frame.f_code in MACHINERY:
            return frame.f_code in USES
        frame = frame.f_back
    return True


class Flat(dict):
    """Every option by name, which says what is looked up; iteration says nothing."""

    def __init__(self, values, seen):
        super().__init__(values)
        self.seen = seen

    def __getitem__(self, name):
        if used():
            self.seen.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        if name in self and used():
            self.seen.add(name)
        return super().get(name, default)


@contextlib.contextmanager
def reads(patch):
    """The names of the options that are read while the context lasts."""
    seen, flat, names = set(), Records.flat, config.every_option()

    def read(record, name):
        if name in names and used():
            seen.add(name)
        return object.__getattribute__(record, name)

    def recording(records):
        with monkeypatched(Options, "__getattribute__", object.__getattribute__):
            values = flat(records)
        return Flat(values, seen)

    with patch.context() as own:
        own.setattr(Options, "__getattribute__", read, raising=False)
        own.setattr(Records, "flat", recording)
        yield seen


@contextlib.contextmanager
def monkeypatched(owner, name, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value)
        yield


FROM_NOISE = dict(
    ema=0.9,
    weight_decay=1e-4,
    augment="cutout",
    d_penalty="r1",
    penalty_every=2,
    noise_dim=6,
    noise_categories=2,
)
LABELS = dict(label_loss=1.0, label_transfer=1.0, label_self=1.0, classifier_steps=1)
SEMANTIC = dict(semantic_loss=1.0, classifier_steps=1)
MEASURED = dict(evaluate_every=1, evaluate_metrics="modes", evaluate_num=10)
# (trainer, options): every component on, and as few as there may be.
RUNS = {
    "gan-full": ("gan", FROM_NOISE | dict(domains="a")),
    "gan-least": ("gan", dict(domains="a")),
    # Measured without a judge, which would have to be trained.
    "gan-points": ("gan", MEASURED | dict(dataset="ring", net="toy")),
    "cogan-full": ("cogan", FROM_NOISE | LABELS | dict(net="compact")),
    "cogan-labels": ("cogan", dict(label_loss=1.0, classifier_steps=1)),
    "cogan-least": ("cogan", {}),
    "scogan-full": (
        "scogan",
        FROM_NOISE
        | SEMANTIC
        | dict(feature_loss=1.0, cycle_loss=1.0, perceptual_loss=(1.0, 1.0), coupling_ramp=2),
    ),
    "scogan-labels": ("scogan", LABELS | dict(semantic_loss=1.0, net="compact")),
    "scogan-given": ("scogan", dict(semantic_loss=1.0, classifier="given")),
    "scogan-least": ("scogan", {}),
    "pix2pix-full": (
        "pix2pix",
        dict(d_penalty="r1", evaluate_every=1, evaluate_metrics="pixels", evaluate_num=10),
    ),
    "pix2pix-least": ("pix2pix", dict(adversarial_weight=0.0)),
    "cyclegan-full": (
        "cyclegan",
        dict(d_penalty="r1", evaluate_every=1, evaluate_metrics="pixels", evaluate_num=10),
    ),
    "cyclegan-least": ("cyclegan", dict(discriminators="one", lambda_identity=0.0)),
    "cut-full": (
        "cut",
        dict(
            d_penalty="r1",
            flip_equivariance=True,
            evaluate_every=1,
            evaluate_metrics="pixels",
            evaluate_num=10,
        ),
    ),
    "cut-least": ("cut", dict(nce_identity=False)),
    "classifier-full": ("classifier", dict(classifier_attack=1.0, classifier_noise=0.1)),
    "classifier-least": ("classifier", {}),
    "segmenter-least": ("segmenter", {}),
}
# What a run here has no occasion to read: no GPU, no run to go on with, other weights given.
NO_OCCASION = {"gpu_mem_mb", "gpus", "resume", "vgg_weights"}


def test_every_trainer_is_recorded_here():
    assert {kind for kind, _ in RUNS.values()} == set(TRAINERS)


def train(where, kind, own):
    """The config of a run that the command has trained."""
    tf.config.run_functions_eagerly(True)
    usual = tiny.config(where, gan_type=kind, steps=1, **own).flat()
    chosen = configure({}, given=usual)
    # The command's own defaults are of no use to a test that takes seconds.
    typed = {k: v for k, v in usual.items() if k in heeded(chosen) and v is not None}
    commands.train(typed)
    return decided(configure(typed))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Beside the judges, which a first run has trained, for what they read is not what it reads."""
    runs = tmp_path_factory.mktemp("runs")
    train(runs / "first", *RUNS["scogan-least"])
    return runs


@pytest.mark.parametrize("name", RUNS)
def test_what_a_run_heeds_is_what_it_reads(name, place, classifier_file, lpips_file):
    """From the command to the end of the run: what is built, trained, measured and written."""
    kind, own = RUNS[name]
    if own.get("classifier"):
        own = own | {"classifier": str(classifier_file)}
    if own.get("perceptual_loss"):
        own = own | {"lpips_weights": str(lpips_file)}
    if {"classifier_steps", "classifier"} & set(
        own
    ):  # Those are runs of their own, which are found the next time.
        train(place / f"{name}-before", kind, own)
    with reads(pytest.MonkeyPatch()) as seen:
        made = train(place / name, kind, own)
    wanted = heeded(made)
    unread = wanted - seen - NO_OCCASION
    assert not unread, f"{name}: heeded, and read by nothing: {sorted(unread)}"
    # What the run does not have is of the judges' own runs.
    unheeded = seen & set(made.flat()) - wanted
    assert not unheeded, f"{name}: read, and refused: {sorted(unheeded)}"
    assert isinstance(made, Config)
