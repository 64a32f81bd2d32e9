"""TensorFlow and Keras, loaded when something of them is first used.

Options, registries and their lines of help lie beside the networks and terms that they belong to.
Whoever only reads those, as `--help`, `list`, and a wrong flag or a missing file do, need not wait
the seconds that TensorFlow takes to load.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gantrain.progress import phase

if TYPE_CHECKING:
    import keras as keras
    import tensorflow as tf
    from keras import layers as layers
    from keras import ops as ops


class Deferred(types.ModuleType):
    """A module that is imported when the first of its names is asked for."""

    def __getattr__(self, name: str) -> object:
        # Who looks into modules, as debuggers do, has no need of it.
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        own = self.__dict__
        if "found" not in own:
            own["found"] = load(self.__name__)
        return getattr(own["found"], name)


def _then() -> None:
    """What is done as soon as TensorFlow is loaded."""


def when_loaded(act: Callable[[], None]) -> None:
    """Has something done as soon as TensorFlow is loaded, before it is used."""
    global _then
    _then = act


def load(name: str) -> types.ModuleType:
    """A module that needs TensorFlow, which is loaded before it."""
    if "tensorflow" not in sys.modules:
        with phase("start", "loading TensorFlow"), quiet():
            importlib.import_module("tensorflow")
        # Before anything computes.
        _then()
    return importlib.import_module(name)


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what TensorFlow's C++ side writes to stderr in a block, unless an import fails.

    Its first lines (oneDNN, missing CUDA libraries) heed no log level, those of converters neither.
    """
    sys.stderr.flush()
    keep = os.dup(2)
    with _hidden() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except ImportError:
            hidden.seek(0)
            os.write(keep, hidden.read())
            raise
        finally:
            os.dup2(keep, 2)
            os.close(keep)


def _hidden():
    try:
        return tempfile.TemporaryFile()
    except OSError:  # a full disk
        return open(os.devnull, "w+b")


if not TYPE_CHECKING:
    tf, keras = Deferred("tensorflow"), Deferred("keras")
    layers, ops = Deferred("keras.layers"), Deferred("keras.ops")
