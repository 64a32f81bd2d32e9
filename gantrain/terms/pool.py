"""A pool of generated images: discriminators see the generator's past beside its present."""

from __future__ import annotations

from gantrain.deferred import keras, tf
from gantrain.noise import Draw
from gantrain.variables import assign


class ImagePool:
    """History of generated images (Shrivastava et al. 2017, section 2.3; CycleGAN, section 4).

    Until the pool is full every image enters it and is handed on. From then on an image is handed
    on as it is with probability 1/2; else an image drawn from the pool goes in its stead and it
    takes that one's place.

    The images are variables, so that the exchange is part of the compiled step and of every
    checkpoint. Replicas exchange the images of the global batch together, each with the same
    random numbers, and their pools stay equal.

    Args:
        size: images kept; 0 hands every image on.
        shape: (H, W, C) of an image.
    """

    def __init__(self, size: int, shape: tuple[int, ...]):
        self.size, self.variables = size, []
        if size:
            self.images = keras.Variable(
                tf.zeros((size, *shape)),
                dtype="float32",
                trainable=False,
                autocast=False,
                name="pool",
            )
            self.count = keras.Variable(0, dtype="int64", trainable=False, name="pool_count")
            self.variables = [self.images, self.count]

    def exchange(self, images: tf.Tensor, draw: Draw) -> tf.Tensor:
        """What the discriminator sees in the place of `images`.

        Args:
            images: float32 [B, H, W, C], this replica's part of the batch.
            draw: `gantrain.game.Draw`.

        Returns:
            float32 [B, H, W, C].
        """
        if not self.size:
            return images
        images = tf.cast(tf.stop_gradient(images), tf.float32)
        chances, places = draw.everyone(), draw.everyone()
        pool, count = tf.identity(self.images.value), tf.identity(self.count.value)
        handed = []
        # One after the other: an image may come back within its own batch.
        for n, image in enumerate(tf.unstack(draw.gather(images))):
            filling = count < self.size
            place = tf.where(filling, count, tf.cast(places[n] * self.size, tf.int64))
            enters = filling | (chances[n] < 0.5)
            handed.append(tf.where(enters & ~filling, pool[place], image))
            kept = tf.where(enters, image, pool[place])
            pool = tf.tensor_scatter_nd_update(pool, place[None, None], kept[None])
            count += tf.cast(filling, tf.int64)
        assign(self.variables, [pool, count])
        return draw.mine(tf.stack(handed))
