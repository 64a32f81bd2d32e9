"""The pool of generated images, against its rule written out for one image at a time."""

import numpy as np
import pytest
import tensorflow as tf

from gantrain.noise import Draw
from gantrain.terms.pool import ImagePool


def draw(step, count):
    return Draw(7, tf.constant(step, tf.int64), count)


def images(step, count):
    """Images that say which they are."""
    values = 10.0 * step + np.arange(count)
    return tf.constant(np.broadcast_to(values[:, None, None, None], (count, 2, 2, 3)), tf.float32)


def numbers(batch):
    return np.asarray(batch)[:, 0, 0, 0].tolist()


def by_hand(size, steps, count):
    """Shrivastava et al.: what a discriminator sees, with the same chances."""
    pool, seen = [], []
    for step in range(steps):
        d = draw(step, count)
        chances, places = d.everyone().numpy(), d.everyone().numpy()
        for n, image in enumerate(numbers(images(step, count))):
            if len(pool) < size:
                pool.append(image)
                seen.append(image)
            elif chances[n] < 0.5:
                place = int(np.float32(places[n]) * np.float32(size))
                seen.append(pool[place])
                pool[place] = image
            else:
                seen.append(image)
    return pool, seen


@pytest.mark.parametrize("count", [1, 3])
def test_the_pool_follows_its_rule(count):
    pool, steps = ImagePool(5, (2, 2, 3)), 60
    exchange = tf.function(lambda x, step: pool.exchange(x, Draw(7, step, count)))
    seen = [
        n
        for step in range(steps)
        for n in numbers(exchange(images(step, count), tf.constant(step, tf.int64)))
    ]
    kept, expected = by_hand(5, steps, count)
    assert seen == expected
    assert numbers(pool.images.value) == kept
    # Old and new images both come back.
    fresh = [n for step in range(steps) for n in numbers(images(step, count))]
    share = np.mean(np.array(seen[5:]) == np.array(fresh[5:]))
    assert 0.3 < share < 0.7


def test_no_pool_hands_every_image_on():
    pool = ImagePool(0, (2, 2, 3))
    x = images(3, 2)
    assert pool.variables == [] and pool.exchange(x, draw(0, 2)) is x


def test_no_gradient_passes_through_the_pool():
    pool, x = ImagePool(2, (2, 2, 3)), images(1, 1)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(pool.exchange(x, draw(0, 1)))
    assert tape.gradient(total, x) is None
