"""Figures of the thesis: toy distributions, curves of training, and data that needs no run."""

from __future__ import annotations

from gantrain.experiments.table import GROWN, LOGGED, Arm, Experiment, TableRow
from gantrain.experiments.thesis import (
    DCGAN,
    EDGE,
    FACE_NOTE,
    FACES,
    NOTE,
    PEN_SMOKE,
    SOURCE,
    coupled,
    listing,
)

SHORT = dict(steps=4, log_every=1, sample_every=4, checkpoint_every=4)
NUM = {"full": 10_000, "cpu": 10_000, "smoke": 100}
COVERED = (TableRow("Modes covered", "modes/covered/{0}"),)


def _ring(number, title, preset, published, rows=COVERED, picture="samples"):
    options = dict(preset=preset)
    return Experiment(
        title,
        SOURCE + f"figure {number}",
        "ring",
        {},
        {"full": options, "cpu": options, "smoke": options | SHORT},
        (Arm(preset, preset, {"full": {}, "cpu": {}, "smoke": {}}, published),),
        rows,
        ("modes",) if rows is COVERED else (),
        NUM,
        "8,000 steps in place of 2,000 and 3,000: on our coordinates of the ring the modes "
        "separate later.",
        picture,
    )


def _shifted():
    from gantrain.measures.divergences import shifted

    return {"JSD, nats": shifted()}


def _transported():
    from gantrain.measures.divergences import transported

    return {"Wasserstein distance": transported()}


def _fits():
    import numpy as np

    from gantrain.measures.divergences import fitted, mixture

    grid = np.linspace(-5.0, 5.0, 201)
    series = {"p": (grid, mixture(grid, (-2.0, 2.0), 0.5))}
    for name, forward in (("KL(p || q)", True), ("KL(q || p)", False)):
        mean, deviation = fitted(forward=forward)
        series[name] = (grid, mixture(grid, (mean,), deviation))
    return series


EXPERIMENTS = {
    "figure2.7": Experiment(
        "JSD of two Gaussians that move apart",
        SOURCE + "figure 2.7",
        picture="curves",
        axes=("distance of the means", "JSD, nats"),
        computed=_shifted,
    ),
    "figure2.8": Experiment(
        "A Gaussian fitted to a mixture by both KL divergences",
        SOURCE + "figure 2.8",
        picture="curves",
        axes=("x", "density"),
        computed=_fits,
    ),
    "figure2.12": Experiment(
        "Wasserstein distance of two Gaussians that move apart",
        SOURCE + "figure 2.12",
        picture="curves",
        axes=("distance of the means", "Wasserstein distance"),
        computed=_transported,
    ),
    "figure2.10": _ring("2.10", "A GAN that covers the ring", "ring", {COVERED[0].label: 10}),
    "figure2.11": _ring(
        "2.11", "Five discriminator updates make it collapse", "ring_k5", {COVERED[0].label: 6}
    ),
    "figure2.14": _ring(
        "2.14",
        "WGAN-GP on the set-up that collapses",
        "ring_wgan_gp",
        {COVERED[0].label: "the shape, less precise"},
    ),
    "figure2.15": _ring(
        "2.15",
        "The Wasserstein estimate during training",
        "ring_wgan_gp",
        {"Discriminator loss": "decreases"},
        (TableRow("Discriminator loss", LOGGED + "discriminators/adv/{0}"),),
        "curves",
    ),
    "figure4.1": Experiment(
        "Distance of the generators' weights during training",
        SOURCE + "figure 4.1",
        "mnist2edge",
        PEN_SMOKE,
        {
            "full": dict(preset="mnist2edge", steps=4_000) | DCGAN,
            "cpu": EDGE["cpu"],
            "smoke": EDGE["smoke"],
        },
        (
            coupled("CoGAN", "cogan_weights", "", {"Weight distance": "grows slowly"}),
            Arm(
                "SCoGAN-FR",
                "fr_weights",
                {
                    "full": dict(feature_loss=10.0),
                    "cpu": dict(semantic_loss=0.0, feature_loss=10.0),
                    "smoke": dict(semantic_loss=0.0, feature_loss=10.0),
                },
                {"Weight distance": "grows faster"},
            ),
        ),
        (TableRow("Weight distance", GROWN + "generators/weight_distance"),),
        (),
        NUM,
        NOTE + " The distance has grown since the first line of the log: two generators that share "
        "no layer begin apart.",
        "curves",
        ("step", "growth of the L2 distance of the weights"),
        listing=listing,
    ),
    "figure7.1": Experiment(
        "Perceptual terms during training, faces",
        SOURCE + "figure 7.1",
        "celeb_smiling",
        PEN_SMOKE,
        FACES,
        (coupled("PL", "pl", "PL", {"Style": "constant"}),),
        (
            TableRow("Content", LOGGED + "generators/perceptual_content"),
            TableRow("Style", LOGGED + "generators/perceptual_style"),
        ),
        (),
        NUM,
        FACE_NOTE,
        "curves",
        ("step", "term, before its weight"),
        listing=listing,
    ),
}
