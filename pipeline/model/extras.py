"""Libraries that only some components need, and that are installed with them: `dockline[kafka]`."""

from __future__ import annotations

import importlib
import inspect
from importlib.metadata import version
from types import ModuleType
from typing import Final

from pipeline.model.errors import MissingPackage

SUPPORTED: Final = {
    "aiobotocore": ">=2.21,<4",
    "aiohttp": ">=3.12,<4",
    "aiokafka": ">=0.13,<0.15",
    "nats-py": ">=2.10,<3",
}
"""Of packages that have private methods overridden, the versions that `pyproject.toml` allows."""


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


def overridden(
    package: str, extra: str, owner: type | ModuleType, **methods: tuple[str, ...] | None
) -> None:
    """Sees that what is private to a library, and replaced here, is there: methods with their
    parameters, or any attribute where that is None. One that is gone would be replaced in vain, and
    nobody would notice. Called by a component as it is made.

    Raises `MissingPackage` with the version that is installed, and those that are supported.
    """
    for name, parameters in methods.items():
        found = getattr(owner, name, None)
        if found is None or (
            parameters is not None and tuple(inspect.signature(found).parameters) != parameters
        ):
            raise _unsupported(package, extra, f"{owner.__name__}.{name}")


def _unsupported(package: str, extra: str, what: str) -> MissingPackage:
    return MissingPackage(
        f"{package} {version(package)} is not a version that {extra} works with ({what} is not as "
        f"expected); supported are {SUPPORTED[package]}: pip install 'dockline[{extra}]'"
    )
