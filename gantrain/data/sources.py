"""Sources of images: where a set's original files lie, how they are read, and its TFDS twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

from gantrain.data import (
    celeba,
    cifar,
    folders,
    idx,
    npz,
    paired_folders,
    sketches,
    svhn,
    tfds,
    usps,
)
from gantrain.data.domain import Domain, of_array
from gantrain.errors import UserError
from gantrain.network import unreachable
from gantrain.progress import phase

DIGITS = tuple("0123456789")
FASHION = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip
OBJECTS = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Source:
    """One published set.

    Attributes:
      name: folder under the data directory.
      layout: the original files expected in that folder, in words.
      licence: under which its owners publish it.
      homepage: where the original files come from.
      marks: glob patterns; a folder in which one matches holds original files.
      read: (folder, split, size) to the set's domains, from the original files.
      tfds: name in TensorFlow Datasets, or None if it is not there.
      host: address that TFDS downloads it from.
      read_tfds: (prepared directory, split, size) to the set's domains.
    """

    name: str
    layout: str
    licence: str
    homepage: str
    marks: tuple[str, ...]
    read: Callable[[Path, str, int], list[Domain]]
    tfds: str | None = None
    host: str = ""
    read_tfds: Callable[[Path, str, int], list[Domain]] | None = None

    def has_files(self, data_dir: Path) -> bool:
        """Whether original files lie under the data directory."""
        folder = data_dir / self.name
        return any(next(folder.glob(mark), None) is not None for mark in self.marks)

    def is_here(self, data_dir: Path) -> bool:
        """Whether it can be read without a download."""
        return self.has_files(data_dir) or tfds.prepared(self.tfds, data_dir) is not None

    def open(self, data_dir: Path, split: str, size: int | None) -> list[Domain]:
        """Read a split from the original files, else from what TFDS prepared.

        Args:
          data_dir: pathlib.Path.
          split: "train" or "test".
          size: side of the images in pixels; None leaves image files and arrays as they are.

        Returns:
          List of domains.

        Raises:
          UserError: the set is not here, or a file of it is damaged.
        """
        if self.has_files(data_dir):
            return self.read(data_dir / self.name, split, size)
        directory = tfds.prepared(self.tfds, data_dir)
        if directory is None:
            raise UserError(
                f"{self.name} is absent: no files in {data_dir / self.name} (expected "
                f"{self.layout}; from {self.homepage}), not prepared by TFDS in {data_dir}"
            )
        return self.read_tfds(directory, split, size)


def fetch(names: Iterable[str], data_dir: Path, offline: bool = False) -> None:
    """Has TFDS download what is not here, or refuses all of it at once and leaves nothing behind.

    Args:
      names: of sources.
      data_dir: pathlib.Path.
      offline: never touch the network.

    Raises:
      UserError: what is absent, what each needs, and why it cannot be downloaded; within seconds
        where there is no network.
    """
    absent = [SOURCES[name] for name in dict.fromkeys(names)]
    absent = [source for source in absent if not source.is_here(data_dir)]
    reasons = []
    if absent and offline:
        reasons = ["--offline and --dry_run download nothing"]
    elif absent:
        withheld = [source.name for source in absent if source.tfds is None]
        silent = unreachable(source.host for source in absent if source.tfds)
        reasons += [f"{' and '.join(withheld)} cannot be downloaded"] if withheld else []
        reasons += [f"no answer from {' and '.join(silent)}, is there a network?"] if silent else []
    if reasons:
        needs = " and ".join(
            f"{source.name} (files{', or a download' if source.tfds else ''})" for source in absent
        )
        raise UserError(f"{data_dir} lacks {needs}; {'; '.join(reasons)}")
    for source in absent:
        with phase("data", f"downloading {source.name} from {source.host}"):
            tfds.download(source.tfds, data_dir)


def _labelled(name, read, classes):
    """Reader of one labelled domain from `read(folder, split)` or from an .npz file."""

    def read_domains(folder, split, size):
        if npz.find(folder, "train"):
            return [_archives(folder, split, size, name, classes)]
        pixels, labels = read(folder, split)
        return [of_array(name, pixels, size, labels, classes)]

    return read_domains


def _archives(folder, split, size, name, classes):
    """`train.npz` and `test.npz`, or one archive of both parts, or one that is held out from."""
    archive = npz.find(folder, "train")
    place = folder if archive.stem == "train" else archive
    return folders.read_folder(place, split, size, name, classes)


def _labelled_tfds(name, classes):
    return lambda directory, split, size: [
        tfds.read_labelled(directory, split, size, name, classes)
    ]


def _svhn(folder, split, size):
    """SVHN's matrices, or a folder of labelled crops in their place."""
    matrices = next(folder.glob("*_32x32.mat"), None) or npz.find(folder, split)
    if not matrices:
        return [folders.read_folder(folder, split, size, "svhn", DIGITS)]
    return _labelled("svhn", svhn.read_svhn, DIGITS)(folder, split, size)


def _translation(name):
    """One of CycleGAN's sets: two folders of photographs; some are pix2pix's too, as pairs."""
    offered = name != "cityscapes"  # Removed from TFDS for its licence.
    side_by_side = name in PIX2PIX_LICENCES
    return Source(
        name=name,
        layout=_UNPAIRED + (f"; or, for pairs, {_SIDE_BY_SIDE}" if side_by_side else ""),
        licence=CYCLEGAN_LICENCES[name],
        homepage="https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/",
        host="https://efrosgans.eecs.berkeley.edu" if offered else "",
        marks=_UNPAIRED_MARKS + (_SIDE_BY_SIDE_MARKS if side_by_side else ()),
        read=_either if side_by_side else folders.read_domains,
        tfds=f"cycle_gan/{name}" if offered else None,
        read_tfds=tfds.read_unpaired if offered else None,
    )


def _either(folder, split, size):
    """CycleGAN's layout of a set if it is there, else pix2pix's."""
    unpaired = any(next(folder.glob(mark), None) for mark in _UNPAIRED_MARKS)
    read = folders.read_domains if unpaired else paired_folders.read_side_by_side
    return read(folder, split, size)


def _side_by_side(name):
    """A set that only pix2pix has: pairs side by side."""
    return Source(
        name=name,
        layout=_SIDE_BY_SIDE,
        licence=PIX2PIX_LICENCES[name],
        homepage="https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/",
        marks=_SIDE_BY_SIDE_MARKS,
        read=paired_folders.read_side_by_side,
    )


_UNPAIRED = "trainA/ trainB/ testA/ testB/ with png, jpg, webp, bmp or tiff images"
_UNPAIRED_MARKS = ("trainA*", "trainB*", "testA*", "testB*")
_SIDE_BY_SIDE = "train/ and test/ or val/ with images twice as wide as high, left A, right B"
_SIDE_BY_SIDE_MARKS = ("train/*", "val/*", "test/*")

CYCLEGAN_LICENCES = {
    "apple2orange": "ImageNet terms, non-commercial research",
    "horse2zebra": "ImageNet terms, non-commercial research",
    "summer2winter_yosemite": "Flickr photographs, research",
    "iphone2dslr_flower": "Flickr photographs, research",
    "monet2photo": "WikiArt and Flickr, research",
    "cezanne2photo": "WikiArt and Flickr, research",
    "ukiyoe2photo": "WikiArt and Flickr, research",
    "vangogh2photo": "WikiArt and Flickr, research",
    "maps": "Google Maps imagery, research",
    "cityscapes": "Cityscapes terms, registration, non-commercial",
    "facades": "CMP Facade Database, research",
}

# TFDS has none of these as pairs.
PIX2PIX_LICENCES = {
    "facades": CYCLEGAN_LICENCES["facades"],
    "maps": CYCLEGAN_LICENCES["maps"],
    "cityscapes": CYCLEGAN_LICENCES["cityscapes"],
    "edges2shoes": "UT Zappos50K terms, non-commercial research",
    "edges2handbags": "Amazon product photographs, research",
    "night2day": "Transient Attributes terms, research",
}

_IDX_LAYOUT = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte, each .gz or not; or train.npz and test.npz"
)
_IDX_MARKS = ("train-*", "t10k-*", "*.npz")

SOURCES = {
    source.name: source
    for source in (
        Source(
            name="mnist",
            layout=_IDX_LAYOUT,
            licence="CC BY-SA 3.0",
            homepage="http://yann.lecun.com/exdb/mnist/",
            marks=_IDX_MARKS,
            read=_labelled("mnist", idx.read_digits, DIGITS),
            tfds="mnist",
            host="https://storage.googleapis.com",
            read_tfds=_labelled_tfds("mnist", DIGITS),
        ),
        Source(
            name="fashion_mnist",
            layout=_IDX_LAYOUT,
            licence="MIT",
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            marks=_IDX_MARKS,
            read=_labelled("fashion_mnist", idx.read_digits, FASHION),
            tfds="fashion_mnist",
            host="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            read_tfds=_labelled_tfds("fashion_mnist", FASHION),
        ),
        Source(
            name="usps",
            layout="usps.bz2 and usps.t.bz2 (LIBSVM's text, .bz2 or not); or usps.h5; "
            "or train.npz and test.npz",
            licence="none stated, research",
            homepage="https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html",
            marks=("usps*", "*.npz"),
            read=_labelled("usps", usps.read_usps, DIGITS),
        ),
        Source(
            name="cifar10",
            layout="data_batch_1.bin to data_batch_5.bin and test_batch.bin (the binary version); "
            "or train.npz and test.npz",
            licence="none stated, research",
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            marks=("*batch*", "*/*batch*", "*.npz"),
            read=_labelled("cifar10", cifar.read_cifar10, OBJECTS),
            tfds="cifar10",
            host="https://www.cs.toronto.edu",
            read_tfds=_labelled_tfds("cifar10", OBJECTS),
        ),
        Source(
            name="svhn",
            layout="train_32x32.mat and test_32x32.mat; or crops named image_0000_class_0.png; "
            "or train.npz and test.npz",
            licence="non-commercial",
            homepage="http://ufldl.stanford.edu/housenumbers/",
            marks=("*_32x32.mat", "*_class_*", "train/*_class_*", "*.npz"),
            read=_svhn,
            tfds="svhn_cropped",
            host="http://ufldl.stanford.edu",
            read_tfds=_labelled_tfds("svhn", DIGITS),
        ),
        Source(
            name="svhn_crops",
            layout="crops named image_0000_class_0.png",
            licence="non-commercial",
            homepage="http://ufldl.stanford.edu/housenumbers/",
            marks=("*_class_*", "train/*_class_*"),
            read=_svhn,
        ),
        Source(
            name="celeba",
            layout="img_align_celeba/ and list_attr_celeba.txt (or .csv)",
            licence="non-commercial research",
            homepage="http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
            marks=("img_align_celeba*", "list_attr_celeba*"),
            read=celeba.read_celeba,
            tfds="celeb_a",
            host="https://drive.google.com",
            read_tfds=tfds.read_celeba,
        ),
        Source(
            name="photo_sketch",
            layout="image/ID.jpg, sketch-rendered/width-5/ID_01.png to ID_05.png and "
            "list/train.txt, val.txt, test.txt, in the folder or in ContourDrawing/",
            licence="research, see its page",
            homepage="http://www.cs.cmu.edu/~mengtial/proj/sketch/",
            marks=("image/*", "ContourDrawing/image/*"),
            read=sketches.read_photo_sketch,
        ),
        Source(
            name="sketchy",
            layout="256x256/photo/tx_000000000000/CATEGORY/NAME.jpg, "
            "256x256/sketch/tx_000000000000/CATEGORY/NAME-1.png, ... and info/testset.txt",
            licence="research, photographs under ImageNet terms, see its page",
            homepage="https://sketchy.eye.gatech.edu/",
            marks=("256x256/*", "rendered_256x256/*", "photo/*"),
            read=sketches.read_sketchy,
        ),
        Source(
            name="cuhk_faces",
            layout="photos/f-005-01.jpg, ... and sketches/F2-005-01-sz1.jpg, ...; or the archives' "
            "folders such as CUHK_training_cropped_photos/photos",
            licence="research, see its page",
            homepage="http://mmlab.ie.cuhk.edu.hk/archive/facesketch.html",
            marks=("photo*/*", "CUHK_*"),
            read=sketches.read_faces,
        ),
        *(_translation(name) for name in CYCLEGAN_LICENCES),
        *(_side_by_side(name) for name in PIX2PIX_LICENCES if name not in CYCLEGAN_LICENCES),
    )
}
