"""Readers of the original formats, on small files of exactly those formats, whole and damaged."""

import gzip
import pickle
import struct

import cv2
import numpy as np
import pytest
from scipy.io import savemat
from tiny import refused

from gantrain.data import celeba, cifar, folders, idx, npz, svhn

NAMES = ("Eyeglasses", "Smiling", "Young")


def pixels(*shape):
    """Random bytes."""
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


# ------------------------------------------------------------------------------------------- IDX


def idx_bytes(array):
    """An array in IDX: magic number, extents, bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, split="train", count=5, compress=True, mark="-"):
    """One split of a set in MNIST's layout; returns its images and labels."""
    part = idx.PARTS[split]
    images, labels = pixels(count, 28, 28), (np.arange(count) % 10).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images", images), ("labels", labels)):
        name = f"{part}-{kind}{mark}idx{array.ndim}-ubyte"
        data = idx_bytes(array)
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)
    return images, labels


@pytest.mark.parametrize("compress", (True, False))
@pytest.mark.parametrize("mark", "-.")
@pytest.mark.parametrize("split", ("train", "test"))
def test_idx(tmp_path, compress, mark, split):
    images, labels = write_mnist(tmp_path, split, compress=compress, mark=mark)
    read_images, read_labels = idx.read_digits(tmp_path, split)
    np.testing.assert_array_equal(read_images[..., 0], images)
    np.testing.assert_array_equal(read_labels, labels)
    assert read_images.shape == (5, 28, 28, 1) and read_labels.dtype == np.int32


WHOLE = idx_bytes(pixels(5, 28, 28))


@pytest.mark.parametrize(
    "content",
    (
        b"",
        b"\0\0",
        WHOLE[:9],
        WHOLE[:-1],
        WHOLE + b"\0",
        b"\0\0\x0d\x03" + WHOLE[4:],
        b"PK\x03\x04" + WHOLE,
        WHOLE[:4],
        # Headers that claim 2^96 bytes, and 200 axes.
        WHOLE[:4] + b"\xff" * 12 + b"rest",
        b"\0\0\x08\xc8" + b"\0\0\0\1" * 200 + b"\0",
    ),
)
def test_damaged_idx(tmp_path, content):
    write_mnist(tmp_path, compress=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    refused(lambda: idx.read_digits(tmp_path, "train"), str(path), "download it again")


@pytest.mark.parametrize("content", (gzip.compress(WHOLE)[:-30], b"\x1f\x8b" + bytes(50), WHOLE))
def test_damaged_gzip(tmp_path, content):
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    refused(lambda: idx.read_digits(tmp_path, "train"), str(path), "download it again")


def test_idx_files_that_do_not_belong_together(tmp_path):
    write_mnist(tmp_path, compress=False)
    labels = tmp_path / "train-labels-idx1-ubyte"
    for content in (np.zeros(4, np.uint8), np.full(5, 11, np.uint8), np.zeros((5, 1), np.uint8)):
        labels.write_bytes(idx_bytes(content))
        refused(lambda: idx.read_digits(tmp_path, "train"), str(labels))
    labels.unlink()
    refused(lambda: idx.read_digits(tmp_path, "train"), str(labels), "missing")


# --------------------------------------------------------------------------------- SVHN and CIFAR


def write_svhn(folder, split="train", count=12, **change):
    """One split of SVHN; returns its images [N, 32, 32, 3] and its labels 1 to 10."""
    images, labels = pixels(count, 32, 32, 3), np.arange(count) % 10 + 1
    arrays = {"X": images.transpose(1, 2, 3, 0), "y": labels.astype(np.uint8)[:, None]}
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / f"{split}_32x32.mat", arrays | change, do_compression=True)
    return images, labels


@pytest.mark.parametrize("split", ("train", "test"))
def test_svhn_label_ten_is_zero(tmp_path, split):
    images, labels = write_svhn(tmp_path, split)
    read_images, read_labels = svhn.read_svhn(tmp_path, split)
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, np.where(labels == 10, 0, labels))
    assert read_labels[9] == 0 and read_labels.dtype == np.int32


@pytest.mark.parametrize(
    "change",
    (
        {"y": np.ones((3, 1), np.uint8)},
        {"y": np.zeros((12, 1), np.uint8)},
        {"y": np.full((12, 1), 11, np.uint8)},
        {"X": pixels(32, 32, 12)},
        {"X": np.zeros((32, 32, 3, 12))},
        {"X": "text"},
        {"y": "text"},
        {"y": np.full((12, 1), np.nan)},
    ),
)
def test_wrong_svhn(tmp_path, change):
    write_svhn(tmp_path, **change)
    refused(lambda: svhn.read_svhn(tmp_path, "train"), "train_32x32.mat", "download it again")


@pytest.mark.parametrize("kept", (0, 50, 200, 2000, -5))
def test_truncated_svhn(tmp_path, kept):
    write_svhn(tmp_path)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:kept])
    refused(lambda: svhn.read_svhn(tmp_path, "train"), str(path), "download it again")


def test_svhn_matrix_without_its_arrays(tmp_path):
    savemat(tmp_path / "test_32x32.mat", {"Z": np.zeros(3)})
    refused(lambda: svhn.read_svhn(tmp_path, "test"), "test_32x32.mat")
    refused(lambda: svhn.read_svhn(tmp_path, "train"), "train_32x32.mat", "missing")


def write_cifar(folder, count=3):
    """CIFAR-10's binary version; returns the images and labels of the test part."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(cifar.FILES["train"] + cifar.FILES["test"]):
        images = pixels(count + number, 32, 32, 3)
        labels = np.arange(len(images), dtype=np.uint8) % 10
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        (folder / name).write_bytes(np.concatenate([labels[:, None], planes], 1).tobytes())
    return images, labels


@pytest.mark.parametrize("nested", (".", "cifar-10-batches-bin"))
def test_cifar(tmp_path, nested):
    images, labels = write_cifar(tmp_path / nested)
    read_images, read_labels = cifar.read_cifar10(tmp_path, "test")
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels)
    assert len(cifar.read_cifar10(tmp_path, "train")[0]) == 3 + 4 + 5 + 6 + 7


def test_damaged_cifar(tmp_path):
    write_cifar(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    for content in (b"", path.read_bytes()[:-1], b"\x0b" + path.read_bytes()[1:]):
        path.write_bytes(content)
        refused(lambda: cifar.read_cifar10(tmp_path, "train"), str(path), "download it again")
    path.unlink()
    refused(lambda: cifar.read_cifar10(tmp_path, "train"), str(path), "cifar-10-binary.tar.gz")


# -------------------------------------------------------------------------------------------- npz


def test_npz(tmp_path):
    images, labels = pixels(4, 6, 6), np.arange(4)
    np.savez(tmp_path / "train.npz", images=images, labels=labels)
    read_images, read_labels = npz.read_npz(tmp_path / "train.npz", "train")
    np.testing.assert_array_equal(read_images[..., 0], images)
    np.testing.assert_array_equal(read_labels, labels)
    np.savez(tmp_path / "plain.npz", images=pixels(4, 6, 6, 3))
    assert npz.read_npz(tmp_path / "plain.npz", "train")[1] is None


def test_npz_with_the_names_of_keras(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(
        path, x_train=pixels(4, 6, 6), y_train=np.ones(4, np.uint8), x_test=pixels(2, 6, 6),
        y_test=np.zeros((2, 1), np.uint8),
    )  # fmt: skip
    assert len(npz.read_npz(path, "train")[0]) == 4
    assert npz.read_npz(path, "test")[1].tolist() == [0, 0]


class Payload:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_is_unpickled(tmp_path):
    proof = tmp_path / "proof"
    np.savez(tmp_path / "evil.npz", images=np.array([Payload(proof)], object))
    (tmp_path / "evil2.npz").write_bytes(pickle.dumps(Payload(proof)))
    proof.unlink(missing_ok=True)  # Pickling a payload does not run it, but be sure.
    for name in ("evil.npz", "evil2.npz"):
        refused(lambda name=name: npz.read_npz(tmp_path / name, "train"), name)
    assert not proof.exists()


@pytest.mark.parametrize("kept", (0, 10, 60, 0.5, 0.95))
def test_truncated_npz(tmp_path, kept):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, images=pixels(4, 16, 16), labels=np.arange(4))
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    refused(lambda: npz.read_npz(path, "train"), str(path), "numpy.savez")


@pytest.mark.parametrize(
    "arrays",
    (
        {"pictures": pixels(4, 6, 6)},
        {"images": np.zeros((4, 6, 6))},
        {"images": pixels(4, 6)},
        {"images": pixels(4, 6, 6, 2)},
        {"images": pixels(0, 6, 6)},
        {"images": pixels(4, 6, 6), "labels": np.arange(3)},
        {"images": pixels(4, 6, 6), "labels": np.arange(4) - 1},
        {"images": pixels(4, 6, 6), "labels": np.zeros(4)},
    ),
)
def test_wrong_npz(tmp_path, arrays):
    path = tmp_path / "train.npz"
    np.savez(path, **arrays)
    refused(lambda: npz.read_npz(path, "train"), str(path))


# ----------------------------------------------------------------------------------------- CelebA


def write_celeba(folder, numbers=range(1, 13), names=NAMES):
    """Faces and their attributes in the official format; returns the attributes."""
    (folder / "img_align_celeba").mkdir(parents=True, exist_ok=True)
    values = pixels(len(numbers), len(names)) % 2
    values[:2] = [[0], [1]]
    rows = []
    for number, row in zip(numbers, values, strict=True):
        name = f"{number:06}.jpg"
        face = np.full((218, 178, 3), number % 256, np.uint8)
        cv2.imwrite(str(folder / "img_align_celeba" / name), face)
        rows.append(f"{name} " + " ".join(f"{2 * int(value) - 1:2}" for value in row))
    (folder / "list_attr_celeba.txt").write_text(
        "\n".join([str(len(rows)), " ".join(names) + " ", *rows, ""])
    )
    return values


def test_celeba(tmp_path):
    values = write_celeba(tmp_path)
    (train,) = celeba.read_celeba(tmp_path, "train", 16)
    (test,) = celeba.read_celeba(tmp_path, "test", 16)
    assert train.classes == NAMES and train.multi_label and train.shape == (16, 16, 3)
    assert (train.size, test.size) == (11, 1)
    together = np.concatenate([train.labels[:9], test.labels, train.labels[9:]])
    np.testing.assert_array_equal(together, values)
    levels = train.in_memory().images[:, 8, 8, 0]
    np.testing.assert_array_equal(levels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12])


def test_celeba_has_its_official_test_part(tmp_path):
    numbers = (1, 162_771, 182_637, 182_638, 202_599)
    write_celeba(tmp_path, numbers)
    (train,) = celeba.read_celeba(tmp_path, "train", 8)
    (test,) = celeba.read_celeba(tmp_path, "test", 8)
    assert (train.size, test.size) == (3, 2)


@pytest.mark.parametrize(
    "spoil",
    (
        lambda text: "",
        lambda text: text.replace("12\n", "13\n", 1),
        lambda text: text.replace("12\n", "twelve\n", 1),
        lambda text: text[: len(text) // 2],
        lambda text: text[:-5] + "\n",
        lambda text: text.replace(" -1", "  0", 1),
        lambda text: text + "000013.jpg -1 -1\n",
        lambda text: text.replace("Smiling", "\xe9"),
    ),
)
def test_damaged_list_of_attributes(tmp_path, spoil):
    write_celeba(tmp_path)
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text(spoil(path.read_text()), encoding="latin-1")
    refused(lambda: celeba.read_celeba(tmp_path, "train", 8), str(path), "download it again")


def test_celeba_with_missing_parts(tmp_path):
    write_celeba(tmp_path)
    faces = tmp_path / "img_align_celeba"
    (faces / "000003.jpg").unlink()
    refused(lambda: celeba.read_celeba(tmp_path, "train", 8), "000003.jpg", "1 of the 12")
    faces.rename(tmp_path / "elsewhere")
    refused(lambda: celeba.read_celeba(tmp_path, "train", 8), "img_align_celeba.zip")
    (tmp_path / "list_attr_celeba.txt").unlink()
    refused(lambda: celeba.read_celeba(tmp_path, "train", 8), "list_attr_celeba.txt")


def test_a_list_of_attributes_reaches_no_other_folder(tmp_path):
    write_celeba(tmp_path)
    cv2.imwrite(str(tmp_path / "secret.jpg"), pixels(4, 4, 3))
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text(path.read_text().replace("000002.jpg", "../secret.jpg"))
    refused(lambda: celeba.read_celeba(tmp_path, "train", 8), "../secret.jpg")


# ---------------------------------------------------------------------------------------- folders


def write_images(folder, names, shape=(8, 8, 3)):
    """Image files of one brightness each: 10 times its place."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full(shape, 10 * number % 256, np.uint8))


def test_folder_with_every_kind_of_file(tmp_path):
    write_images(tmp_path, ("a.png", "b.JPG", "c.jpeg", "d.webp", "e.bmp", "f.tif", "g.TIFF"))
    for name in ("notes.txt", ".DS_Store", "._a.png", "Thumbs.db"):
        (tmp_path / name).write_text("not an image")
    train = folders.read_folder(tmp_path, "train", 8, "all").in_memory()
    test = folders.read_folder(tmp_path, "test", 8, "all").in_memory()
    assert train.labels is None and train.shape == (8, 8, 3)
    np.testing.assert_allclose(train.images[:, 0, 0, 0], np.arange(6) * 10, atol=1)
    np.testing.assert_allclose(test.images[:, 0, 0, 0], [60], atol=1)


def test_folder_of_mixed_sizes_kinds_and_depths(tmp_path):
    write_images(tmp_path, ("gray.png",), (5, 9))
    write_images(tmp_path, ("transparent.png",), (9, 5, 4))
    cv2.imwrite(str(tmp_path / "wide.png"), np.full((30, 7), 65535, np.uint16))
    write_images(tmp_path, ("colour.png",), (16, 16, 3))
    domain = folders.read_folder(tmp_path, "train", 8, "mixed").in_memory()
    assert domain.images.shape == (3, 8, 8, 3)


def test_folder_of_gray_images_is_gray(tmp_path):
    write_images(tmp_path, ("a.png", "b.png"), (8, 8))
    assert folders.read_folder(tmp_path, "train", 8, "gray").shape == (8, 8, 1)


def test_labelled_crops(tmp_path):
    write_images(tmp_path, [f"image_{n:04}_class_{n % 10}.png" for n in range(30)])
    train = folders.read_folder(tmp_path, "train", 8, "crops")
    test = folders.read_folder(tmp_path, "test", 8, "crops")
    assert (train.size, test.size) == (27, 3)
    assert train.classes == tuple("0123456789") and train.labels[:3].tolist() == [0, 1, 2]
    write_images(tmp_path, ("stranger.png",))
    refused(lambda: folders.read_folder(tmp_path, "train", 8, "crops"), "stranger.png", "_class_")


def test_folders_are_classes(tmp_path):
    write_images(tmp_path / "train" / "swan", ("1.png", "2.png"))
    write_images(tmp_path / "train" / "duck", ("1.png",))
    write_images(tmp_path / "test" / "duck", ("1.png",))
    write_images(tmp_path / "test" / "swan", ("1.png",))
    train = folders.read_folder(tmp_path, "train", 8, "birds")
    test = folders.read_folder(tmp_path, "test", 8, "birds")
    assert train.classes == ("duck", "swan") and train.labels.tolist() == [0, 1, 1]
    assert test.labels.tolist() == [0, 1]


def test_empty_folders(tmp_path):
    refused(lambda: folders.read_folder(tmp_path, "train", 8, "none"), str(tmp_path), "no images")
    (tmp_path / "trainA").mkdir()
    refused(lambda: folders.read_domains(tmp_path, "train", 8), "trainB", "missing")
    write_images(tmp_path / "trainB", ("1.png",))
    refused(lambda: folders.read_domains(tmp_path, "train", 8), "trainA", "no images")


def test_unpaired_domains(tmp_path):
    write_images(tmp_path / "trainA", [f"{n}.jpg" for n in range(4)])
    write_images(tmp_path / "trainB", [f"{n}.png" for n in range(5)], (8, 8))
    write_images(tmp_path / "testA", ("x.png",))
    train = folders.read_domains(tmp_path, "train", 8)
    test = folders.read_domains(tmp_path, "test", 8)
    assert [(domain.name, domain.size) for domain in train] == [("A", 4), ("B", 5)]
    assert [domain.size for domain in test] == [1, 1]  # B has no test part: one is held out.
    write_images(tmp_path / "trainC", ("1.png",))
    np.savez(tmp_path / "trainD.npz", images=pixels(3, 6, 6))
    assert [domain.name for domain in folders.read_domains(tmp_path, "train", 8)] == list("ABCD")


def test_paths(tmp_path):
    write_images(tmp_path / "summer", ("1.png",))
    write_images(tmp_path / "winter", ("1.png", "2.png"))
    np.savez(tmp_path / "autumn.npz", images=pixels(20, 6, 6), labels=np.arange(20) % 3)
    paths = [tmp_path / "summer", tmp_path / "winter", tmp_path / "autumn.npz"]
    domains = folders.read_paths(paths, "train", 8)
    assert [(domain.name, domain.size) for domain in domains] == [
        ("summer", 1), ("winter", 1), ("autumn", 18),
    ]  # fmt: skip
    assert domains[2].classes == ("0", "1", "2")
    refused(lambda: folders.read_paths([tmp_path / "spring"], "train", 8), "spring")


def test_an_unreadable_image_is_named(tmp_path):
    write_images(tmp_path, ("a.png", "b.png", "c.png"))
    (tmp_path / "b.png").write_bytes(b"\x89PNG broken")
    domain = folders.read_folder(tmp_path, "train", 8, "broken")
    refused(domain.in_memory, "b.png")
    (problem,) = domain.images.problems()
    assert "b.png" in problem
