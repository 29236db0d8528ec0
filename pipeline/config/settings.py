"""The settings of the configuration, except those of each source, sink and stage.

One Struct per table. The text below a field is its description in the reference and in the JSON
Schema, where its default and examples are shown too.
"""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct, field

from pipeline.model.component import (
    Duration,
    FileToRead,
    Secret,
    SinkConfig,
    Size,
    SourceConfig,
    TLSConfig,
)
from pipeline.model.container import EntryKind
from pipeline.model.timestamps import nanoseconds, split_timestamp
from pipeline.observe import token
from pipeline.topology.labels import NAMES as LABEL_NAMES
from pipeline.topology.labels import Honoured


class EngineURL(str):
    """The address of a Docker Engine: `unix://`, `tcp://`, `http://`, `https://`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> EngineURL:
        """Checks an address. Raises `EngineError` with a message for the user."""
        from pipeline.sources.docker.engine.endpoint import resolve

        resolve(text, None, {})
        return cls(text)


class ListenAddress(str):
    """An address to listen on for HTTP: `HOST:PORT` or `[IPV6]:PORT`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Checks an address. Raises `ValueError` with a message for the user."""
        found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})", text)
        if not found or int(found[2]) > 65535:
            raise ValueError(f'"{text}" is not HOST:PORT; write it like "127.0.0.1:9114"')
        return cls(text)


class HostName(str):
    """A host as in a URL, without the port: a name in lower case, or an IP address."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> HostName:
        """Checks a host. Raises `ValueError` with a message for the user."""
        name = text.strip("[]").lower()
        with suppress(ValueError):
            return cls(ip_address(name))
        if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", name):
            raise ValueError(f'"{text}" is not a host; write it like "web-1.example.com"')
        return cls(name)


class Network(str):
    """An IP address, or a network such as `10.1.0.0/16`; not one of all addresses."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Network:
        """Checks a network. Raises `ValueError` with a message for the user."""
        try:
            network = ip_network(text)
        except ValueError:
            raise ValueError(
                f'"{text}" is not an address or network; write it like "10.0.0.5" or "10.1.0.0/16"'
            ) from None
        if network.prefixlen == 0:
            raise ValueError(f'"{text}" is every address; name those of the proxy')
        return cls(text)


class HeaderName(str):
    """The name of an HTTP header that no client sends by itself."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> HeaderName:
        """Checks a name. Raises `ValueError` with a message for the user."""
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", text):
            raise ValueError(f'"{text}" is not a header; write it like "X-Forwarded-User"')
        if text.lower() in USUAL_HEADERS:
            raise ValueError(f'"{text}" is in every request; name one that only the proxy sets')
        return cls(text)


USUAL_HEADERS: Final = frozenset((
    "accept", "accept-encoding", "accept-language", "authorization", "connection",
    "content-length", "content-type", "cookie", "forwarded", "host", "origin", "referer",
    "user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
))  # fmt: skip
"""Headers that clients and proxies send whoever asks, in lower case."""


class ContainerExpression(str):
    """An expression over `name`, `id`, `image`, `labels`, `project` and `service`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ContainerExpression:
        """Checks an expression. Raises `ConfigError` with the column of the error."""
        from pipeline.expression import compile_container

        compile_container(text)
        return cls(text)


class EntryTime(str):
    """The time of an entry, in the form of `pipeline.model.timestamps`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> EntryTime:
        """Checks a time in RFC 3339. Raises `ValueError` with a message for the user."""
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
    """`false` turns it off, for a process that only reads other sources, such as a hub."""
    url: Annotated[
        EngineURL | None, Meta(examples=["unix:///var/run/docker.sock", "tcp://10.0.0.5:2376"])
    ] = None
    """Its address. Without it: `DOCKER_HOST`, then the current Docker context, then the usual
    sockets, also of a rootless Engine and of Podman."""
    tls: Annotated[
        TLSConfig | None,
        Meta(examples=[{"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}]),
    ] = None
    """Certificates, for an Engine on TCP with TLS. Without it: `DOCKER_TLS_VERIFY` and
    `DOCKER_CERT_PATH`, as for the Docker command line."""


class LogsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which containers' logs are read, how, and from where on."""

    start: Annotated[Literal["now", "beginning"] | Duration, Meta(examples=["now", "10m"])] = "now"
    """Where to begin with a container that is already running when it is first seen: `now`, the
    `beginning` of its log, or as far back as a duration says. A container that starts later is
    always read from its first line; one that was read before continues at its checkpoint."""
    read: Literal["auto", "api", "file"] = "auto"
    """How logs are read. `api` asks the Engine. `file` reads the files of the `json-file` driver,
    which costs the Engine nothing and the agent half as much; where these cannot be read it warns
    and asks the Engine. `auto` does the same without the warning."""
    containers: Annotated[
        ContainerExpression | None, Meta(examples=['name.startswith("shop-") and project != ""'])
    ] = None
    """An expression; only containers for which it is true are followed. Without it all are, except
    those labelled `dockline.enable = "false"`; an expression overrides that label. The agent's own
    container is never followed."""
    max_line: Annotated[Size, Meta(ge=1024)] = Size(2**20)
    """Longest line. A longer one is cut to this and marked `truncated`."""
    reconcile: Annotated[Duration, Meta(gt=0)] = Duration(30)
    """How often the list of containers is requested, in case an event of the Engine was lost."""


class LabelsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What containers may configure themselves, with labels such as `dockline.parse`: see
    docs/reference/labels.md."""

    honour: Annotated[
        Literal["off"] | list[Honoured],
        Meta(examples=[["enable", "tag"], ["enable", "tag", "filebeat", "logspout"], "off"]),
    ] = field(default_factory=lambda: [*LABEL_NAMES])
    """Labels that are honoured; `"off"` for none. Others are ignored without warning. `filebeat`
    adds Filebeat's hints (`co.elastic.logs/…`), `logspout` what Logspout ignores (the variable
    `LOGSPOUT=ignore`, the label `logspout.exclude`)."""
    containers: Annotated[
        ContainerExpression | None,
        Meta(examples=['project == "shop"', 'image.startswith("acme/")']),
    ] = None
    """An expression; only containers for which it is true may use labels. Without it, all may."""


class StatsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CPU, memory, network and disk usage of every container, for `/metrics` and for routes."""

    every: Annotated[Duration | None, Meta(gt=0, examples=["5s", "off"])] = Duration(5)
    """How often they are read; `"off"` for never."""
    labels: Annotated[list[str], Meta(examples=[["com.docker.compose.project"]])] = field(
        default_factory=lambda: [
            "com.docker.compose.project",
            "com.docker.compose.service",
            "com.docker.stack.namespace",
            "com.docker.swarm.service.name",
            "com.docker.swarm.task.name",
            "com.docker.swarm.node.id",
        ]
    )
    """Container labels that become labels of the metrics, as `container_label_NAME`. Choose few:
    every different value makes a series of its own. Without it those of Compose and of Swarm. A
    value is cut to 1024 characters."""
    ended: Annotated[Duration, Meta(ge=0, examples=["1h", "7d"])] = Duration(86400)
    """How long `/metrics` still says of a container that has ended that it does not run, and its
    exit code: as long as the Engine has it, but no longer than this, and of the 1,000 that ended
    last. One that failed and was removed at once (`docker run --rm`) is there for 15 minutes."""
    disk: Annotated[Duration | None, Meta(ge=10, examples=["5m", "off"])] = None
    """How often the writable layer of each running container is measured, for
    `container_fs_usage_bytes`; `"off"` for never. The Engine walks through all files of the layer
    for that, so it is asked for one container after another, and no more than half of the time."""


class EventsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Engine's container events (start, die, oom, rename, health), as entries for routes.

    The message of an entry says it as `docker ps` does, such as `exited with code 3 after 2 h`,
    `killed: out of memory after 2 h`; `docker.event` has the `action` and its details. A `die`
    has `exit_code`, `oom_killed` (missing if unknown), `last_lines` and `last_lines_complete`. Logs
    may arrive after the event, so a `die` waits up to half a second until the container's log is
    read to its end; `last_lines_complete` says whether it was. If no route takes the container's
    logs, the Engine is asked for these lines only. If its log cannot be read, both are missing. To
    select failures: `keep = "docker.event.exit_code != 0"`.
    """

    enabled: bool = True
    """Whether events reach the routes with `from = ["events"]`."""
    last_lines: Annotated[int, Meta(ge=0, le=50)] = 5
    """Number of a container's last lines in its `die` event, as `docker.event.last_lines`, each cut
    to 1 KiB; 0 for none. They have not been through any stage: what stages of a route for logs
    redact is still in them."""


class StateConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent keeps from one run to the next."""

    directory: str = "/var/lib/dockline"
    """Directory of the checkpoints (how far each log has been delivered) and disk buffers. If it
    cannot be created or written, the agent warns and keeps checkpoints in memory: a restart then
    begins at `logs.start`."""


class HTTPTLSConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificate of the agent's HTTP endpoint."""

    cert: Annotated[FileToRead, Meta(examples=["/certs/cert.pem"])]
    """PEM file of the certificate, with its chain."""
    key: Annotated[FileToRead | None, Meta(examples=["/certs/key.pem"])] = None
    """PEM file of its key, unencrypted, where that is not in the same file."""


class TrustedProxyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proxy in front of the agent's HTTP endpoint that has its users log in."""

    address: Annotated[
        Network | list[Network], Meta(examples=["10.0.0.5", ["10.0.0.5", "10.1.0.0/24"]])
    ]
    """The address that it connects from, or several, or a network. Everyone who can connect from
    there gets in: on a loopback address, that is every user of this host; the gateway of a Docker
    network stands for all clients of a published port."""
    header: Annotated[HeaderName, Meta(examples=["X-Forwarded-User", "Remote-User"])]
    """The header with the user's name. The proxy must set it itself, and remove what clients send
    under that name."""


class HTTPConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent's own HTTP endpoint: `/metrics`, `/healthz`, `/readyz`, and the API of commands."""

    listen: Annotated[ListenAddress | None, Meta(examples=["0.0.0.0:9114", "[::]:9114", "off"])] = (
        ListenAddress("127.0.0.1:9114")
    )
    """`HOST:PORT` to listen on; host `0.0.0.0` or `[::]` is every address; `"off"` is no endpoint.
    `$DOCKLINE_HTTP_LISTEN`, if set, is the default; the image sets it to `0.0.0.0:9114`."""
    token: Annotated[
        Secret | None,
        Meta(
            min_length=token.SHORTEST,
            max_length=token.LONGEST,
            pattern=token.FORM,
            examples=["${file:/run/secrets/dockline_token}"],
        ),
    ] = None
    """The token (`Authorization: Bearer …`) that every request needs, except for `/metrics`,
    `/healthz` and `/readyz`. Without it, one is made at the first start and kept in the file
    `token` of `state.directory`, where `dockline page`, `tap`, `top` and `audit` find it."""
    hosts: Annotated[list[HostName], Meta(examples=[["web-1.example.com", "10.0.0.7"]])] = []
    """Host names, without ports, that a request with the token may be addressed to (`Host`).
    Loopback addresses, `localhost`, and the host in `listen` are always allowed."""
    tls: Annotated[
        HTTPTLSConfig | None, Meta(examples=[{"cert": "/certs/cert.pem", "key": "/certs/key.pem"}])
    ] = None
    """Serves HTTPS instead of HTTP, from TLS 1.2 on. Renewed files are read without a restart."""
    trust_proxy: Annotated[
        TrustedProxyConfig | None,
        Meta(examples=[{"address": "10.0.0.5", "header": "X-Forwarded-User"}]),
    ] = None
    """Lets requests in without the token that come from this proxy with that header, once and not
    empty. All others need the token, those of the proxy without the header, too. `hosts` must have
    the name under which users reach the proxy."""
    metrics: Literal["open", "token"] = "open"
    """Who may read `/metrics`: everyone who reaches the endpoint, or only with the token."""
    tap: Literal["all", "local", "off"] = "all"
    """Who may look at entries, with `dockline tap` and on the page, where older lines are shown as
    the container wrote them, before anything is redacted: `all` with the token; `local` for those
    of them who connect over a loopback address without a proxy (with a container: from inside it,
    as by `docker exec`); `off` for nobody."""
    page: bool = True
    """Whether there is the page in a browser, and the `/api/…` that it asks. `dockline page` prints
    its address with the token."""
    reload: Literal["all", "local", "off"] = "all"
    """Who may reload the configuration with `POST /-/reload`, whose answer has the errors in it:
    `all`, `local` and `off` as for `tap`. SIGHUP and `--watch` always work."""


class AgentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent as a process."""

    shutdown: Annotated[Duration, Meta(ge=0)] = Duration(10)
    """How long a stopping agent continues to deliver what it has read. Keep it below the time after
    which the process is killed (`stop_grace_period` in Compose, also 10s by default)."""
    log: Literal["text", "json"] = "text"
    """The form of the agent's own log on standard error: `text` for people, or `json`, one object
    per line by the names of Elastic Common Schema. What is wrong with the configuration at the
    start is always text. How much is logged is chosen with `dockline run --log-level`."""


class StageConfig(Struct, frozen=True):
    """One step of a route: a table with one key, the stage's name."""

    name: str
    """The stage's name: that of its module in `pipeline/stages/`."""
    config: Any
    """The stage's settings, of the type `Config` of its module."""


SORTS: Final = get_args(EntryKind)
"""The kinds of entries: `logs`, `events`, `stats`."""
DOCKER: Final = "docker"
"""The name of the Docker Engine in the `from` of a route."""

FEED = "route:"
"""The prefix of a route's name in the `to` of another route."""


class RouteConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route: takes entries of some containers, applies stages, and sends the rest to sinks."""

    sources: Annotated[list[str], Meta(examples=[["logs", "events"], ["hub"]])] = field(
        name="from", default_factory=lambda: ["logs"]
    )
    """What it takes: any of `logs`, `events` and `stats`, from every source; and names of sources,
    to take everything from these and nothing from others. `docker` is the Engine."""
    containers: Annotated[
        ContainerExpression | None,
        Meta(examples=['project == "shop" and service != "db"']),
    ] = None
    """An expression that selects containers; without it, the route takes all that are followed."""
    labels: bool = False
    """Whether a container may also choose this route with its label `dockline.route = "NAME"`."""
    stages: Annotated[
        list[StageConfig],
        Meta(examples=[[{"parse": "json"}, {"keep": "level in ('error', 'fatal')"}]]),
    ] = []
    """Stages that are applied to the entries, in this order."""
    to: Annotated[
        list[str],
        Meta(min_length=1, examples=[["papertrail", "logstash"], ["archive", "route:errors"]]),
    ]
    """Names of the sinks that get the entries, and of other routes, written `route:NAME`, whose
    stages and sinks get them too. A route that others feed takes entries only from them; its `from`
    and `containers` still select among these."""

    @property
    def sinks(self) -> list[str]:
        """Names of the sinks in `to`."""
        return [name for name in self.to if not name.startswith(FEED)]

    @property
    def feeds(self) -> list[str]:
        """Names of the routes in `to`, without the prefix `route:`."""
        return [name.removeprefix(FEED) for name in self.to if name.startswith(FEED)]


class CaseContainer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The container that a test's lines come from."""

    name: str = "test"
    """Its name, without a slash."""
    image: str = ""
    """Its image, as in `docker run`."""
    labels: Annotated[dict[str, str], Meta(examples=[{"com.docker.compose.project": "shop"}])] = {}
    """Its labels."""
    id: str = "0" * 64
    """Its id."""
    host: str = ""
    """Name of the Engine's host."""


class CaseLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a test with its stream, time and fields."""

    line: Annotated[str, Meta(examples=["ready"])]
    """The text."""
    stream: Literal["stdout", "stderr"] = "stdout"
    """The stream that it is written to."""
    time: Annotated[EntryTime | None, Meta(examples=["2026-01-31T12:00:00Z"])] = None
    """Its time; without it, one millisecond after the previous line."""
    fields: dict[str, Any] = {}
    """Fields that the entry has before the first stage: those of an event, or those that the stages
    of a route that feeds this one have made."""


class CaseConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test of a route, run by `dockline test`: these lines in, those entries out."""

    name: Annotated[str, Meta(examples=["errors go on, the rest does not"])] = ""
    """What is tested, for reports."""
    route: Annotated[str, Meta(examples=["all"])]
    """Name of the route."""
    source: EntryKind = "logs"
    """What the lines are. For `events` and `stats` write tables, with the details as `fields`."""
    container: CaseContainer = CaseContainer()
    """The container of the lines. The test fails if the route does not take it."""
    taken: bool = True
    """`false` to test that the route does not take the container; nothing else is tested then."""
    input: Annotated[
        list[str | CaseLine], Meta(examples=[['{"level":"error","msg":"boom"}', "plain text"]])
    ] = []
    """The lines, as a container would write them; a text with newlines is several lines. A table
    gives more: `{ line = "text", stream = "stderr", time = "2026-01-31T12:00:00Z" }`, of which only
    `line` is required, and `fields` that the entry has before the first stage, such as
    `{ line = "died", fields = { docker.event.action = "die" } }`."""
    expect: Annotated[
        list[dict[str, Any]], Meta(examples=[[{"level": "error", "msg": "boom"}]])
    ] = []
    """The entries that should come out, in order; `[]` for none. Each table has the fields to
    compare, as a JSON sink writes them; the entry may have others. Nested fields are written
    `log.level = "error"` or `log = { level = "error" }`."""
    absent: Annotated[list[str], Meta(examples=[["password", "http.headers"]])] = []
    """Fields that no resulting entry may have."""
    metrics: Annotated[
        dict[str, int | float], Meta(examples=[{'http_requests_total{status="503"}': 2}])
    ] = {}
    """Values of the series that stages make (`count`, `observe`) after these lines, by their names
    on `/metrics`; a series that does not exist is 0."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. Everything has a default: an empty file, or none, is useful."""

    engine: EngineConfig = EngineConfig()
    logs: LogsConfig = LogsConfig()
    labels: LabelsConfig = LabelsConfig()
    stats: StatsConfig = StatsConfig()
    events: EventsConfig = EventsConfig()
    state: StateConfig = StateConfig()
    http: HTTPConfig = HTTPConfig()
    agent: AgentConfig = AgentConfig()
    sources: dict[str, SourceConfig] = {}
    """Where entries come from beside Docker, each under a name of your choice. They take the same
    routes as Docker's, and a route may name a source in its `from`. A source acknowledges entries
    to its peer when every sink has delivered them, refused and counted them, or has them safely on
    disk."""
    sinks: dict[str, SinkConfig] = {}
    """Where entries go, each under a name of your choice. Without any: a sink `console`, which
    writes to standard output."""
    routes: dict[str, RouteConfig] = {}
    """Which entries go to which sinks, each under a name of your choice. Without any: a route `all`
    sends all logs to all sinks (except those that are a `dead_letter`), and a route `stats` sends
    stats to the sinks that take nothing else, such as `prometheus`."""
    tests: list[CaseConfig] = []
    """Tests of the routes, for `dockline test`."""

    def feeding(self, route: str) -> list[str]:
        """Names of the routes that lead to this one. If there are any, it takes entries from them
        alone."""
        return [name for name, other in self.routes.items() if route in other.feeds]
