"""The readers on real files: set GANTRAIN_DATA_DIR to a folder with mnist/, celeba/, ..."""

import os
from pathlib import Path

import numpy as np
import pytest

from gantrain.data.check import check
from gantrain.data.datasets import load


@pytest.fixture
def real():
    """`real(source)` is the data directory, if the source's folder is in it."""

    def directory(source):
        root = os.environ.get("GANTRAIN_DATA_DIR")
        if not root:
            pytest.skip("GANTRAIN_DATA_DIR is not set")
        if not (Path(root) / source).is_dir():
            pytest.skip(f"GANTRAIN_DATA_DIR has no {source}/")
        return Path(root)

    return directory


def test_mnist(real):
    data_dir = real("mnist")
    (train,) = load("mnist", data_dir=data_dir, offline=True)
    (test,) = load("mnist", data_dir=data_dir, offline=True, split="test")
    assert train.images.shape == (60_000, 32, 32, 1) and test.size == 10_000
    assert np.bincount(train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    # Background is black, and scaling keeps the ink: 0.1307 of white at 28x28.
    assert np.median(train.images) == 0
    assert abs(train.images.mean() / 255 - 0.1307) < 0.002


def test_mnist2edge(real):
    first, second = load("mnist2edge", data_dir=real("mnist"), offline=True)
    assert first.size == second.size == 30_000
    # An outline leaves the stroke's middle black.
    assert (second.images[:, 8:24, 8:24] > 0).mean() > 0.1


def test_celeba(real):
    data_dir = real("celeba")
    has = []
    for name in ("celeb_smiling", "celeb_blond", "celeb_eyeglasses"):
        parts = [
            load(name, data_dir=data_dir, offline=True, image_size=32, split=split)
            for split in ("train", "test")
        ]
        sizes = np.array([[domain.size for domain in domains] for domains in parts])
        total = sizes.sum()
        has.append(sizes[:, 1].sum())
        assert all(domain.images.std() > 20 for domains in parts for domain in domains)
    if total == 202_599:  # Table 2.2.
        assert has == [97_669, 29_983, 13_193]
    elif total == 1_700:  # The project's excerpt.
        assert has == [833, 444, 336]


@pytest.mark.parametrize("name", ("mnist2edge2negative", "celeba", "svhn_crops"))
def test_check(real, name):
    source = {"mnist2edge2negative": "mnist"}.get(name, name)
    assert check(name, real(source)).complete


def test_svhn_crops(real):
    data_dir = real("svhn_crops")
    parts = [
        load("svhn_crops", data_dir=data_dir, offline=True, split=split)[0]
        for split in ("train", "test")
    ]
    assert parts[0].shape == (32, 32, 3) and parts[0].classes == tuple("0123456789")
    assert min(np.bincount(parts[0].labels)) > 0 and parts[1].size > 0
