"""The configuration: what it may say, and how a TOML file becomes it.

In reading order:

1. ``settings``     one Struct per table; sinks and stages bring their own
2. ``locate``       where each key of a TOML text stands
3. ``problems``     what is wrong, where, and what was probably meant; ``syntax`` for no TOML at
                    all; ``secrecy`` for what of a configuration is never shown
4. ``substitute``   `${NAME}` and `${file:...}`
5. ``convert``      from TOML values to the Structs, every error noted; ``components`` for sinks and
                    stages, ``scalars`` for single values, ``wording`` for what they are called
6. ``check``        what no single value can tell, such as names that must exist; ``advice`` warns
                    of what is valid, and probably not meant
7. ``file``         all of the above, for one file

and for those who document it: ``fields``, ``examples``, ``schema``.
"""

from pipeline.config.file import ConfigFile, find, load, read
from pipeline.config.problems import ConfigErrors, Problem
from pipeline.config.settings import Config, RouteConfig, StageConfig

__all__ = [
    "Config",
    "ConfigErrors",
    "ConfigFile",
    "Problem",
    "RouteConfig",
    "StageConfig",
    "find",
    "load",
    "read",
]
