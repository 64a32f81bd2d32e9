"""Readers of the original formats, on small files of exactly those formats, whole and damaged."""

import gzip
import pickle
import struct

import cv2
import numpy as np
import pytest
from scipy.io import savemat
from tiny import refused

from gantrain.data import celeba, cifar, folders, idx, npz, paired_folders, sketches, svhn
from gantrain.data.domain import held_out

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
    for domain, split in ((train, "train"), (test, "test")):
        chosen = held_out(12, split)
        np.testing.assert_array_equal(domain.labels, values[chosen])
        np.testing.assert_array_equal(domain.in_memory().images[:, 8, 8, 0], chosen + 1)


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


def write_images(folder, names, shape=(8, 8, 3), first=0):
    """Image files of one brightness each: 10 times its place, from `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, first):
        cv2.imwrite(str(folder / name), np.full(shape, 10 * number % 256, np.uint8))


def test_folder_with_every_kind_of_file(tmp_path):
    write_images(tmp_path, ("a.png", "b.JPG", "c.jpeg", "d.webp", "e.bmp", "f.tif", "g.TIFF"))
    for name in ("notes.txt", ".DS_Store", "._a.png", "Thumbs.db"):
        (tmp_path / name).write_text("not an image")
    train = folders.read_folder(tmp_path, "train", 8, "all").in_memory()
    test = folders.read_folder(tmp_path, "test", 8, "all").in_memory()
    assert train.labels is None and train.shape == (8, 8, 3)
    for domain, split in ((train, "train"), (test, "test")):
        levels = domain.images[:, 0, 0, 0]
        np.testing.assert_allclose(levels, 10 * held_out(7, split), atol=1)


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
    assert [(domain.name, domain.size) for domain in train] == [("A", 4), ("B", 4)]
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


# ------------------------------------------------------------------------------------------ pairs


def write_pairs(folder, names, side=16, first=0):
    """Files of two images side by side: left 10 times its place, right 255 minus that."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, first):
        left = np.full((side, side, 3), 10 * number, np.uint8)
        cv2.imwrite(str(folder / name), np.concatenate([left, 255 - left], 1))


def write_photo_sketch(folder, identities, **lists):
    """Photo-Sketch in its own layout: photos of one brightness, drawings of others."""
    for number, identity in enumerate(identities):
        write_images(folder / "image", (f"{identity}.jpg",), (12, 18, 3))
        cv2.imwrite(
            str(folder / "image" / f"{identity}.jpg"), np.full((12, 18, 3), 10 * number, np.uint8)
        )
        drawings = folder / "sketch-rendered" / "width-5"
        drawings.mkdir(parents=True, exist_ok=True)
        for drawing in range(1, 6):
            pixels = np.full((12, 18), 10 * number + drawing, np.uint8)
            cv2.imwrite(str(drawings / f"{identity}_{drawing:02}.png"), pixels)
    (folder / "list").mkdir(exist_ok=True)
    for part, names in lists.items():
        (folder / "list" / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))


def write_sketchy(folder, photos=10, drawings=7):
    """Sketchy in its own layout: `photos` of each of the ten categories and of an eleventh."""
    for place, category in enumerate((*sketches.SKETCHY_CATEGORIES, "zebra")):
        for kind in ("photo", "sketch"):
            (folder / "256x256" / kind / "tx_000000000000" / category).mkdir(parents=True)
        for number in range(photos):
            name, level = f"n{place:08}_{number}", 20 * place + number
            root = folder / "256x256"
            cv2.imwrite(
                str(root / "photo" / "tx_000000000000" / category / f"{name}.jpg"),
                np.full((16, 16, 3), level, np.uint8),
            )
            for drawing in range(1, drawings + 1):
                cv2.imwrite(
                    str(root / "sketch" / "tx_000000000000" / category / f"{name}-{drawing}.png"),
                    np.full((16, 16, 3), 255 - drawing, np.uint8),
                )


FACES = ("f-005-01", "f1-005-01", "m-008-01", "m1-001-01", "m-012-01")


def write_faces(photos, drawings, names=FACES):
    """CUHK's faces as the archives name them, photo and sketch of one brightness."""
    for folder in (photos, drawings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        pixels = np.full((25, 20, 3), 10 * number % 256, np.uint8)
        training = name[1] == "-"
        sketch = f"{name[0].upper()}2{name[1:]}" if training else name
        cv2.imwrite(str(photos / f"{name}.jpg"), pixels)
        cv2.imwrite(str(drawings / f"{sketch}-sz1.jpg"), pixels)


def levels(domain):
    """The middle pixel of every example, [N]."""
    middle = domain.shape[0] // 2
    return domain.pixels(np.arange(domain.size))[:, middle, middle, 0].astype(int)


def assert_paired(domains, count, targets=1):
    """`count` pairs, the same for all domains, each naming examples that are there."""
    assert [domain.rows.shape for domain in domains] == [(count, 1)] * (len(domains) - 1) + [
        (count, targets)
    ]
    for domain in domains:
        assert domain.rows.dtype == np.int32 and set(domain.rows.ravel()) == set(range(domain.size))


def test_pairs_side_by_side(tmp_path):
    for part, count in (("train", 12), ("val", 3), ("test", 2)):
        write_pairs(tmp_path / part, [f"{n:02}.png" for n in range(count)])
    train = paired_folders.read_side_by_side(tmp_path, "train", 8)
    test = paired_folders.read_side_by_side(tmp_path, "test", 8)
    assert [domain.name for domain in train] == ["A", "B"]
    assert_paired(train, 12)
    assert_paired(test, 2)
    assert train[0].shape == (8, 8, 3)
    np.testing.assert_array_equal(levels(train[0]), 10 * np.arange(12))
    np.testing.assert_array_equal(levels(train[1]), 255 - 10 * np.arange(12))


def test_the_test_part_of_pairs_side_by_side(tmp_path):
    write_pairs(tmp_path / "train", [f"{n:02}.jpg" for n in range(20)])
    test = paired_folders.read_side_by_side(tmp_path, "test", 8)
    np.testing.assert_allclose(levels(test[0]), 10 * held_out(20, "test"), atol=2)
    assert_paired(paired_folders.read_side_by_side(tmp_path, "train", 8), 18)
    write_pairs(tmp_path / "val", ("1.jpg",))
    assert_paired(paired_folders.read_side_by_side(tmp_path, "test", 8), 1)
    assert_paired(paired_folders.read_side_by_side(tmp_path, "train", 8), 20)


def test_halves_meet_in_the_middle(tmp_path):
    pixels = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(8, 16, 3)
    cv2.imwrite(str(tmp_path / "1.png"), pixels[..., ::-1])
    left, right = paired_folders.read_side_by_side(tmp_path, "train", 8)
    np.testing.assert_array_equal(left.images[0], pixels[:, :8])
    np.testing.assert_array_equal(right.images[0], pixels[:, 8:])


def test_a_file_that_is_no_pair_is_named(tmp_path):
    write_pairs(tmp_path / "train", ("1.png", "2.png"))
    write_images(tmp_path / "train", ("0.png",), (8, 12, 3))
    domains = paired_folders.read_side_by_side(tmp_path, "train", 8)
    for domain in domains:
        refused(domain.in_memory, "0.png", "12x8", "twice as wide")
    (tmp_path / "val").mkdir()
    refused(lambda: paired_folders.read_side_by_side(tmp_path, "test", 8), "val", "no images")


@pytest.mark.parametrize("layout", ("{part}{letter}", "{letter}/{part}", "{letter}"))
def test_parallel_folders(tmp_path, layout):
    names = [f"{n:02}" for n in range(20)]
    for part, count in (("train", 20), ("test", 3)):
        for letter, ending in (("A", "jpg"), ("B", "png")):
            if part == "train" or "part" in layout:
                folder = tmp_path / layout.format(part=part, letter=letter)
                write_images(folder, [f"{name}.{ending}" for name in names[:count]])
    train = paired_folders.read_pairs(tmp_path, "train", 8)
    test = paired_folders.read_pairs(tmp_path, "test", 8)
    own = "part" in layout
    assert_paired(train, 20 if own else 18)
    assert_paired(test, 3 if own else 2)
    np.testing.assert_allclose(levels(train[0]), levels(train[1]), atol=1)
    numbers = np.arange(3) if own else held_out(20, "test")
    np.testing.assert_allclose(levels(test[0]), 10 * numbers, atol=1)


def test_parallel_folders_match_by_name_and_not_by_place(tmp_path):
    write_images(tmp_path / "A", ("a.png", "b.png", "c.png"))
    write_images(tmp_path / "B", ("c.jpg", "b.bmp", "a.tif"))
    left, right = paired_folders.read_parallel(tmp_path, "train", 8)
    assert len(left.rows) == 2  # One of three is held out.
    kept = held_out(3, "train")
    np.testing.assert_allclose(levels(left), 10 * kept, atol=1)
    np.testing.assert_allclose(levels(right), 20 - 10 * kept, atol=1)


def test_cyclegans_names_match(tmp_path):
    write_images(tmp_path / "trainA", ("1_A.jpg", "2_A.jpg"))
    write_images(tmp_path / "trainB", ("1_B.jpg", "2_B.jpg"))
    write_images(tmp_path / "testA", ("9_A.jpg",))
    write_images(tmp_path / "testB", ("9_B.jpg",))
    assert_paired(paired_folders.read_pairs(tmp_path, "train", 8), 2)
    assert_paired(paired_folders.read_pairs(tmp_path, "test", 8), 1)


def test_files_without_partners_are_counted(tmp_path):
    write_images(tmp_path / "A", ("a.png", "b.png", "c.png"))
    write_images(tmp_path / "B", ("c.png", "d.png"))
    refused(
        lambda: paired_folders.read_pairs(tmp_path, "train", 8),
        str(tmp_path / "A" / "a.png"), "no partner", "3 of 5",
    )  # fmt: skip
    write_images(tmp_path / "A", ("a.jpg",))
    refused(lambda: paired_folders.read_pairs(tmp_path, "train", 8), "a.jpg", "a.png", "keep one")


def test_several_targets_by_number(tmp_path):
    write_images(tmp_path / "A", ("a.png", "b_1.png", "c.png"))
    # Ten follows nine, and an input with fewer targets repeats its own.
    write_images(tmp_path / "B", ["b_1_1.png", "a_10.png", "a_2.png", "a_9.png", "c_3.png"])
    left, right = paired_folders.read_pairs(tmp_path, "train", 8)
    assert left.rows.tolist() == [[0], [1]] and right.rows.shape == (2, 3)
    together = np.array([[20, 30, 10], [0, 0, 0], [40, 40, 40]])
    np.testing.assert_array_equal(levels(right)[right.rows], together[held_out(3, "train")])


def test_a_folder_without_pairs_says_all_layouts(tmp_path):
    write_images(tmp_path, ("1.png", "2.png"))
    line = refused(lambda: paired_folders.read_pairs(tmp_path, "train", 8), str(tmp_path))
    assert paired_folders.LAYOUTS in line
    for part in ("twice as wide", "trainA/", "A/ and B/", "NAME_1.png"):
        assert part in line
    refused(lambda: paired_folders.read_pairs(tmp_path / "none", "train", 8), "no such folder")
    (tmp_path / "A").mkdir()
    (tmp_path / "B").mkdir()
    refused(lambda: paired_folders.read_pairs(tmp_path, "train", 8), "no images")


def test_pairs_in_the_folder_itself_are_recognised(tmp_path):
    write_pairs(tmp_path, [f"{n:02}.png" for n in range(10)])
    (tmp_path / "00.png").write_bytes(b"broken")  # The decoder names it.
    assert_paired(paired_folders.read_pairs(tmp_path, "train", 8), 9)
    write_images(tmp_path, ("05.png",), (8, 8, 3))
    refused(lambda: paired_folders.read_pairs(tmp_path, "train", 8), "holds no pairs")


@pytest.mark.parametrize("nested", (".", "ContourDrawing"))
def test_photo_sketch(tmp_path, nested):
    names = [f"{n:04}" for n in range(9)]
    write_photo_sketch(
        tmp_path / nested, names, train=names[:5], val=names[5:7], test=[names[8], names[7]]
    )
    train = sketches.read_photo_sketch(tmp_path, "train", 8)
    test = sketches.read_photo_sketch(tmp_path, "test", 8)
    assert [domain.name for domain in train] == ["photo", "sketch"]
    assert_paired(train, 7, 5)  # Training and validation images.
    assert_paired(test, 2, 5)
    assert train[0].shape == (8, 8, 3) and train[1].shape == (8, 8, 1) and train[1].size == 35
    np.testing.assert_allclose(levels(test[0]), [80, 70], atol=1)
    expected = np.array([[80], [70]]) + np.arange(1, 6)
    np.testing.assert_array_equal(levels(test[1])[test[1].rows], expected)


def test_photo_sketch_without_lists_or_with_damage(tmp_path):
    names = [f"{n:04}" for n in range(20)]
    write_photo_sketch(tmp_path, names)
    assert_paired(sketches.read_photo_sketch(tmp_path, "train", 8), 18, 5)
    assert_paired(sketches.read_photo_sketch(tmp_path, "test", 8), 2, 5)
    drawings = tmp_path / "sketch-rendered" / "width-5"
    one, other = held_out(20, "train")[3:5]
    for name in (f"{one:04}_02.png", f"{other:04}_05.png"):
        (drawings / name).unlink()
    refused(
        lambda: sketches.read_photo_sketch(tmp_path, "train", 8), f"{one:04}_02.png",
        "2 of 108 files",
    )  # fmt: skip
    for content in ("../secret\n", "\n", "\xff"):
        (tmp_path / "list" / "train.txt").write_text(content, encoding="latin-1")
        (tmp_path / "list" / "val.txt").write_text("0001\n")
        refused(lambda: sketches.read_photo_sketch(tmp_path, "train", 8), "train.txt")
    drawings.rename(tmp_path / "elsewhere")
    refused(lambda: sketches.read_photo_sketch(tmp_path, "train", 8), "width-5", "missing")


def test_sketchy(tmp_path):
    write_sketchy(tmp_path, drawings=11)
    train = sketches.read_sketchy(tmp_path, "train", 8)
    test = sketches.read_sketchy(tmp_path, "test", 8)
    assert_paired(train, 90, 5)
    assert_paired(test, 10, 5)
    for domain, each in zip(train, (9, 45), strict=True):
        assert domain.classes == sketches.SKETCHY_CATEGORIES and domain.labels.dtype == np.int32
        assert np.bincount(domain.labels).tolist() == [each] * 10
    photo, sketch = test
    np.testing.assert_array_equal(photo.labels, np.arange(10))
    np.testing.assert_array_equal(sketch.labels[sketch.rows], photo.labels[:, None].repeat(5, 1))
    drawn = held_out(100, "test", np.repeat(np.arange(10), 10))
    np.testing.assert_allclose(levels(photo), 20 * np.arange(10) + drawn % 10, atol=1)
    # Of eleven drawings the first five by number, not by name.
    np.testing.assert_array_equal(levels(sketch)[sketch.rows], [[254, 253, 252, 251, 250]] * 10)


def test_sketchy_has_its_official_test_part(tmp_path):
    write_sketchy(tmp_path, photos=4)
    (tmp_path / "info").mkdir()
    listed = tmp_path / "info" / "testset.txt"
    listed.write_text("cabin/n00000000_2.jpg\nzebra/n00000010_0.jpg\ndeer/n00000009_0.jpg\n")
    photo, _ = sketches.read_sketchy(tmp_path, "test", 8)
    np.testing.assert_allclose(levels(photo), [2, 180], atol=1)
    assert_paired(sketches.read_sketchy(tmp_path, "train", 8), 38, 5)
    listed.write_text("castle/none.jpg\n")
    refused(lambda: sketches.read_sketchy(tmp_path, "train", 8), str(listed), "none of the")


@pytest.mark.parametrize("variant", ("tx_000100000000", "."))
def test_sketchy_in_other_folders(tmp_path, variant):
    write_sketchy(tmp_path, photos=1)
    for kind in ("photo", "sketch"):
        root = tmp_path / "256x256" / kind
        for category in (root / "tx_000000000000").iterdir():
            category.rename((root / variant).joinpath(category.name)) if variant == "." else None
        if variant != ".":
            (root / "tx_000000000000").rename(root / variant)
        else:
            (root / "tx_000000000000").rmdir()
    (tmp_path / "256x256").rename(tmp_path / "rendered")
    (tmp_path / "rendered_256x256").mkdir()
    (tmp_path / "rendered").rename(tmp_path / "rendered_256x256" / "256x256")
    assert_paired(sketches.read_sketchy(tmp_path, "train", 8), 9, 5)


def test_sketchy_with_missing_parts(tmp_path):
    write_sketchy(tmp_path, photos=2, drawings=2)
    sketch = tmp_path / "256x256" / "sketch" / "tx_000000000000"
    # Fewer drawings than five are repeated.
    (sketch / "swan" / "n00000007_0-2.png").unlink()
    _, drawn = sketches.read_sketchy(tmp_path, "train", 8)
    assert drawn.rows.shape[1] == 2 and (drawn.rows[:, 0] == drawn.rows[:, 1]).sum() == 1
    (sketch / "swan" / "n00000007_0-1.png").unlink()
    refused(lambda: sketches.read_sketchy(tmp_path, "train", 8), "n00000007_0.jpg", "no partner")
    (sketch / "swan" / "drawing.png").write_bytes(b"")
    refused(lambda: sketches.read_sketchy(tmp_path, "train", 8), "drawing.png", "NAME-1.png")
    (sketch / "duck").rename(tmp_path / "duck")
    refused(lambda: sketches.read_sketchy(tmp_path, "train", 8), str(sketch / "duck"), "missing")


@pytest.mark.parametrize(
    "photos, drawings",
    (
        ("photos", "sketches"),
        ("photo", "sketch"),
        ("CUHK_training_cropped_photos/photos", "CUHK_training_cropped_sketches/sketches"),
        ("CUHK_testing_photo/photo", "CUHK_testing_sketch"),
    ),
)
def test_faces_match_by_sex_series_and_numbers(tmp_path, photos, drawings):
    write_faces(tmp_path / photos, tmp_path / drawings)
    train = sketches.read_faces(tmp_path, "train", 8)
    test = sketches.read_faces(tmp_path, "test", 8)
    assert_paired(train, 4)
    assert_paired(test, 1)
    together = np.concatenate([levels(train[0]), levels(test[0])])
    assert sorted(together) == [0, 10, 20, 30, 40]
    np.testing.assert_array_equal(levels(train[0]), levels(train[1]))
    np.testing.assert_array_equal(levels(test[0]), levels(test[1]))


def test_faces_are_parted_as_on_the_poster(tmp_path):
    names = [f"m-{n:03}-01" for n in range(100)] + [f"f1-{n:03}-01" for n in range(88)]
    write_faces(tmp_path / "photos", tmp_path / "sketches", names)
    assert_paired(sketches.read_faces(tmp_path, "train", 8), 178)
    assert_paired(sketches.read_faces(tmp_path, "test", 8), 10)


def test_faces_that_do_not_match(tmp_path):
    refused(lambda: sketches.read_faces(tmp_path, "train", 8), "photos", "missing")
    write_faces(tmp_path / "photos", tmp_path / "sketches")
    (tmp_path / "sketches" / "f1-005-01-sz1.jpg").unlink()
    refused(lambda: sketches.read_faces(tmp_path, "train", 8), "f1-005-01.jpg", "1 of 9")
    write_faces(tmp_path / "CUHK_testing_photo", tmp_path / "sketches", FACES[:2])
    refused(lambda: sketches.read_faces(tmp_path, "train", 8), "f-005-01.jpg", "keep one")
    write_images(tmp_path / "sketches", ("stranger.jpg",))
    (tmp_path / "CUHK_testing_photo").rename(tmp_path / "spare")
    refused(lambda: sketches.read_faces(tmp_path, "train", 8), "stranger.jpg", "f-005-01.jpg")
