"""The configuration: its settings, and how a TOML file is read into them.

In reading order:

1. ``settings``     one Struct per table; each sink, source and stage defines its own
2. ``locate``       the line and text of each key in a TOML file
3. ``problems``     error messages with their place and a hint; ``syntax`` for text that is not
                    TOML; ``secrecy`` for the values that are never shown
4. ``substitute``   `${NAME}` and `${file:...}`
5. ``convert``      from TOML values to the Structs, collecting all errors; ``components`` for
                    sinks, sources and stages, ``scalars`` for single values, ``wording`` for the
                    names of types in messages
6. ``check``        names that must exist, and routes that must not form a circle; ``advice`` for
                    warnings about valid settings that are probably a mistake
7. ``files``        finds and reads the files; ``merge`` makes one tree of them
8. ``file``         all of the above

``selection`` decides which containers are followed and which routes take them. ``compare`` tells
what changes between two configurations, ``edit`` rewrites a TOML file in place, ``addresses`` tells
where sinks and sources are. ``fields``,
``examples`` and ``schema`` are for the documentation.
"""

from pipeline.config.file import ConfigFile, load, read
from pipeline.config.files import Given, find
from pipeline.config.problems import ConfigErrors, Problem
from pipeline.config.settings import Config, RouteConfig, StageConfig

__all__ = [
    "Config",
    "ConfigErrors",
    "ConfigFile",
    "Given",
    "Problem",
    "RouteConfig",
    "StageConfig",
    "find",
    "load",
    "read",
]
