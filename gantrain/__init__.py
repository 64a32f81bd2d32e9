"""gantrain: coupled and image-to-image GANs in TensorFlow and Keras 3.

The names that a notebook needs are here (docs/notebook.md). Each is imported when it is first used,
so that `import gantrain` and `--help` wait for no TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gantrain.core import Config as Config
    from gantrain.data.domain import Domain as Domain
    from gantrain.errors import UserError as UserError
    from gantrain.notebook import evaluate as evaluate
    from gantrain.notebook import make_config as make_config
    from gantrain.notebook import open_run as open_run
    from gantrain.notebook import picture as picture
    from gantrain.notebook import read_log as read_log
    from gantrain.notebook import sample as sample
    from gantrain.notebook import train as train
    from gantrain.notebook import translate as translate
    from gantrain.runs.callbacks import Diverged as Diverged
    from gantrain.stop import Interrupted as Interrupted

__version__ = "0.1.0"

# Name: the module that has it. The imports above tell type checkers the same.
_HOMES = {
    "train": "gantrain.notebook",
    "open_run": "gantrain.notebook",
    "sample": "gantrain.notebook",
    "picture": "gantrain.notebook",
    "translate": "gantrain.notebook",
    "evaluate": "gantrain.notebook",
    "read_log": "gantrain.notebook",
    "make_config": "gantrain.notebook",
    "Config": "gantrain.core",
    "Domain": "gantrain.data.domain",
    "UserError": "gantrain.errors",
    "Interrupted": "gantrain.stop",
    "Diverged": "gantrain.runs.callbacks",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'gantrain' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
