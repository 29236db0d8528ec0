"""What other tools call things, and what says the same here. Only for hints in messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from pipeline.config.locate import Path

_HTTP: Final = 'write type = "http" with its `url`; docs/guides/webhooks.md has recipes'

_SINKS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "webhook",
            "https",
            "post",
            "rest",
            "slack",
            "teams",
            "msteams",
            "discord",
            "pagerduty",
            "opsgenie",
            "ntfy",
            "splunk",
            "splunk_hec",
            "splunk_hec_logs",
            "datadog",
            "datadog_logs",
            "newrelic",
            "new_relic",
            "sumologic",
            "sumo_logic",
            "logtail",
            "betterstack",
            "better_stack",
            "axiom",
            "logdna",
            "mezmo",
            "loggly",
            "coralogix",
        ),
        _HTTP,
    ),
    **dict.fromkeys(
        ("stdout", "stderr", "std", "print", "terminal", "debug"), 'write type = "console"'
    ),
    **dict.fromkeys(
        ("statsd", "graphite", "influxdb", "influx", "collectd"),
        "metrics are read from /metrics, or sent by prometheus_remote_write or otlp",
    ),
    **dict.fromkeys(("elastic", "opensearch", "es"), 'write type = "elasticsearch"'),
    **dict.fromkeys(("fluentd", "fluentbit", "fluent_bit", "fluent"), 'write type = "forward"'),
    **dict.fromkeys(("beats", "lumberjack", "filebeat"), 'write type = "logstash"'),
    **dict.fromkeys(("graylog", "gelf_udp", "gelf_tcp"), 'write type = "gelf"'),
    **dict.fromkeys(("rsyslog", "syslog_ng", "rfc5424", "rfc3164"), 'write type = "syslog"'),
    **dict.fromkeys(("opentelemetry", "otel", "otlphttp", "otlpgrpc"), 'write type = "otlp"'),
    **dict.fromkeys(("aws_s3", "minio", "gcs", "r2"), 'write type = "s3"'),
    **dict.fromkeys(("grafana", "grafana_cloud"), 'write type = "loki", or "otlp"'),
    **dict.fromkeys(("victoria", "victoria_logs", "vlogs"), 'write type = "victorialogs"'),
    **dict.fromkeys(("json_file", "files", "disk"), 'write type = "file"'),
    **dict.fromkeys(("remote_write", "mimir", "cortex"), 'write type = "prometheus_remote_write"'),
    **dict.fromkeys(("prometheus_exporter", "exporter"), 'write type = "prometheus"'),
    **dict.fromkeys(
        ("cloudwatch", "awslogs", "aws_cloudwatch_logs"),
        "CloudWatch's agent reads the files of a `file` sink, or takes what `otlp` sends it",
    ),
    **dict.fromkeys(
        ("tcp", "udp", "socket", "raw"), "write the protocol: syslog, gelf, logstash or forward"
    ),
    **dict.fromkeys(
        ("blackhole", "null", "devnull", "none"),
        "what goes nowhere needs no sink: leave it out of `containers`, or drop it in a stage",
    ),
    "vector": 'write type = "http" or "forward", which Vector has sources for',
}

_NO_SOURCE: Final = (
    "Docker's containers are followed without a source; [logs] containers = … selects among them"
)
_SOURCES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("docker", "docker_logs", "docker_log", "container", "containers"), _NO_SOURCE),
    **dict.fromkeys(
        ("file", "tail", "journald", "json_file"),
        'only logs of containers are read; with [logs] read = "file" from the Engine\'s files',
    ),
    **dict.fromkeys(("fluent", "fluentd", "fluentbit"), 'write type = "forward"'),
    **dict.fromkeys(("socket", "tcp", "udp", "rsyslog"), 'write type = "syslog"'),
    **dict.fromkeys(
        ("docker_stats", "docker_events", "host_metrics"),
        'stats and events come from Docker itself: write from = ["stats", "events"] in a route',
    ),
}

_KEEP_DROP: Final = (
    'write { keep = "…" } with a condition for what goes on, or { drop = "…" } for what does not'
)
_SET: Final = (
    'write { set = { name = "value" } }, { rename = { a = "b" } } or { remove = ["name"] }'
)
_STAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("filter", "grep", "if", "when", "select"), _KEEP_DROP),
    **dict.fromkeys(("include", "include_lines", "where", "match"), 'write { keep = "…" }'),
    **dict.fromkeys(("exclude", "exclude_lines", "drop_event", "ignore"), 'write { drop = "…" }'),
    **dict.fromkeys(
        ("mutate", "modify", "record_transformer", "record_modifier", "transform", "remap", "vrl"),
        _SET,
    ),
    **dict.fromkeys(
        (
            "add",
            "add_field",
            "add_fields",
            "add_tag",
            "add_tags",
            "add_labels",
            "labels",
            "static_labels",
        ),
        'write { set = { name = "value" } }',
    ),
    **dict.fromkeys(
        ("remove_field", "drop_fields", "labeldrop", "prune", "delete", "del"),
        'write { remove = ["name"] }',
    ),
    **dict.fromkeys(
        ("multiline", "concat", "recombine", "merge", "detect_exceptions", "stacktrace"),
        "write { join = \"python\" } for a language's traces, or { join = '^\\d{4}-' } for how an "
        "entry begins",
    ),
    **dict.fromkeys(
        ("grok", "regexp", "pattern", "dissect", "extract"),
        "write { parse = { regex = '(?P<name>…)' } }",
    ),
    **dict.fromkeys(
        ("parser", "decode", "unpack", "decode_json_fields", "parse_json", "json_parser"),
        'write { parse = "json" }, or "auto"',
    ),
    **dict.fromkeys(("kv", "key_value", "parse_key_value"), 'write { parse = "logfmt" }'),
    **dict.fromkeys(("date", "timestamp"), 'write { time = "ts" } with the field of the time'),
    **dict.fromkeys(
        ("mask", "anonymize", "scrub", "gsub", "replace", "fingerprint", "hash", "obfuscate"),
        'write { redact = ["email", "card"] }, or its `patterns`',
    ),
    **dict.fromkeys(
        ("ratelimit", "rate_limit", "limit", "limiter"), 'write { throttle = "100/s" }'
    ),
    **dict.fromkeys(("dedup", "unique", "deduplicate", "suppress"), 'write { dedupe = "1m" }'),
    **dict.fromkeys(("sampling", "sampler", "probabilistic_sampler"), "write { sample = 0.1 }"),
    **dict.fromkeys(
        ("metrics", "metric", "log_to_metric", "logs_to_metrics", "counter", "inc"),
        'write { count = "name" }, or { observe = { … } } for a histogram',
    ),
    **dict.fromkeys(
        ("histogram", "summary", "timing"),
        'write { observe = { name = "…_seconds", value = "request_time" } }',
    ),
    **dict.fromkeys(
        ("enrich", "geoip", "translate", "enrichment"), "write { lookup = { file = … } }"
    ),
    **dict.fromkeys(("script", "lua", "ruby", "javascript", "exec"), "write { python = … }"),
    **dict.fromkeys(("severity", "loglevel", "log_level"), 'write { level = "auto" }'),
    **dict.fromkeys(
        ("route", "rewrite_tag", "switch", "tee", "copy", "clone"),
        'name another route in `to`, as "route:NAME"',
    ),
    **dict.fromkeys(("cut", "max_length", "truncate_fields"), 'write { truncate = "8KiB" }'),
    **dict.fromkeys(("explode", "unnest", "flatten"), 'write { split = "field" }'),
}

_TOP: Final[Mapping[str, str]] = {
    "inputs": _NO_SOURCE,
    "input": _NO_SOURCE,
    "docker": 'the Engine\'s address is [engine] url = "unix:///var/run/docker.sock"',
    "outputs": 'write [sinks.NAME], and its kind as type = "…"',
    "output": 'write [sinks.NAME], and its kind as type = "…"',
    **dict.fromkeys(
        ("transforms", "filters", "filter", "processors", "pipelines", "pipeline", "stages"),
        "stages belong to a route: [routes.NAME], stages = [ … ]",
    ),
    "service": "write [agent], [http] or [state]",
    "api": "write [http]",
    "data_dir": "write [state] directory = …",
    "global_tags": "write { set = { … } } in the stages of a route",
    "filebeat": _NO_SOURCE,
    "log": "write [logs]",
    "metrics": "write [stats]; the address of /metrics is [http] listen",
}
_HOSTS: Final = ("host", "hosts", "endpoint", "endpoints", "uri", "server")
_UNVERIFIED: Final = (
    "verify",
    "insecure",
    "insecure_skip_verify",
    "skip_verify",
    "verify_certificate",
    "verification_mode",
    "verify_hostname",
    "allow_insecure",
)
_ADDRESS: Final = ("address", "url", "urls", "servers", "listen", "path")
_PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "sinks": {
        "inputs": "a sink does not name what it gets: a route names its sinks in `to`",
        "stages": "stages belong to a route: [routes.NAME], stages = [ … ]",
        "containers": "which containers is said in a route: [routes.NAME], containers = …",
    },
    "routes": {
        **dict.fromkeys(("sinks", "sink", "outputs", "output"), 'write to = ["NAME"]'),
        **dict.fromkeys(
            ("source", "sources", "input", "inputs"), 'write from = ["logs"], "events" or "stats"'
        ),
        **dict.fromkeys(
            ("filter", "filters", "transforms", "processors", "pipeline", "stage"),
            "write stages = [ … ]",
        ),
        **dict.fromkeys(
            ("match", "where", "if", "when", "select", "container", "include", "only"),
            "write containers = 'name == \"web\"', an expression",
        ),
        **dict.fromkeys(
            ("keep", "drop", "parse", "join", "level", "redact", "set", "sample", "throttle"),
            "this is a stage: put it into stages = [ { … } ]",
        ),
    },
    "engine": dict.fromkeys(
        ("host", "socket", "endpoint", "docker_host", "docker_endpoint"),
        'write url = "unix:///var/run/docker.sock"',
    ),
    "logs": dict.fromkeys(
        ("exclude", "include", "ignore", "exclude_containers", "include_containers", "filter"),
        "write containers = 'not name.startswith(\"test-\")', an expression",
    ),
    "stats": {"interval": 'write every = "10s"', "enabled": 'write every = "off"'},
    "http": dict.fromkeys(("port", "address", "host", "bind"), 'write listen = "127.0.0.1:9114"'),
    "state": dict.fromkeys(("path", "dir", "data_dir", "folder"), "write directory = …"),
}


def of_sink(name: str) -> str:
    """What to write for a sink type of another tool; empty if the word is not known."""
    return _SINKS.get(_look(name), "")


def of_source(name: str) -> str:
    """What to write for a source type of another tool; empty if the word is not known."""
    return _SOURCES.get(_look(name), "")


def of_stage(name: str, formats: Collection[str] = ()) -> str:
    """What to write for a stage that other tools have; empty if the word is not known.

    `formats` are those that the stage `parse` reads: they are stages elsewhere.
    """
    if name in formats:
        return f'write {{ parse = "{name}" }}'
    return _STAGES.get(_look(name), "")


def of_key(key: str, path: Path, known: Collection[str]) -> str:
    """What to write for a key or table at `path` that is not one of the `known` there.

    Empty if the word is not known either.
    """
    if not path:
        return _TOP.get(_look(key), "")
    if path[0] == "sinks" and path[2:] == ("tls",) and _look(key) in _UNVERIFIED:
        return "certificates are always verified; `ca` is the authority to trust"
    if len(path) > 2:
        return ""
    if path[0] == "sinks" and _look(key) in _HOSTS:
        where = next((one for one in _ADDRESS if one in known), "")
        return f"the address is written in `{where}`" if where else ""
    if path[0] == "sinks" and _look(key) == "port":
        where = next((one for one in _ADDRESS if one in known), "")
        return f'the port stands in `{where}`, such as "host:1234"' if where == "address" else ""
    return _PLACES.get(str(path[0]), {}).get(_look(key), "")


def _look(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
