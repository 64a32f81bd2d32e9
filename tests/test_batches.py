"""Batches are a function of the seed and the step: order, coverage, replicas, streaming."""

import itertools

import cv2
import numpy as np
import pytest
import tensorflow as tf

from gantrain.data.batches import PREFETCH, Batches
from gantrain.data.domain import Domain, FileImages
from gantrain.errors import UserError
from gantrain.images import to_float

SEED, BATCH, PER_STEP = 5, 6, 3


def numbered(count, channels=1, side=4, name="numbered"):
    """A domain whose labels are the indices of its images."""
    pixels = np.random.default_rng(count).integers(
        0, 256, (count, side, side, channels), dtype=np.uint8
    )
    return Domain(name, pixels, np.arange(count, dtype=np.int32))


def on_disk(domain, folder):
    """The same domain as files that are decoded while training."""
    paths = [folder / f"{number:04}.png" for number in range(domain.size)]
    for path, pixels in zip(paths, domain.images, strict=True):
        cv2.imwrite(str(path), pixels[..., ::-1])
    files = FileImages(paths, domain.shape[0], domain.shape[-1])
    return Domain(domain.name, files, domain.labels, domain.classes)


def drawn(batches, steps, start=0):
    """The batches of some iterations, as lists over steps of lists over domains."""
    hosts = batches.host(start)
    return [
        batches.batch(tf.constant(step, tf.int64), next(hosts))
        for step in range(start, start + steps)
    ]


def assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first.images, second.images)
            np.testing.assert_array_equal(first.labels, second.labels)


def test_shapes_types_and_range():
    attributes = Domain(
        "faces",
        np.full((9, 5, 5, 3), 255, np.uint8),
        np.ones((9, 13), np.uint8),
        tuple(map(str, range(13))),
    )
    unlabelled = Domain("plain", np.zeros((7, 4, 4, 1), np.uint8))
    points = Domain("points", np.arange(10, dtype=np.float32).reshape(5, 2))
    batches = Batches([attributes, unlabelled, points], BATCH, PER_STEP, SEED)
    faces, plain, plane = batches.batch(tf.constant(0, tf.int64))
    assert faces.images.shape == (PER_STEP, BATCH, 5, 5, 3) and faces.images.dtype == tf.float32
    assert faces.labels.shape == (PER_STEP, BATCH, 13) and faces.labels.dtype == tf.uint8
    assert tf.reduce_all(faces.images == 1.0) and tf.reduce_all(plain.images == -1.0)
    assert plain.labels is None and plane.labels is None
    assert plane.images.shape == (PER_STEP, BATCH, 2) and plane.images.dtype == tf.float32
    assert set(plane.images.numpy().ravel()) <= set(range(10))


def test_labels_travel_with_their_images():
    domain = numbered(50, channels=3)
    ((batch,),) = drawn(Batches([domain], BATCH, PER_STEP, SEED), 1)
    expected = to_float(domain.images[batch.labels.numpy()])
    np.testing.assert_array_equal(batch.images, expected)
    assert batch.labels.dtype == tf.int32


def test_a_batch_is_a_function_of_seed_and_step():
    domains = [numbered(50), numbered(40)]
    first = drawn(Batches(domains, BATCH, PER_STEP, SEED), 4)
    again = drawn(Batches(domains, BATCH, PER_STEP, SEED), 4)
    other = drawn(Batches(domains, BATCH, PER_STEP, SEED + 1), 4)
    assert_same(first, again)
    assert not np.array_equal(first[0][0].labels, other[0][0].labels)
    assert not np.array_equal(first[0][0].labels, first[1][0].labels)


@pytest.mark.parametrize("seed", (0, 1, 2**31, 2**32, 2**40, -1, -7))
def test_any_seed_gives_its_own_order(seed):
    orders = [
        Batches([numbered(60)], BATCH, PER_STEP, value).indices(0, tf.range(60, dtype=tf.int64))
        for value in (seed, 3)
    ]
    assert not np.array_equal(*orders)
    assert sorted(orders[0].numpy()) == list(range(60))


@pytest.mark.parametrize("count", (1, 2, 3, 5, 16, 17, 97, 1000, 60_000))
def test_every_epoch_covers_each_index_once(count):
    batches = Batches([numbered(count, side=1)], BATCH, PER_STEP, SEED)
    epochs = batches.indices(0, tf.range(3 * count, dtype=tf.int64)).numpy().reshape(3, count)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(count), (3, 1)))
    if count > 10:
        assert not np.array_equal(epochs[0], epochs[1])


def test_batches_follow_each_other_through_the_epochs():
    """An epoch ends inside a batch, and the next begins there: nothing is left out."""
    count, steps = 25, 25
    sequence = np.concatenate(
        [batch.labels.numpy().ravel() for (batch,) in
         drawn(Batches([numbered(count)], BATCH, PER_STEP, SEED), steps)]
    )  # fmt: skip
    epochs = sequence.reshape(-1, count)
    assert len(epochs) == BATCH * PER_STEP
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(count), (len(epochs), 1)))


def test_domains_are_shuffled_differently():
    batches = Batches([numbered(500), numbered(500)], BATCH, PER_STEP, SEED)
    positions = tf.range(500, dtype=tf.int64)
    left, right = (batches.indices(number, positions).numpy() for number in (0, 1))
    assert (left == right).sum() < 10
    # A shift or a reversal of one another would be no better.
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.2


def test_the_order_is_as_even_as_chance():
    """Over many epochs each index is at each place, and followed by each other, equally often."""
    count, epochs = 16, 4000
    batches = Batches([numbered(count)], BATCH, PER_STEP, SEED)
    orders = batches.indices(0, tf.range(count * epochs, dtype=tf.int64)).numpy()
    orders = orders.reshape(epochs, count)
    places = np.stack([np.bincount(column, minlength=count) for column in orders.T])
    expected = epochs / count
    chi_squared = ((places - expected) ** 2 / expected).sum()
    freedom = (count - 1) ** 2
    assert abs(chi_squared - freedom) < 5 * np.sqrt(2 * freedom)
    steps = (orders[:, 1:] - orders[:, :-1]) % count
    followers = np.bincount(steps.ravel(), minlength=count)[1:]
    np.testing.assert_allclose(followers, epochs, rtol=0.08)


@pytest.mark.parametrize("replicas", (2, 3))
def test_replicas_partition_the_global_batch(tmp_path, replicas):
    domains = [numbered(50), on_disk(numbered(30, channels=3), tmp_path)]
    batches = Batches(domains, BATCH, PER_STEP, SEED)
    step, host = tf.constant(3, tf.int64), next(batches.host(3))
    whole = batches.batch(step, host)
    shares = [
        batches.batch(step, host, tf.constant(replica), replicas) for replica in range(replicas)
    ]
    for number, domain in enumerate(whole):
        parts = [share[number] for share in shares]
        assert parts[0].images.shape[1] == BATCH // replicas
        np.testing.assert_array_equal(tf.concat([part.images for part in parts], 1), domain.images)
        np.testing.assert_array_equal(tf.concat([part.labels for part in parts], 1), domain.labels)


def test_replicas_of_a_strategy_hold_the_set_and_draw_their_share(tmp_path):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    if len(devices) < 2:
        pytest.skip("needs two logical devices")
    strategy = tf.distribute.MirroredStrategy(
        devices[:2], cross_device_ops=tf.distribute.HierarchicalCopyAllReduce()
    )
    domains = [numbered(50), on_disk(numbered(30, channels=3), tmp_path)]
    with strategy.scope():
        batches = Batches(domains, BATCH, PER_STEP, SEED)

    def share(step, host):
        context = tf.distribute.get_replica_context()
        return batches.batch(
            step, host, context.replica_id_in_sync_group, context.num_replicas_in_sync
        )

    step, host = tf.constant(3, tf.int64), next(batches.host(3))
    shares = tf.function(lambda step, host: strategy.run(share, (step, host)))(step, host)
    whole = Batches(domains, BATCH, PER_STEP, SEED).batch(step, host)
    for parts, domain in zip(shares, whole, strict=True):
        for part, expected in zip(parts, domain, strict=True):
            together = tf.concat(strategy.experimental_local_results(part), 1)
            np.testing.assert_array_equal(together, expected)


def test_a_batch_that_does_not_divide_is_refused():
    batches = Batches([numbered(50)], BATCH, PER_STEP, SEED)
    with pytest.raises(UserError, match="--batch_size 6 .* 4 devices"):
        batches.batch(tf.constant(0, tf.int64), replica=0, replicas=4)


def test_an_empty_domain_is_refused():
    with pytest.raises(UserError, match="numbered is empty"):
        Batches([numbered(0)], BATCH, PER_STEP, SEED)


@pytest.mark.parametrize("xla", (False, True))
def test_compiled_equals_eager(xla):
    batches = Batches([numbered(50), numbered(33, side=5)], BATCH, PER_STEP, SEED)
    compiled = tf.function(batches.batch, jit_compile=xla)
    steps = [tf.constant(step, tf.int64) for step in (0, 7, 123_456_789_012)]
    assert_same([compiled(step) for step in steps], [batches.batch(step) for step in steps])
    assert compiled.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("channels", (1, 3))
def test_streamed_equals_in_memory(tmp_path, channels):
    memory = numbered(23, channels, side=5)
    disk = on_disk(memory, tmp_path)
    in_memory = Batches([memory, memory], BATCH, PER_STEP, SEED)
    streamed = Batches([memory, disk], BATCH, PER_STEP, SEED)
    compiled = tf.function(streamed.batch)
    hosts = streamed.host(0)
    for step in (tf.constant(step, tf.int64) for step in range(PREFETCH + 2)):
        assert_same([compiled(step, next(hosts))], [in_memory.batch(step)])
    hosts.close()


def test_host_resumes_anywhere(tmp_path):
    batches = Batches([on_disk(numbered(23), tmp_path)], BATCH, PER_STEP, SEED)
    straight = list(itertools.islice(batches.host(0), 12))
    resumed = list(itertools.islice(batches.host(9), 3))
    for (one,), (other,) in zip(straight[9:], resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_host_has_nothing_to_do_for_sets_in_memory():
    assert list(itertools.islice(Batches([numbered(9)], 3, 1, 0).host(4), 3)) == [(), (), ()]


def test_an_image_that_breaks_while_streaming_is_named(tmp_path):
    batches = Batches([on_disk(numbered(6), tmp_path)], BATCH, PER_STEP, SEED)
    (tmp_path / "0004.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="0004.png"):
        list(itertools.islice(batches.host(0), 2))
