"""Optional libraries: imported only by the components that need them, and installed as extras such
as `dockline[kafka]`."""

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
"""Supported versions of packages whose private methods are overridden, as in `pyproject.toml`."""


def needed(module: str, extra: str, what: str = "") -> ModuleType:
    """Imports an optional module. Called when a component is constructed, so that nobody else needs
    the library.

    `extra`: the extra in `pyproject.toml` that installs it. `what`: what needs it, such as
    `compression = "zstd"`; by default the extra's name.

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
    """Checks that what is private to a library, and overridden here, exists. Called when a
    component is constructed.

    `methods`: for each name the parameters of the method; None for any attribute. Without this
    check, overriding a method that is gone would have no effect, and nobody would notice.

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
