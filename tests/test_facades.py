"""The embedded paired set: deterministic, exact plans, pictures that show what the plans say."""

import functools

import numpy as np
import pytest

from gantrain.data.facades import CLASSES, PALETTE, facade_pairs
from gantrain.errors import UserError


def class_indices(plans):
    """Places in CLASSES of the pixels of plans; each has exactly the colour of a class."""
    keys, palette = (
        colours.astype(np.int32) @ [1 << 16, 1 << 8, 1] for colours in (plans, PALETTE)
    )
    assert np.isin(keys, palette).all()
    order = np.argsort(palette)
    return order[np.searchsorted(palette[order], keys)].astype(np.uint8)


@functools.cache
def hundred():
    """A hundred small pairs: classes [N, 64, 64], pictures and their gray, float32."""
    plans, pictures = facade_pairs(100, 0, 64)
    pictures = pictures.astype(np.float32)
    return class_indices(plans), pictures, pictures.mean(-1)


def share(indices, name):
    return (indices == CLASSES.index(name)).mean()


@pytest.mark.parametrize("size", [64, 100, 128, 256])
def test_shapes_and_types(size):
    plans, pictures = facade_pairs(2, 0, size)
    for images in (plans, pictures):
        assert images.shape == (2, size, size, 3) and images.dtype == np.uint8
    indices = class_indices(plans)
    assert indices.shape == (2, size, size) and indices.dtype == np.uint8


def test_smaller_set_is_a_prefix():
    plans, pictures = facade_pairs(5, 7, 64)
    part_plans, part_pictures = facade_pairs(3, 7, 64)
    np.testing.assert_array_equal(part_plans, plans[:3])
    np.testing.assert_array_equal(part_pictures, pictures[:3])


def test_an_image_does_not_depend_on_what_was_drawn_before():
    plans, pictures = facade_pairs(2, 11, 64)
    facade_pairs(3, 12, 96)
    again = facade_pairs(2, 11, 64)
    np.testing.assert_array_equal(again[0], plans)
    np.testing.assert_array_equal(again[1], pictures)


def test_every_pair_and_every_seed_differs():
    indices, pictures, _ = hundred()
    assert len({image.tobytes() for image in indices}) == 100
    assert len({image.tobytes() for image in pictures}) == 100
    others = class_indices(facade_pairs(10, 1, 64)[0])
    assert not {image.tobytes() for image in others} & {image.tobytes() for image in indices}
    # Not one street in a hundred coats of paint: most pixels change their class between plans.
    agree = [(indices[i] == indices[i + 1]).mean() for i in range(99)]
    assert np.mean(agree) < 0.65


def test_empty_set():
    plans, pictures = facade_pairs(0, 0, 64)
    assert plans.shape == pictures.shape == (0, 64, 64, 3)
    assert class_indices(plans).shape == (0, 64, 64)


@pytest.mark.parametrize("size", [0, 63, 513])
def test_size_out_of_range(size):
    with pytest.raises(UserError, match=f"at {size} pixels: .*64 to 512; .*--image_size") as error:
        facade_pairs(1, 0, size)
    assert "\n" not in str(error.value)


def test_classes_have_colours_of_their_own():
    assert PALETTE.shape == (len(CLASSES), 3) and PALETTE.dtype == np.uint8
    assert len({tuple(colour) for colour in PALETTE}) == len(CLASSES) >= 10


def test_classes_of_a_street():
    indices, _, _ = hundred()
    for name in CLASSES:
        assert share(indices, name) > 5e-4, name
    with_class = {name: np.mean([share(plan, name) > 0 for plan in indices]) for name in CLASSES}
    assert with_class["window"] == with_class["wall"] == with_class["ground"] == 1
    assert with_class["door"] > 0.9
    assert 0.2 < share(indices, "wall") < 0.5
    assert 0.1 < share(indices, "window") < 0.3
    # Sky is above and ground below everything.
    columns = np.arange(64)[None, :, None]
    heights = {
        name: np.mean(np.broadcast_to(columns, indices.shape)[indices == CLASSES.index(name)])
        for name in ("sky", "roof", "wall", "shop", "ground")
    }
    assert list(heights) == sorted(heights, key=heights.get)
    assert (indices[:, -1] == CLASSES.index("ground")).mean() > 0.95


def test_windows_are_darker_than_walls_and_sky_is_brighter():
    indices, _, gray = hundred()

    def level(name):
        return np.array(
            [
                g[plan == CLASSES.index(name)].mean() if share(plan, name) > 0.02 else np.nan
                for g, plan in zip(gray, indices, strict=True)
            ]
        )

    wall, window, sky = level("wall"), level("window"), level("sky")
    assert np.isfinite(wall - window).mean() > 0.9
    assert np.nanmean(window - wall) < -20 and np.mean(window < wall) > 0.65
    seen = ~np.isnan(sky)  # some pictures end below the eaves
    assert np.mean(sky[seen] > wall[seen]) > 0.75


def test_edges_of_the_picture_lie_where_the_plan_has_them():
    """The contrast across the plan's borders is greatest when the plan lies where it was drawn."""
    indices, _, gray = hundred()
    border = indices[:, :, 1:] != indices[:, :, :-1]
    step = np.abs(np.diff(gray, axis=2))
    assert step[border].mean() > 2.5 * step[~border].mean()

    def contrast(shift):
        inner = slice(4, -4)
        return step[:, :, inner][np.roll(border, shift, axis=2)[:, :, inner]].mean()

    shifted = {shift: contrast(shift) for shift in range(-3, 4)}
    assert max(shifted, key=shifted.get) == 0
    assert shifted[0] > 1.5 * max(shifted[-1], shifted[1])
    down = np.abs(np.diff(gray, axis=1))
    border = indices[:, 1:] != indices[:, :-1]
    assert down[border].mean() > 2 * down[~border].mean()


def test_colour_of_the_wall_is_not_in_the_plan():
    indices, pictures, _ = hundred()
    walls = np.array(
        [
            image[plan == CLASSES.index("wall")].mean(0)
            for image, plan in zip(pictures, indices, strict=True)
        ]
    )
    tint = walls / walls.mean(1, keepdims=True)
    assert walls.mean(1).std() > 15 and (tint.std(0) > 0.03).all()
    assert np.median(tint[:, 0]) > np.median(tint[:, 2])  # plaster and brick are warm


def test_pictures_have_the_range_of_photographs():
    _, pictures, gray = hundred()
    assert 100 < pictures.mean() < 155
    assert gray.std((1, 2)).min() > 12  # no picture is flat
    assert np.median(gray.std((1, 2))) > 35
    assert (pictures >= 255).mean() < 0.03 and (pictures <= 0).mean() < 0.03


def test_same_building_at_another_size():
    """At twice the size a pair is the same street seen more finely."""
    plans, pictures = facade_pairs(6, 5, 128)
    small_plans, small_pictures = facade_pairs(6, 5, 64)
    agree = class_indices(plans)[:, 1::2, 1::2] == class_indices(small_plans)
    # Another street agrees by half; what is lost here are borders, snapped to coarser pixels.
    assert agree.mean((1, 2)).min() > 0.62 and agree.mean() > 0.78
    halved = pictures.reshape(6, 64, 2, 64, 2, 3).mean((2, 4))
    for a, b in zip(halved, small_pictures, strict=True):
        assert np.corrcoef(a.ravel(), b.astype(float).ravel())[0, 1] > 0.65
