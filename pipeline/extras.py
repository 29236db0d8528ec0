"""Libraries that only some components need, and that are installed with them: `dockline[kafka]`."""

from __future__ import annotations

import importlib
from types import ModuleType

from pipeline.errors import MissingPackage


def needed(module: str, extra: str, what: str = "") -> ModuleType:
    """The module, imported; `extra` names what installs it in `pyproject.toml`, and `what` needs
    it, such as `compression = "zstd"`; by default all that the extra is named after does.

    Called by a component as it is made, so that whoever does without it need not have it.
    Raises `MissingPackage` with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"{what or extra} needs the Python package {(error.name or module).split('.')[0]}, "
            f"which is not installed: pip install 'dockline[{extra}]' (the image has it)"
        ) from error
