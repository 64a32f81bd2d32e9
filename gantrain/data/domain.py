"""A domain: images from one marginal distribution, with labels where they exist."""

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gantrain import images
from gantrain.errors import UserError

# Above this a set is read from its files while training; below it is decoded once.
IN_MEMORY_BYTES = 4 << 30


class FileImages:
    """Encoded images of one size, decoded when asked for.

    Args:
      sources: paths of image files, or encoded images as bytes.
      size: side of the square every image is scaled to (`gantrain.images.resize`).
      channels: 1 or 3.
      name: what to call images that have no path in an error message.
    """

    def __init__(self, sources, size, channels, name="image"):
        self._sources = tuple(sources)
        self._size = size
        self._channels = channels
        self._name = name

    @property
    def shape(self):
        """[N, H, W, C], as the array would have it."""
        return (len(self), self._size, self._size, self._channels)

    @property
    def nbytes(self):
        """Bytes of the decoded array."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self):
        return len(self._sources)

    def __getitem__(self, index):
        """Decode image `index`: uint8 [H, W, C]. Raises UserError for an unreadable image."""
        source = self._sources[index]
        if isinstance(source, bytes):
            name = f"{self._name} {index}"
            return images.decode(source, name, self._channels, self._size)
        return images.read_image(source, self._channels, self._size)

    def subset(self, indices):
        """The images at `indices`, in that order, still encoded."""
        chosen = [self._sources[index] for index in indices]
        return FileImages(chosen, self._size, self._channels, self._name)

    def with_channels(self, channels):
        """The same images, decoded to `channels` channels."""
        return FileImages(self._sources, self._size, channels, self._name)

    def decoded(self):
        """Decode every image, in parallel: uint8 [N, H, W, C]."""
        array = np.empty(self.shape, np.uint8)

        def place(index):
            array[index] = self[index]

        self._visit(place)
        return array

    def problems(self):
        """What is wrong with each unreadable image: a list of messages that name the file."""

        def problem(index):
            try:
                self[index]
            except UserError as error:
                return str(error)
            return None

        return [message for message in self._visit(problem) if message]

    def _visit(self, function):
        """Results of `function(index)` for every image, in order, computed in parallel."""
        # OpenCV decodes outside Python's lock, so threads are enough.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                return list(pool.map(function, range(len(self))))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """Images of one marginal distribution.

    Attributes:
      name: short name for logs and files, such as "mnist" or "svhn".
      images: uint8 [N, H, W, C], or `FileImages` for a set too large for memory, or float32
        [N, 2] for points in the plane.
      labels: None, int32 [N] class numbers, or uint8 [N, A] attributes that are 0 or 1.
      classes: names of the classes or attributes; empty without labels.
    """

    name: str
    images: np.ndarray | FileImages
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()

    @property
    def shape(self):
        """Shape of one example: (H, W, C), or (2,) for points."""
        return tuple(self.images.shape[1:])

    @property
    def size(self):
        """Number of examples."""
        return len(self.images)

    @property
    def multi_label(self):
        """Whether an example carries several yes-or-no attributes rather than one class."""
        return self.labels is not None and self.labels.ndim == 2

    def subset(self, indices):
        """The examples at `indices`, in that order, labels along."""
        indices = np.asarray(indices)
        encoded = isinstance(self.images, FileImages)
        chosen = self.images.subset(indices) if encoded else self.images[indices]
        labels = None if self.labels is None else self.labels[indices]
        return dataclasses.replace(self, images=chosen, labels=labels)

    def part(self, split):
        """The train or test part of a set that comes without one: every tenth example is test.

        Deviation: the thesis trains on whole sets; here every test part is held out, so that an
        accuracy on it means something. A single example is in both parts.
        """
        test = np.arange(self.size) % 10 == min(9, self.size - 1)
        if self.size == 1:
            return self
        return self.subset(np.flatnonzero(test if split == "test" else ~test))

    def with_channels(self, channels):
        """The same domain with `channels` channels: gray is repeated, colour becomes luma."""
        if self.shape[-1] == channels or len(self.shape) != 3:
            return self
        encoded = isinstance(self.images, FileImages)
        converted = (
            self.images.with_channels(channels)
            if encoded
            else images.to_channels(self.images, channels)
        )
        return dataclasses.replace(self, images=converted)

    def in_memory(self, limit=IN_MEMORY_BYTES):
        """The same domain with its images decoded, if the array takes at most `limit` bytes."""
        if not isinstance(self.images, FileImages) or self.images.nbytes > limit:
            return self
        return dataclasses.replace(self, images=self.images.decoded())


def prune(domain, confidence, threshold=0.4, batch_size=500):
    """Remove the images a classifier is unsure of (thesis section 2.7, MNIST2SVHN pruned).

    The thesis keeps 70,262 of SVHN's 73,257 images: those whose highest class confidence is
    above 40 %.

    Args:
      domain: the domain to prune.
      confidence: callable, float32 [n, H, W, C] in [-1, 1] to the highest class probability [n].
      threshold: an image stays if its confidence is greater.
      batch_size: images per call.

    Returns:
      A Domain with the images that stay, in their order.
    """
    kept = []
    for start in range(0, domain.size, batch_size):
        indices = np.arange(start, min(start + batch_size, domain.size))
        batch = domain.subset(indices).in_memory().images
        highest = np.asarray(confidence(images.to_float(batch)))
        kept.append(indices[highest > threshold])
    return domain.subset(np.concatenate(kept))
