"""Latent inversion: closed forms on linear generators, categories, starts, runs and files."""

import contextlib
import io

import cv2
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
import tiny

from gantrain import images, latent
from gantrain.commands import COMMANDS
from gantrain.core import RuntimeOptions
from gantrain.inversion import Inverter, cross_domain, encoder_of, generators_of
from gantrain.main import main
from gantrain.nets import NoiseNets
from gantrain.noise import Draw
from gantrain.runtime import start
from gantrain.stages import open_run, prepare
from gantrain.use.directions import directions, translation
from gantrain.use.samples import noise, samples

NORMAL, UNIFORM = NoiseNets(noise_dim=5, noise_type="normal"), NoiseNets(noise_dim=5)
CLASSES = NoiseNets(noise_dim=4, noise_categories=3)


@pytest.fixture(scope="module")
def compiler():
    return start(RuntimeOptions(), 0).function


def matrix(prior, seed=0, pixels=12):
    """Orthogonal columns of different lengths, so that the way down is no mere sign."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((pixels, latent.size(prior))))[0]
    return (q * rng.uniform(0.5, 1.5, latent.size(prior))).astype(np.float32)


def invert(generator, x, prior, compile, start=None, **options):
    """One batch by an inverter of its own."""
    return Inverter(generator, prior, compile, **options)(x, start)


def linear(a):
    """G(z) = A z as images of 2 x 3 x 2."""
    return lambda z: tf.reshape(tf.matmul(z, a, transpose_b=True), (-1, 2, 3, 2))


def draws(prior, count, seed=7):
    return np.asarray(latent.prior(prior, Draw(seed, tf.constant(0, tf.int64), count)))


# ---------------------------------------------------------------------------------- closed forms


def test_least_squares(compiler):
    """Images off the range of a linear generator: z* and the error that remains are known."""
    a, rng = matrix(NORMAL), np.random.default_rng(1)
    x = rng.uniform(-0.6, 0.6, (6, 2, 3, 2)).astype(np.float32)
    flat = x.reshape(6, -1).T
    expected = np.linalg.lstsq(a, flat, rcond=None)[0]
    assert np.abs(expected).max() < latent.NORMAL_BOUND
    found = invert(linear(a), x, NORMAL, compiler, candidates=100, restarts=5)
    np.testing.assert_allclose(found.z, expected.T, atol=2e-3)
    rest = np.sqrt(np.mean((a @ expected - flat) ** 2, axis=0))
    assert rest.min() > 0.05
    np.testing.assert_allclose(found.error, rest, rtol=1e-4)


def test_bounded_least_squares(compiler):
    """Where the free solution lies outside the prior, z* is that of scipy with bounds."""
    a = np.random.default_rng(3).standard_normal((12, 5)).astype(np.float32)
    x = (a @ (1.6 * draws(UNIFORM, 8)).T).T.reshape(-1, 2, 3, 2)
    found = invert(linear(a), x, UNIFORM, compiler)
    assert np.abs(found.z).max() == 1.0
    for z, image in zip(found.z, x.reshape(8, -1), strict=True):
        np.testing.assert_allclose(
            z, scipy.optimize.lsq_linear(np.float64(a), image, (-1.0, 1.0)).x, atol=5e-3
        )


@pytest.mark.parametrize("prior", (UNIFORM, NORMAL, CLASSES))
def test_what_a_generator_made_is_found_again(prior, compiler):
    # Of a normal an inversion looks where nearly all draws lie.
    a, z = matrix(prior), np.asarray(latent.nearest(prior, draws(prior, 9)))
    found = invert(linear(a), linear(a)(z), prior, compiler)
    np.testing.assert_allclose(found.z, z, atol=5e-3)
    assert found.error.max() < 2e-3
    assert found.z.dtype == found.error.dtype == np.float32


# ------------------------------------------------------------------------------------ categories


def trap(z):
    """The noise of every category makes the same images but for a shift that only its own has."""
    shift = tf.matmul(z[:, :3], [[0.4, 0.0, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 0.4]])
    return tf.reshape(tf.concat([shift, 2.0 * z[:, 3:]], axis=1), (-1, 7, 1, 1))


def test_every_category_gets_a_path(compiler):
    """One candidate a category, so far from the image that the nearest is of a wrong one."""
    z = draws(CLASSES, 40)
    alone = invert(trap, trap(z), CLASSES, compiler, candidates=3, restarts=3, steps=200)
    np.testing.assert_array_equal(alone.z[:, :3], z[:, :3])
    np.testing.assert_allclose(alone.z, z, atol=5e-3)


def test_a_category_stays_what_it_was(compiler):
    z = draws(CLASSES, 20)
    found = invert(trap, trap(z) + 0.3, CLASSES, compiler, restarts=2, steps=50)
    assert set(np.unique(found.z[:, :3])) == {0.0, latent.CATEGORY}
    np.testing.assert_array_equal((found.z[:, :3] > 0).sum(1), 1)


def test_paths_begin_at_the_nearest_candidates_of_all_categories(compiler):
    a, x = matrix(CLASSES), draws(NoiseNets(noise_dim=12), 4).reshape(-1, 2, 3, 2)
    inverter = Inverter(linear(a), CLASSES, compiler, candidates=300, restarts=3)
    assert inverter.candidates.shape == (3, 100, 7)
    starts = np.asarray(inverter._starts(tf.constant(x), None))
    made = np.asarray(inverter.candidates) @ a.T
    for image, own in zip(x.reshape(4, -1), starts, strict=True):
        distances = np.mean((made - image) ** 2, axis=-1)
        nearest = [inverter.candidates[c, n] for c, n in enumerate(distances.argmin(1))]
        order = np.argsort(distances.min(1))
        np.testing.assert_array_equal(own, np.stack(nearest)[order])


@pytest.mark.parametrize("prior, restarts", ((UNIFORM, 7), (CLASSES, 7), (CLASSES, 1)))
def test_any_number_of_paths(prior, restarts, compiler):
    inverter = Inverter(linear(matrix(prior)), prior, compiler, candidates=50, restarts=restarts)
    starts = np.asarray(inverter._starts(tf.zeros((2, 2, 3, 2)), None))
    assert starts.shape == (2, restarts, latent.size(prior))
    assert len(np.unique(starts[0], axis=0)) == restarts


def test_every_category_equally_often():
    z = np.asarray(latent.every_category(CLASSES, Draw(0, tf.constant(0, tf.int64), 6)))
    assert z.shape == (3, 6, 7)
    np.testing.assert_array_equal(z[:, :, :3], latent.CATEGORY * np.eye(3)[:, None].repeat(6, 1))
    np.testing.assert_array_equal(z[0, :, 3:], z[2, :, 3:])
    assert len(np.unique(z[0, :, 3])) == 6
    plain = latent.every_category(UNIFORM, Draw(0, tf.constant(0, tf.int64), 6))
    assert plain.shape == (1, 6, 5)


def test_the_nearest_point_of_the_support():
    z = np.array([[0.3, 0.9, -4.0, 1.5, -0.5, -7.0, 0.0]], np.float32)
    np.testing.assert_array_equal(latent.nearest(CLASSES, z), [[0, 2, 0, 1, -0.5, -1, 0]])
    np.testing.assert_array_equal(
        latent.nearest(NORMAL, z[:, :5]), np.array([[0.3, 0.9, -3, 1.5, -0.5]], np.float32)
    )
    inside = draws(CLASSES, 5)
    np.testing.assert_array_equal(latent.nearest(CLASSES, inside), inside)


# ---------------------------------------------------------------------------------- the descent


def bumpy(z):
    """A generator that is not linear, with more than one valley."""
    return tf.reshape(tf.sin(3.0 * tf.matmul(z, matrix(UNIFORM), transpose_b=True)), (-1, 2, 3, 2))


def test_more_steps_and_more_paths_find_lower_errors(compiler):
    x = bumpy(draws(UNIFORM, 30))
    error = {
        key: invert(
            bumpy, x, UNIFORM, compiler, steps=key[0], restarts=key[1], candidates=100
        ).error
        for key in ((1, 1), (20, 1), (300, 1), (300, 8))
    }
    assert error[20, 1].mean() < 0.7 * error[1, 1].mean()
    assert error[300, 1].mean() < 0.5 * error[20, 1].mean()
    assert error[300, 8].mean() < 0.8 * error[300, 1].mean()


def test_no_path_ends_above_its_start(compiler):
    """Also where the rate is much too large: the lowest point of the path is kept."""
    x = bumpy(draws(UNIFORM, 20))
    inverter = Inverter(bumpy, UNIFORM, compiler, steps=7, rate=5.0, restarts=1)
    start = np.asarray(inverter._starts(x, None))[:, 0]
    before = np.sqrt(np.mean((np.asarray(bumpy(start)) - x) ** 2, axis=(1, 2, 3)))
    found = inverter(x)
    assert np.all(found.error <= before + 1e-6)
    np.testing.assert_allclose(
        found.error,
        np.sqrt(np.mean((np.asarray(bumpy(found.z)) - x) ** 2, axis=(1, 2, 3))),
        atol=1e-6,
    )


def test_the_first_step_is_that_of_adam(compiler):
    """rate * sign(gradient): both moments are corrected for their start from zero."""
    a, x = matrix(UNIFORM), draws(NoiseNets(noise_dim=12), 6).reshape(-1, 2, 3, 2)
    start = 0.5 * draws(UNIFORM, 6, seed=8)
    gradient = (start @ a.T - x.reshape(6, -1)) @ a
    found = invert(linear(a), x, UNIFORM, compiler, start=start, steps=1, restarts=1, rate=0.02)
    np.testing.assert_allclose(found.z, start - 0.02 * np.sign(gradient), atol=1e-5)


def test_the_seed_decides_where_paths_begin(compiler):
    x = bumpy(draws(UNIFORM, 5))
    one, two, other = (
        invert(bumpy, x, UNIFORM, compiler, steps=3, restarts=2, seed=seed) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one.z, two.z)
    assert not np.array_equal(one.z, other.z)


def test_images_do_not_change_each_other(compiler, monkeypatch):
    """Alone, together, and in parts that memory allows: the same z."""
    x = bumpy(draws(UNIFORM, 7))
    inverter = Inverter(bumpy, UNIFORM, compiler, steps=30, restarts=4, candidates=40)
    together = inverter(x)
    monkeypatch.setattr("gantrain.inversion.PIXELS", 6 * 4 * 3)
    parts = inverter(x)
    for found in (parts, inverter(x[2:3])):
        rows = slice(None) if len(found.z) == 7 else slice(2, 3)
        np.testing.assert_allclose(found.z, together.z[rows], atol=1e-4)
        assert found.z.shape == together.z[rows].shape


def test_a_start_begins_a_path(compiler):
    """The only path: no step moves off a perfect start. One of several: it wins."""
    z = draws(UNIFORM, 6)
    x = bumpy(z)
    for restarts in (1, 4):
        found = invert(bumpy, x, UNIFORM, compiler, start=z, steps=5, restarts=restarts)
        np.testing.assert_allclose(found.z, z, atol=1e-6)
    assert invert(bumpy, x, UNIFORM, compiler, steps=5).error.min() > 0.01
    # From outside of the prior: what begins is the nearest point inside.
    inverter = Inverter(bumpy, UNIFORM, compiler, restarts=1)
    np.testing.assert_array_equal(inverter._starts(x, 9.0 * z)[:, 0], np.clip(9 * z, -1, 1))


# --------------------------------------------------------------------------------- cross domains


def test_all_domains_see_the_same_z(compiler):
    a, b = matrix(UNIFORM), matrix(UNIFORM, seed=5)
    z, traces = draws(UNIFORM, 10), []

    def noted(z):
        traces.append(z.shape)
        return linear(b)(z)

    stream = iter(np.split(np.asarray(linear(b)(z)), [4, 8]))
    made = list(cross_domain([linear(a), noted], 1, stream, UNIFORM, compiler))
    assert len({str(shape) for shape in traces}) == 4  # candidates, ten and three paths, images
    assert [len(crossed.z) for crossed in made] == [4, 4, 2]
    for k, own in enumerate((a, b)):
        together = np.concatenate([crossed.images[k] for crossed in made])
        np.testing.assert_allclose(together, linear(own)(z), atol=1e-2)
    assert max(crossed.error.max() for crossed in made) < 5e-3


def test_the_encoder_gives_the_start(compiler):
    z = draws(UNIFORM, 3)
    options = dict(steps=1, restarts=1, rate=0.0)
    (made,) = cross_domain(
        [bumpy], 0, [bumpy(z)], UNIFORM, compiler, encoder=lambda x: tf.constant(z), **options
    )
    np.testing.assert_allclose(made.z, z, atol=1e-6)
    (without,) = cross_domain([bumpy], 0, [bumpy(z)], UNIFORM, compiler, **options)
    assert np.abs(without.z - z).max() > 0.1


# ------------------------------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def coupled(tmp_path_factory):
    """The directory of a finished run with an encoder and categories."""
    path = tmp_path_factory.mktemp("coupled") / "run"
    options = dict(
        gan_type="scogan",
        dataset="tiny",
        net="plain",
        width=tiny.WIDTH,
        batch_size=4,
        noise_dim=6,
        n_critic=1,
        steps=2,
        log_every=2,
        cycle_loss=1,
        noise_categories=2,
        run_dir=path,
    )
    tf.config.run_functions_eagerly(True)
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([w for k, v in options.items() for w in (f"--{k}", str(v))]) == 0
    tf.config.run_functions_eagerly(False)
    return path


def test_the_translator_of_a_run_finds_its_own_images(coupled):
    session = open_run(coupled)
    z = noise(session, 5, seed=3)
    a, b = samples(session, z)
    way = translation(session, "a2b")
    assert way.channels == 3 and way.errors == []
    np.testing.assert_allclose(way.apply(a), b, atol=0.05)
    assert len(way.errors) == 5 and max(way.errors) < 0.02
    back = translation(session, "b2a").apply(b)
    assert np.abs(back - a).mean() < np.abs(back - b).mean()


def test_images_of_other_sizes_come_back_in_their_size(coupled):
    session = open_run(coupled)
    (a, _) = samples(session, noise(session, 2, seed=3))
    large = np.stack([images.scale(image, 96, 64) for image in a])
    way = translation(session, steps=20)
    made = way.apply(large)
    assert made.shape == (2, 96, 64, 3) and made.dtype == np.float32
    assert np.abs(made).max() <= 1.0


def test_the_encoder_and_the_averaged_generators_of_the_run(coupled, tmp_path):
    session = open_run(coupled)
    (encoder,) = [c.encoder for c in session.trainer.couplings]
    x = samples(session, noise(session, 3))[0]
    np.testing.assert_array_equal(encoder_of(session.trainer)(x), encoder(x, training=False))
    session = prepare(tiny.config(tmp_path / "run", gan_type="cogan", net="plain", ema=0.5))
    assert encoder_of(session.trainer) is None
    z = noise(session, 3)
    for generator, made in zip(generators_of(session.trainer), samples(session, z), strict=True):
        np.testing.assert_allclose(generator(z), made, atol=1e-6)
    for shadow in session.trainer.averages[0].networks:
        for v in shadow.variables:
            v.assign(tf.zeros_like(v))
    assert not np.any(generators_of(session.trainer)[0](z))


def test_any_number_of_domains(tmp_path):
    session = prepare(tiny.config(tmp_path / "run", dataset="tiny3", gan_type="cogan", net="plain"))
    for generator, v in zip(session.trainer.G, (0.1, 0.2, 0.3), strict=True):
        generator.trainable_variables[-1].assign(v * tf.ones(3))
        generator.trainable_variables[-2].assign(0.0 * generator.trainable_variables[-2])
    x = np.zeros((1, 32, 32, 3), np.float32)
    for direction, v in (("a2b", 0.2), ("c2a", 0.1), ("b2c", 0.3)):
        made = translation(session, direction, steps=1, restarts=1).apply(x)
        np.testing.assert_allclose(made, np.tanh(v), atol=1e-6)
    tiny.refused(lambda: translation(session, "a2d"), "--direction a2d", "a2b, a2c, b2a, b2c, c2a")


def test_a_translator_starts_from_the_encoder(coupled, monkeypatch):
    session = open_run(coupled)
    z = noise(session, 4, seed=9)
    monkeypatch.setattr(
        "gantrain.use.directions.encoder_of", lambda trainer: lambda x: tf.constant(z)
    )
    options = dict(steps=1, restarts=1, rate=0.0)
    way = translation(session, "b2a", **options)
    np.testing.assert_allclose(way.apply(samples(session, z)[1]), samples(session, z)[0], atol=1e-5)
    assert max(way.errors) < 1e-5


def test_letters_follow_the_data_set(tmp_path, monkeypatch):
    """A run of b2a has the second domain of its set as its first."""
    session = prepare(tiny.config(tmp_path / "run", gan_type="cyclegan", direction="b2a"))
    for domain, name in zip(session.domains, ("photo", "map"), strict=True):
        monkeypatch.setitem(domain.__dict__, "name", name)
    assert directions(session) == {
        "b2a": (0, 1),
        "a2b": (1, 0),
        "photo2map": (0, 1),
        "map2photo": (1, 0),
    }
    ways, x = session.trainer.translators(), np.zeros((1, 32, 32, 3), np.float32)
    np.testing.assert_allclose(
        translation(session, "map2photo").apply(x), ways["a2b"](x), atol=1e-5
    )


def test_names_of_two_domains(coupled, monkeypatch):
    session = open_run(coupled)
    for domain, name in zip(session.domains, ("mnist2edge", "street"), strict=True):
        monkeypatch.setitem(domain.__dict__, "name", name)
    ways = directions(session)
    assert list(ways) == ["a2b", "b2a", "mnist2edge2street", "street2mnist2edge"]
    assert list(ways.values()) == [(0, 1), (1, 0)] * 2


@pytest.mark.parametrize(
    "kind, direction", (("cyclegan", "a2b"), ("cyclegan", "b2a"), ("pix2pix", "b2a"))
)
def test_translation_trainers_take_names_too(kind, direction, tmp_path):
    session = prepare(tiny.config(tmp_path / "run", gan_type=kind, direction=direction))
    source, target = (d.name for d in session.domains)
    assert f"{source}2{target}" == direction
    ways = session.trainer.translators()
    x = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    for name in ways:
        np.testing.assert_allclose(translation(session, name).apply(x), ways[name](x), atol=1e-5)
    tiny.refused(lambda: translation(session, "a2c"), "--direction a2c", "a2b, b2a")


def test_files_through_a_coupled_run(coupled, tmp_path, capsys):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    rng = np.random.default_rng(0)
    cv2.imwrite(str(source / "a.png"), rng.integers(0, 256, (45, 30, 4), dtype=np.uint8))
    cv2.imwrite(str(source / "large.png"), np.zeros((800, 900), np.uint8))
    argv = [
        "translate",
        "--run_dir",
        str(coupled),
        "--input",
        str(source),
        "--output",
        str(output),
        "--direction",
        "b2a",
        "--steps",
        "5",
        "--restarts",
        "2",
    ]
    assert main(argv) == 0
    said = capsys.readouterr().out
    # Whole, though one is larger than what a network without a fixed size sees at once.
    assert "2 written, 0 skipped" in said and "[-1, 1]) of 2 images: mean 0." in said
    assert cv2.imread(str(output / "a.png"), cv2.IMREAD_UNCHANGED).shape == (45, 30, 4)
    assert cv2.imread(str(output / "large.png")).shape == (800, 900, 3)
    for extra, parts in (
        (["--tile", "64"], ["--tile", "scogan"]),
        (["--direction", "a2street"], ["--direction a2street", "a2b, b2a"]),
    ):
        assert main([*argv, *extra]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and all(part in message for part in parts)


def test_the_defaults_of_the_command_are_those_of_the_module():
    from gantrain import inversion

    o = COMMANDS["translate"][1]()
    assert (o.steps, o.restarts) == (inversion.STEPS, inversion.RESTARTS)


def test_runs_that_translate_nothing(tmp_path):
    alone = prepare(tiny.config(tmp_path / "gan", gan_type="gan", net="plain", domains="a"))
    tiny.refused(lambda: translation(alone), "a gan of a translates no images")
    classifier = prepare(tiny.config(tmp_path / "c", gan_type="classifier"))
    tiny.refused(lambda: translation(classifier), "a classifier", "pix2pix, cyclegan")
