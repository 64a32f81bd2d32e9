"""Networks of keras.applications with their ImageNet weights, from a file or the Keras cache."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import h5py

from gantrain.deferred import keras
from gantrain.errors import UserError
from gantrain.hdf5 import refuse_links
from gantrain.nets.saved import refuse_unfinite
from gantrain.network import unreachable


class Application(NamedTuple):
    """A network of keras.applications and where its weights are.

    Args:
        name: in messages.
        build: keras.applications function; called with `include_top`, `weights` and `options`.
        url: of the weights without the dense layers; its last part is the name in the cache.
        md5: of that file.
        flag: the flag that names a weights file.
        options: further arguments of `build`.
    """

    name: str
    build: Callable[..., keras.Model]
    url: str
    md5: str
    flag: str
    options: dict

    @property
    def file(self) -> str:
        return self.url.rsplit("/", 1)[1]


def load(
    application: Application, path: str | PathLike | None = None, offline: bool = False
) -> tuple[keras.Model, Path]:
    """The network with its weights, in float32 under every precision, and the file they are from.

    Args:
        application: what to load.
        path: weights file (.h5 or .weights.h5, with or without the dense layers); None uses the
            Keras cache and, unless `offline`, its download.
        offline: never touch the network.

    Returns:
        The model, with the dense layers where the file has them, and the path of the file.

    Raises:
        UserError: the weights are not at hand or are something else.
    """
    path = _cached(application, offline) if path is None else Path(path)
    flag, file = application.flag, application.file
    if not path.is_file():
        raise UserError(f"{flag} {path}: no such file; {file} is expected")
    if not h5py.is_hdf5(path):
        raise UserError(f"{flag} {path}: not an HDF5 file; {file} is expected")
    try:
        with h5py.File(path, "r") as weights:
            refuse_links(weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(
            f"{flag} {path}: damaged ({_first_line(error)}); {file} is expected"
        ) from None
    for include_top in (False, True):
        net = _built(application, include_top)
        try:
            with warnings.catch_warnings():
                # Of a wrong file Keras warns at every layer, before it raises.
                warnings.simplefilter("ignore", UserWarning)
                net.load_weights(path)
            refuse_unfinite(net)
            return net, path
        except (ValueError, KeyError, OSError) as error:
            reason = _first_line(error)
    raise UserError(f"{flag} {path}: not a weights file of {application.name} in Keras ({reason})")


def cached(application: Application) -> Path:
    """Where the weights are in the Keras cache, once they were downloaded."""
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    return home / "models" / application.file


def _cached(application, offline):
    """Path of the weights in the Keras cache, after a download if need be."""
    path = cached(application)
    if offline:
        if not path.exists():
            raise UserError(
                f"--offline and no {application.name} weights in the Keras cache: give "
                f"{application.flag} PATH or put {application.file} under {path.parent}"
            )
        return path
    give = f"give {application.flag} PATH to {application.file}"
    silent = [] if path.exists() else unreachable([application.url])
    if silent:
        raise UserError(
            f"cannot download the {application.name} weights (no answer from {silent[0]}): {give}"
        )
    try:
        return Path(
            keras.utils.get_file(
                application.file,
                application.url,
                cache_dir=path.parent.parent,
                cache_subdir=path.parent.name,
                file_hash=application.md5,
            )
        )
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        raise UserError(
            f"cannot download the {application.name} weights ({_first_line(error)}): {give}"
        ) from error


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _built(application, include_top):
    policy = keras.config.dtype_policy()
    # In half precision features are too coarse to be told apart.
    keras.config.set_dtype_policy("float32")
    try:
        return application.build(include_top=include_top, weights=None, **application.options)
    finally:
        keras.config.set_dtype_policy(policy)
