"""Does it learn? Minutes each: `python -m pytest -m slow`."""

import numpy as np
import pytest
import tiny

from gantrain.config import configure, resolve
from gantrain.data.domain import Domain
from gantrain.data.facades import facade_pairs
from gantrain.data.pairs import paired
from gantrain.data.ring import DEVIATION, centres
from gantrain.images import to_float
from gantrain.runs.train import fit
from gantrain.stages import prepare
from gantrain.use.samples import noise, samples


def trained(run_dir, domains=None, **options):
    session = prepare(
        resolve(configure({"run_dir": str(run_dir), "log_every": 1000} | options)), domains=domains
    )
    fit(session)
    return session


def modes(points, least=0.02):
    """Modes of the ring to which at least this share of the points is within four deviations."""
    distances = np.linalg.norm(points[:, None] - centres()[None], axis=-1)
    nearest = distances.argmin(1)[distances.min(1) < 4 * DEVIATION]
    return int((np.bincount(nearest, minlength=len(centres())) / len(points) >= least).sum())


@pytest.mark.slow
def test_the_toy_gan_covers_the_ring(tmp_path):
    """Figure 2.10: at least eight of the ten modes."""
    session = trained(tmp_path, preset="ring")
    (points,) = samples(session, noise(session, 2000))
    assert modes(points) >= 8


def blocks(count, place, seed):
    """Images of one bright quarter on a dark ground; the class says which quarter."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % 4
    images = rng.integers(0, 40, (count, 32, 32, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16, place] += 200
    return Domain("abc"[place], images, labels, tuple("0123"))


@pytest.mark.slow
def test_a_gan_overfits_one_batch(tmp_path):
    """Four images, one batch: the samples come to lie at these images."""
    domain = blocks(4, 0, 0)
    session = trained(
        tmp_path,
        [domain],
        gan_type="gan",
        dataset="tiny",
        net="compact",
        batch_size=4,
        steps=600,
        g_lr=1e-3,
        d_lr=1e-3,
        d_penalty="r1",
        penalty_weight=0.1,
        noise_dim=16,
        ema=0.9,
    )
    (made,) = samples(session, noise(session, 40))
    real = domain.images.astype(np.float32) / 127.5 - 1
    errors = np.abs(made[:, None] - real[None]).mean((2, 3, 4))
    # The four images lie 0.4 from each other, and 0.9 from a gray one.
    assert errors.min(1).mean() < 0.2
    assert len(set(errors.argmin(1))) >= 3


@pytest.mark.slow
def test_the_semantic_loss_couples_two_domains(tmp_path):
    """Quarters in red and in green: coupled by a classifier, they agree; uncoupled, by chance."""
    domains = [blocks(400, place, place) for place in range(2)]
    options = dict(
        gan_type="scogan",
        dataset="tiny",
        net="compact",
        batch_size=16,
        steps=1_000,
        lr_decay=0.3,
        loss="non_saturating",
        d_penalty="r1",
        penalty_weight=0.1,
        n_critic=1,
        g_lr=1e-3,
        d_lr=1e-3,
        noise_dim=16,
        noise_categories=4,
        ema=0.9,
        classifier_net="compact",
        classifier_steps=200,
    )

    def agreement(session):
        made = samples(session, noise(session, 400))
        # The quarter is read off the pixels: no classifier of the program takes part.
        quarters = [
            np.stack(
                [
                    image[:, 16 * r : 16 * r + 16, 16 * c : 16 * c + 16, place].mean((1, 2))
                    for r in range(2)
                    for c in range(2)
                ],
                -1,
            ).argmax(-1)
            for place, image in enumerate(made)
        ]
        used = [len(set(q)) for q in quarters]
        return (quarters[0] == quarters[1]).mean(), min(used)

    share, used = agreement(
        trained(
            tmp_path / "coupled", domains, semantic_loss=1.0, semantic_form="agreement", **options
        )
    )
    assert share > 0.75 and used == 4
    chance, _ = agreement(trained(tmp_path / "apart", domains, seed=1, **options))
    assert chance < 0.6


@pytest.mark.slow
def test_half_a_run_resumed_learns_like_a_whole_one(tmp_path):
    """Beyond bit equality over four steps: hundreds of steps, averages and checkpoints between."""
    whole = trained(tmp_path / "whole", preset="ring", steps=400, ema=0.99)
    trained(tmp_path / "half", preset="ring", steps=200, ema=0.99)
    half = trained(tmp_path / "half", preset="ring", steps=400, ema=0.99)
    for one, other in zip(
        tiny.values(whole.trainer.variables()), tiny.values(half.trainer.variables()), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("generator", ["unet", "unetpp", "resnet6", "resnet9"])
def test_a_generator_with_skips_overfits_one_paired_batch(tmp_path, generator):
    """Four facades at 64 pixels: L1 below 0.05 on the pairs it was trained on."""
    plans, pictures = facade_pairs(4, 0, 64)
    domains = paired(Domain("plan", plans), Domain("facade", pictures))
    session = trained(
        tmp_path,
        domains,
        gan_type="pix2pix",
        dataset="plan2facade",
        image_size=64,
        load_size=64,
        flip=False,
        generator=generator,
        width=0.25,
        dropout=0.0,
        norm="instance",
        batch_size=4,
        steps=1500,
        adversarial_weight=0.0,
        g_lr=1e-3,
    )
    x, y = (to_float(d.images) for d in domains)
    assert float(session.trainer.measure(x, y)["l1"]) < 0.05


@pytest.mark.slow
def test_without_skips_the_same_budget_leaves_it_blurred(tmp_path):
    """Honours project, figure 13: what passes through one pixel loses the fine places."""
    errors = {}
    plans, pictures = facade_pairs(200, 0, 64)
    domains = paired(Domain("plan", plans), Domain("facade", pictures))
    for generator in ("unet", "unet_noskip"):
        session = trained(
            tmp_path / generator,
            domains,
            gan_type="pix2pix",
            dataset="plan2facade",
            image_size=64,
            load_size=64,
            flip=False,
            generator=generator,
            width=0.25,
            batch_size=4,
            steps=600,
            adversarial_weight=0.0,
        )
        x, y = (to_float(d.images[:40]) for d in domains)
        errors[generator] = float(session.trainer.measure(x, y)["ssim"])
    assert errors["unet"] > errors["unet_noskip"] + 0.02
