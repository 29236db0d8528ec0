"""Everything that a configuration may say, apart from what each sink and each stage adds.

One Struct per table. The sentence below a field is its description in the reference and in the
JSON Schema, its default is the one that is documented, and its examples are shown.
"""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct, field

from pipeline.model.component import Duration, Secret, SinkConfig, Size, SourceConfig, TLSConfig
from pipeline.model.container import EntryKind
from pipeline.model.timestamps import nanoseconds, split_timestamp
from pipeline.observe import token
from pipeline.topology.labels import NAMES as LABEL_NAMES
from pipeline.topology.labels import Name as LabelName


class EngineURL(str):
    """Where a Docker Engine listens."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> EngineURL:
        """Raises `EngineError` with a sentence fit for the user."""
        from pipeline.sources.docker.engine.endpoint import resolve

        resolve(text, None, {})
        return cls(text)


class ListenAddress(str):
    """Where to wait for HTTP requests: `HOST:PORT` or `[IPV6]:PORT`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Raises `ValueError` with a sentence fit for the user."""
        found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})", text)
        if not found or int(found[2]) > 65535:
            raise ValueError(f'"{text}" is not HOST:PORT; write it like "127.0.0.1:9114"')
        return cls(text)


class HostName(str):
    """A name or an address of a host, as it stands in a URL, without a port."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> HostName:
        """Raises `ValueError` with a sentence fit for the user."""
        name = text.strip("[]").lower()
        with suppress(ValueError):
            return cls(ip_address(name))
        if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", name):
            raise ValueError(f'"{text}" is not a host; write it like "web-1.example.com"')
        return cls(name)


class ContainerExpression(str):
    """Chooses containers by `name`, `id`, `image`, `labels`, `project` and `service`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ContainerExpression:
        """Raises `ConfigError`, with the column where the expression is wrong."""
        from pipeline.expression import compile_container

        compile_container(text)
        return cls(text)


class EntryTime(str):
    """When a line was written, in the form of `pipeline.model.timestamps`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> EntryTime:
        """Raises `ValueError` with a sentence fit for the user."""
        time, rest = split_timestamp(str(text).encode())
        try:
            nanoseconds(time)
        except ValueError:
            rest = b"no time"
        if rest:
            raise ValueError(f'"{text}" is not a time; write it like "2026-01-31T23:59:59.123Z"')
        return cls(time.decode())


class EngineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Docker Engine whose containers are followed, or Podman through the same API."""

    enabled: bool = True
    """`false` for a process that has its entries from other sources alone, such as a hub: no Engine
    is looked for."""
    url: Annotated[
        EngineURL | None, Meta(examples=["unix:///var/run/docker.sock", "tcp://10.0.0.5:2376"])
    ] = None
    """Where it listens. Without it: `DOCKER_HOST`, then the current Docker context, then the
    usual sockets, those of a rootless Engine and of Podman included."""
    tls: Annotated[
        TLSConfig | None,
        Meta(examples=[{"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}]),
    ] = None
    """For an Engine on TCP with TLS. Without it: `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`, as
    the Docker command line has them."""


class LogsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which containers' logs are read, and from where on."""

    start: Annotated[Literal["now", "beginning"] | Duration, Meta(examples=["now", "10m"])] = "now"
    """For a container that is first seen already running: from `now` on, from the `beginning` of
    its log, or as far back as a duration says. A container that starts later is always read from
    its first line, and one seen before from where the checkpoint is."""
    read: Literal["auto", "api", "file"] = "auto"
    """How logs are read. `api` asks the Engine; `file` reads the files of the driver `json-file`,
    which costs the Engine nothing and the agent half as much, and asks the Engine where there are
    none to be read, saying so; `auto` does the same and takes that for granted."""
    containers: Annotated[
        ContainerExpression | None, Meta(examples=['name.startswith("shop-") and project != ""'])
    ] = None
    """An expression; containers for which it is false are not followed at all. Without it every
    container is, but for those labelled `dockline.enable = "false"`, which an expression overrules;
    never the agent's own."""
    max_line: Annotated[Size, Meta(ge=1024)] = Size(2**20)
    """A longer line is cut to this and marked `truncated`."""
    reconcile: Annotated[Duration, Meta(gt=0)] = Duration(30)
    """How often the list of containers is asked for again, since the Engine's events can be
    lost."""


class LabelsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What containers may ask for by themselves, with labels such as `dockline.parse`: see
    docs/labels.md."""

    honour: Annotated[
        Literal["off"] | list[LabelName], Meta(examples=[["enable", "tag"], "off"])
    ] = field(default_factory=lambda: [*LABEL_NAMES])
    """Which of them count; `"off"` for none."""
    containers: Annotated[
        ContainerExpression | None,
        Meta(examples=['project == "shop"', 'image.startswith("acme/")']),
    ] = None
    """An expression; of containers for which it is false, no label counts. Without it, those of
    every container do."""


class StatsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CPU, memory, network and disk figures of every container, for `/metrics` and for routes."""

    every: Annotated[Duration | None, Meta(gt=0, examples=["5s", "off"])] = Duration(5)
    """How often; `"off"` for never."""
    labels: Annotated[list[str], Meta(examples=[["com.docker.compose.project"]])] = field(
        default_factory=lambda: ["com.docker.compose.project", "com.docker.compose.service"]
    )
    """Container labels that become labels of the metrics, as `container_label_NAME`. A few:
    every value that differs makes a series of its own."""


class EventsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to containers (start, die, oom, rename, health), as entries for routes.

    An entry has a sentence as its message, and under `docker.event` an `action` and what is special
    to it. A `die` has `exit_code`, `oom_killed` (left out where nobody can tell), `last_lines` and
    `last_lines_complete`. Logs may come after the event, so a `die` waits up to half a second until
    the container's log is read to its end; `last_lines_complete` says whether it was. Where no
    route takes the container's logs, the Engine is asked for these lines alone. A container whose
    log cannot be read has neither. For example `keep = "docker.event.exit_code != 0"`.
    """

    enabled: bool = True
    """Whether they reach the routes with `from = ["events"]`."""
    last_lines: Annotated[int, Meta(ge=0, le=50)] = 5
    """How many of a container's last lines go with its `die`, as `docker.event.last_lines`, each
    cut to 1 KiB; 0 for none. They are as they were read: no stage of a route for logs has seen
    them."""


class StateConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent remembers from one run to the next."""

    directory: str = "/var/lib/dockline"
    """Checkpoints (how far each log has been delivered) and spools. When it cannot be made or
    written, the agent says so and keeps them in memory: a restart then begins at `logs.start`."""


class HTTPConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent's own HTTP endpoint: `/metrics`, `/healthz`, `/readyz`, and what commands ask."""

    listen: Annotated[ListenAddress | None, Meta(examples=["0.0.0.0:9114", "[::]:9114", "off"])] = (
        ListenAddress("127.0.0.1:9114")
    )
    """`HOST:PORT`; host `0.0.0.0` or `[::]` for every address; `"off"` for no endpoint. Where
    `$DOCKLINE_HTTP_LISTEN` is set, that is the default; the image sets it to `0.0.0.0:9114`."""
    token: Annotated[
        Secret | None,
        Meta(
            min_length=token.SHORTEST,
            max_length=token.LONGEST,
            pattern=token.FORM,
            examples=["${file:/run/secrets/dockline_token}"],
        ),
    ] = None
    """What has to be sent (`Authorization: Bearer …`) by whoever asks for anything but `/metrics`,
    `/healthz` and `/readyz`: entries, figures, a reload. Without it, one is made at the first start
    and kept in the file `token` of `state.directory`, where `dockline tap`, `top` and `audit` find
    it."""
    hosts: Annotated[list[HostName], Meta(examples=[["web-1.example.com", "10.0.0.7"]])] = []
    """Names by which the agent may be asked for what needs the token, without ports. Loopback
    addresses, `localhost`, and the address or name that is listened on, always count."""
    metrics: Literal["open", "token"] = "open"
    """Who may read `/metrics`: everybody who reaches the endpoint, or who has the token."""
    tap: Literal["all", "local", "off"] = "all"
    """Who may look at entries with `dockline tap`: `all` who have the token; those of them who ask
    over a loopback address and through no proxy (in a container: from the same container, as with
    `docker exec`); or nobody."""
    reload: Literal["all", "local", "off"] = "all"
    """Who may have the configuration read again with `POST /-/reload`, and is told what is wrong
    with it: the same choice. SIGHUP and `--watch` do not depend on it."""


class AgentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent as a process."""

    shutdown: Annotated[Duration, Meta(ge=0)] = Duration(10)
    """How long a stopping agent goes on delivering what it has already read. Keep it below the
    time after which the process is killed (`stop_grace_period` in Compose, 10s there too)."""


class StageConfig(Struct, frozen=True):
    """One step of a route: a table with one key, the stage's name."""

    name: str
    config: Any
    """Of the type that the stage's module calls `Config`."""


SORTS: Final = get_args(EntryKind)
"""What entries are: logs, events, stats."""
DOCKER: Final = "docker"
"""The name of the Engine where a route takes only what comes from there."""

FEED = "route:"
"""What a route's name begins with where it stands beside sinks."""


class RouteConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way from containers, through stages, to sinks."""

    sources: Annotated[list[str], Meta(examples=[["logs", "events"], ["hub"]])] = field(
        name="from", default_factory=lambda: ["logs"]
    )
    """What it takes: any of `logs`, `events` and `stats`, wherever they come from, and names of
    sources, for all that comes from these and from nowhere else; `docker` is the Engine."""
    containers: Annotated[
        ContainerExpression | None,
        Meta(examples=['project == "shop" and service != "db"']),
    ] = None
    """An expression; without it, every container that is followed."""
    labels: bool = False
    """Whether a container may also choose this route by itself, with the label
    `dockline.route = "NAME"`."""
    stages: Annotated[
        list[StageConfig],
        Meta(examples=[[{"parse": "json"}, {"keep": "level in ('error', 'fatal')"}]]),
    ] = []
    """What is done to the entries, in this order."""
    to: Annotated[
        list[str],
        Meta(min_length=1, examples=[["papertrail", "logstash"], ["archive", "route:errors"]]),
    ]
    """Names of the sinks that get what is left, and of further routes, written `route:NAME`: what
    is left goes through their stages and to their sinks, too. A route that others lead to has its
    entries from them alone, and its `from` and `containers` still choose among what comes."""

    @property
    def sinks(self) -> list[str]:
        return [name for name in self.to if not name.startswith(FEED)]

    @property
    def feeds(self) -> list[str]:
        """The routes that it leads to."""
        return [name.removeprefix(FEED) for name in self.to if name.startswith(FEED)]


class CaseContainer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The container that a test's lines come from."""

    name: str = "test"
    """Its name, without a slash."""
    image: str = ""
    """The reference it was started from."""
    labels: Annotated[dict[str, str], Meta(examples=[{"com.docker.compose.project": "shop"}])] = {}
    """Its labels."""
    id: str = "0" * 64
    """Its id."""
    host: str = ""
    """Name of the Engine's host."""


class CaseLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a test with more to it than its text."""

    line: Annotated[str, Meta(examples=["ready"])]
    """The text."""
    stream: Literal["stdout", "stderr"] = "stdout"
    """Where the container writes it."""
    time: Annotated[EntryTime | None, Meta(examples=["2026-01-31T12:00:00Z"])] = None
    """When; without it, a millisecond after the line before."""
    fields: dict[str, Any] = {}
    """What it has beside its text: what an event tells, or what the routes have made of a line that
    lead to this one."""


class CaseConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test of a route, run by `dockline test`: these lines in, those entries out."""

    name: Annotated[str, Meta(examples=["errors go on, the rest does not"])] = ""
    """What is tested, for reports."""
    route: Annotated[str, Meta(examples=["all"])]
    """Name of the route."""
    source: EntryKind = "logs"
    """What the lines are. For `events` and `stats` they are tables, with what these tell as
    `fields`."""
    container: CaseContainer = CaseContainer()
    """Where the lines come from. The route has to take it, unless `taken` says otherwise."""
    taken: bool = True
    """`false` where the route is not to take the container; then nothing else is asked."""
    input: Annotated[
        list[str | CaseLine], Meta(examples=[['{"level":"error","msg":"boom"}', "plain text"]])
    ] = []
    """The lines, as a container would write them; a text of several lines is several. For one with
    more to it, a table: `{ line = "text", stream = "stderr", time = "2026-01-31T12:00:00Z" }`, of
    which the last two may be left out; and `fields` that it has before the first stage, such as
    `{ line = "died", fields = { docker.event.action = "die" } }`."""
    expect: Annotated[
        list[dict[str, Any]], Meta(examples=[[{"level": "error", "msg": "boom"}]])
    ] = []
    """One table for each entry that comes out, in order; `[]` where nothing does. A table names
    the fields to compare, of what a JSON sink would get; the entry may have others. Those inside
    of objects are written `log.level = "error"` or `log = { level = "error" }`."""
    absent: Annotated[list[str], Meta(examples=[["password", "http.headers"]])] = []
    """Fields that no entry that comes out may have."""
    metrics: Annotated[
        dict[str, int | float], Meta(examples=[{'http_requests_total{status="503"}': 2}])
    ] = {}
    """Series that stages make (`count`, `observe`), by their names on `/metrics`, and what they
    stand at after these lines; one that is not there stands at 0."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything has a default: an empty file, and no file at all, make a useful agent."""

    engine: EngineConfig = EngineConfig()
    logs: LogsConfig = LogsConfig()
    labels: LabelsConfig = LabelsConfig()
    stats: StatsConfig = StatsConfig()
    events: EventsConfig = EventsConfig()
    state: StateConfig = StateConfig()
    http: HTTPConfig = HTTPConfig()
    agent: AgentConfig = AgentConfig()
    sources: dict[str, SourceConfig] = {}
    """Where entries come from beside Docker, each with a name of your choice. What they are (logs,
    mostly) takes the same routes, and a route may name one in its `from`. A source answers its
    peers when all sinks have settled what it took: delivered, refused and counted, or safe on a
    disk."""
    sinks: dict[str, SinkConfig] = {}
    """Where entries can go, each with a name of your choice. Without any: one sink named
    `console`, which writes to standard output."""
    routes: dict[str, RouteConfig] = {}
    """Which entries go where, each with a name of your choice. Without any: a route `all` takes
    all logs to all sinks (but not to one that is another's `dead_letter`), and a route `stats`
    takes the stats to the sinks that want nothing else, such as `prometheus`."""
    tests: list[CaseConfig] = []
    """Tests of the routes, for `dockline test`."""
