"""Which Engine is meant: the same one as `docker` would talk to, or one clear sentence why not."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pipeline.model.component import TLSConfig
from pipeline.model.errors import EngineError
from pipeline.sources.docker.engine.endpoint import resolve
from tests.servers.certificates import Authority, authority

__all__ = ["authority"]

TCP = "tcp://127.0.0.1:2376"
Context = Callable[..., Mapping[str, str]]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Runs `docker context ARGUMENTS` in a folder of its own; gives the environment for it."""
    if not shutil.which("docker"):
        pytest.skip("there is no `docker` command: install docker-cli")
    environ = {"DOCKER_CONFIG": str(tmp_path / "docker")}

    def run(*arguments: str) -> Mapping[str, str]:
        command = ["docker", "context", *arguments]
        subprocess.run(
            command, env={"PATH": os.environ["PATH"]} | environ, check=True, capture_output=True
        )
        return environ

    return run


@pytest.fixture
def listening() -> Iterator[Callable[[Path], Path]]:
    """Makes a unix socket at a path, with its folders."""
    sockets = []

    def listen(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        peer = socket.socket(socket.AF_UNIX)
        sockets.append(peer)
        peer.bind(str(path))
        return path

    yield listen
    for peer in sockets:
        peer.close()


@pytest.fixture
def certificates(authority: Authority, tmp_path: Path) -> Path:
    """A folder as `DOCKER_CERT_PATH` has it."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    client = authority.issue("client")
    shutil.copy(authority.ca, folder / "ca.pem")
    shutil.copy(client.cert, folder / "cert.pem")
    shutil.copy(client.key, folder / "key.pem")
    return folder


def wrong(url: str | None, environ: Mapping[str, str], tls: TLSConfig | None = None) -> str:
    """The sentence that it is refused with, for good."""
    with pytest.raises(EngineError) as caught:
        resolve(url, tls, environ)
    assert caught.value.permanent
    return str(caught.value)


# ------------------------------------------------------------------------------ whose word


@pytest.mark.server
def test_the_configuration_comes_before_everything_else(context: Context) -> None:
    context("create", "prod", "--docker", "host=tcp://10.0.0.3:2375")
    environ = {**context("use", "prod"), "DOCKER_HOST": "tcp://10.0.0.2:2375"}
    found = resolve("tcp://10.0.0.1:2375", None, environ)
    assert (found.host, found.origin) == ("10.0.0.1", "the configuration")


@pytest.mark.server
def test_docker_host_comes_before_every_context(context: Context) -> None:
    context("create", "prod", "--docker", "host=tcp://10.0.0.3:2375")
    environ = context("use", "prod")
    both = {**environ, "DOCKER_HOST": "unix:///run/other.sock", "DOCKER_CONTEXT": "prod"}
    found = resolve(None, None, both)
    assert (found.path, found.origin) == ("/run/other.sock", "DOCKER_HOST")


@pytest.mark.server
def test_docker_context_comes_before_the_current_one(context: Context) -> None:
    context("create", "prod", "--docker", "host=tcp://10.0.0.3:2375")
    context("create", "test", "--docker", "host=unix:///run/test.sock")
    environ = context("use", "prod")
    found = resolve(None, None, environ)
    assert (found.host, found.origin) == ("10.0.0.3", 'the Docker context "prod"')
    found = resolve(None, None, {**environ, "DOCKER_CONTEXT": "test"})
    assert (found.path, found.origin) == ("/run/test.sock", 'the Docker context "test"')


@pytest.mark.server
def test_the_default_context_is_the_usual_sockets(context: Context) -> None:
    context("create", "prod", "--docker", "host=tcp://10.0.0.3:2375")
    environ = context("use", "prod")
    found = resolve(None, None, {**environ, "DOCKER_CONTEXT": "default"})
    assert found.origin == "the usual places"
    assert resolve(None, None, context("use", "default")).origin == "the usual places"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"currentContext": ""}', '{"currentContext": "default"}', "\xff"]
)
def test_a_configuration_of_the_cli_that_names_no_context_is_passed_over(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "config.json").write_text(content, encoding="latin-1")
    assert resolve(None, None, {"DOCKER_CONFIG": str(tmp_path)}).origin == "the usual places"


@pytest.mark.server
def test_the_folder_of_the_cli_is_in_the_home_folder(tmp_path: Path, context: Context) -> None:
    context("create", "prod", "--docker", "host=tcp://10.0.0.3:2375")
    context("use", "prod")
    (tmp_path / "docker").rename(tmp_path / ".docker")
    assert resolve(None, None, {"HOME": str(tmp_path)}).host == "10.0.0.3"


# -------------------------------------------------------------------------- the usual places


@pytest.fixture
def no_system_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this machine had no Engine of its own."""
    original = os.stat

    def stat(path: object, *args: object, **options: object) -> os.stat_result:
        if str(path).startswith(("/var/run/", "/run/")):
            raise FileNotFoundError(path)
        return original(path, *args, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "stat", stat)


@pytest.mark.usefixtures("no_system_sockets")
def test_without_any_socket_the_usual_one_is_named() -> None:
    assert resolve(None, None, {}).url == "unix:///var/run/docker.sock"


@pytest.mark.usefixtures("no_system_sockets")
def test_a_rootless_engine_comes_before_a_rootless_podman_and_docker_desktop(
    tmp_path: Path, listening: Callable[[Path], Path]
) -> None:
    environ = {"XDG_RUNTIME_DIR": f"{tmp_path}/run", "HOME": str(tmp_path)}
    for name in (".docker/run/docker.sock", "run/podman/podman.sock", "run/docker.sock"):
        path = listening(tmp_path / name)
        assert resolve(None, None, environ).path == str(path)


@pytest.mark.usefixtures("no_system_sockets")
def test_a_file_or_a_folder_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").mkdir()
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman/podman.sock").touch()
    found = resolve(None, None, {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert found.path == "/var/run/docker.sock"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_is_closed_to_us_is_passed_over(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.seteuid(65534)
    try:
        found = resolve(None, None, {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)})
    finally:
        os.seteuid(0)
    assert found.origin == "the usual places"


# --------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("url", "host", "port", "base"),
    [
        ("tcp://10.0.0.1:1234", "10.0.0.1", 1234, "http://10.0.0.1:1234"),
        ("tcp://engine.example.com", "engine.example.com", 2375, "http://engine.example.com:2375"),
        ("tcp://docker_proxy:2375/", "docker_proxy", 2375, "http://docker_proxy:2375"),
        ("tcp://[::1]:1234", "::1", 1234, "http://[::1]:1234"),
        ("http://127.0.0.1", "127.0.0.1", 2375, "http://127.0.0.1:2375"),
        ("localhost:1234", "localhost", 1234, "http://localhost:1234"),
        ("https://engine.example.com", "engine.example.com", 2376,
         "https://engine.example.com:2376"),
    ],
)  # fmt: skip
def test_an_address_of_tcp(url: str, host: str, port: int, base: str) -> None:
    found = resolve(url, None, {})
    assert (found.host, found.port, found.path, found.base) == (host, port, "", base)
    assert bool(found.ssl) == url.startswith("https")


def test_a_socket_is_a_path_of_any_characters() -> None:
    found = resolve("unix:///run/my %20#?dir/docker.sock", None, {})
    assert (found.path, found.base) == ("/run/my %20#?dir/docker.sock", "http://docker")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("npipe:////./pipe/docker_engine", "not by npipe://"),
        ("fd://", "not by fd://"),
        ("unix://", "names no socket; write it like unix:///var/run/docker.sock"),
        ("unix://run/docker.sock", "names no socket"),
        ("/var/run/docker.sock", "a socket is written unix:///var/run/docker.sock"),
        ("tcp://host:port", "is not an address"),
        ("tcp://host:", "is not an address"),
        ("tcp://host:99999", "there is no port 99999"),
        ("tcp://host:0", "there is no port 0"),
        ("tcp://:2375", "is not an address"),
        ("tcp://", "is not an address"),
        ("tcp://[::1", "is not an address"),
        ("tcp://::1:2375", "is not an address"),
        ("tcp://host:2375/base", "is not an address"),
        (" ", "is not an address"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_with_its_origin(url: str, sentence: str) -> None:
    assert sentence in wrong(url, {})
    said = wrong(None, {"DOCKER_HOST": url})
    assert sentence in said
    assert f'"{url}"' in said or "there is no port" in said
    assert "DOCKER_HOST" in said


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ssh://me:s3cr3t@host", "the Engine is reached by unix://, tcp:// or https://, not by ss"),
        ("tcp://me:s3cr3t@host:2375", "no user and no password: leave out all up to the @"),
        ("me:s3cr3t@host", "no user and no password"),
    ],
)
def test_who_stands_in_an_address_is_not_shown(url: str, sentence: str) -> None:
    said = wrong(None, {"DOCKER_HOST": url})
    assert sentence in said
    assert "s3cr3t" not in said


# ----------------------------------------------------------------------------------- contexts


def test_a_context_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = wrong(None, {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "prod"})
    assert said.startswith('the Docker context "prod" cannot be read (FileNotFoundError')
    assert said.endswith("see `docker context ls`, or set DOCKER_HOST")


@pytest.mark.server
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"Endpoints": {"kubernetes": {}}}'])
def test_a_context_that_names_no_engine_is_refused(
    tmp_path: Path, context: Context, content: str
) -> None:
    environ = context("create", "prod", "--docker", "host=tcp://10.0.0.3:2375")
    (meta,) = tmp_path.rglob("meta.json")
    meta.write_text(content)
    assert '"prod" cannot be read' in wrong(None, {**environ, "DOCKER_CONTEXT": "prod"})


@pytest.mark.server
def test_a_context_over_ssh_is_refused_by_its_name(context: Context) -> None:
    environ = context("create", "far", "--docker", "host=ssh://me@far")
    said = wrong(None, {**environ, "DOCKER_CONTEXT": "far"})
    assert '"ssh://***@far" (from the Docker context "far") cannot be used' in said


@pytest.mark.server
def test_a_contexts_certificates_are_used(context: Context, certificates: Path) -> None:
    files = ",".join(f"{name}={certificates}/{name}.pem" for name in ("ca", "cert", "key"))
    environ = context("create", "prod", "--docker", f"host=tcp://10.0.0.3:2376,{files}")
    found = resolve(None, None, {**environ, "DOCKER_CONTEXT": "prod"})
    assert found.base == "https://10.0.0.3:2376"
    assert found.ssl
    assert found.ssl.verify_mode == ssl.CERT_REQUIRED
    assert found.ssl.check_hostname
    assert [one["subject"] for one in found.ssl.get_ca_certs()] == [
        ((("commonName", "Test Authority"),),)
    ]


@pytest.mark.server
def test_a_context_may_do_without_verification(context: Context) -> None:
    """With no certificates at all it is TLS all the same, as for the CLI."""
    environ = context("create", "lab", "--docker", "host=tcp://10.0.0.3,skip-tls-verify=true")
    found = resolve(None, None, {**environ, "DOCKER_CONTEXT": "lab"})
    assert found.base == "https://10.0.0.3:2376"
    assert found.ssl
    assert found.ssl.verify_mode == ssl.CERT_NONE


@pytest.mark.server
def test_a_context_without_certificates_is_plain_tcp(context: Context) -> None:
    environ = context("create", "lab", "--docker", "host=tcp://10.0.0.3")
    found = resolve(None, None, {**environ, "DOCKER_CONTEXT": "lab"})
    assert (found.base, found.ssl) == ("http://10.0.0.3:2375", None)


# ---------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize("value", ["1", "0", "false", "yes"])
def test_docker_tls_verify_set_to_anything_turns_tls_on(certificates: Path, value: str) -> None:
    environ = {
        "DOCKER_HOST": "tcp://10.0.0.1",
        "DOCKER_TLS_VERIFY": value,
        "DOCKER_CERT_PATH": str(certificates),
    }
    found = resolve(None, None, environ)
    assert found.base == "https://10.0.0.1:2376"
    assert found.ssl
    assert found.ssl.verify_mode == ssl.CERT_REQUIRED


def test_docker_tls_verify_set_to_nothing_leaves_it_off(certificates: Path) -> None:
    environ = {"DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": str(certificates)}
    assert resolve(TCP, None, environ).ssl is None


def test_docker_tls_verify_means_the_configured_address_too(certificates: Path) -> None:
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    assert resolve(TCP, None, environ).ssl


def test_docker_tls_verify_means_no_socket() -> None:
    environ = {"DOCKER_HOST": "unix:///run/docker.sock", "DOCKER_TLS_VERIFY": "1"}
    assert resolve(None, None, environ).base == "http://docker"


def test_the_usual_folder_of_certificates_is_that_of_the_cli(certificates: Path) -> None:
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CONFIG": str(certificates)}
    assert resolve(TCP, None, environ).ssl
    certificates.rename(certificates.parent / ".docker")
    environ = {"DOCKER_TLS_VERIFY": "1", "HOME": str(certificates.parent)}
    assert resolve(TCP, None, environ).ssl


def test_an_authority_alone_is_enough(certificates: Path) -> None:
    (certificates / "cert.pem").unlink()
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    assert resolve(TCP, None, environ).ssl


def test_a_missing_authority_is_named(tmp_path: Path) -> None:
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    assert wrong(TCP, environ) == (
        f"DOCKER_TLS_VERIFY is set, but there is no ca.pem in {tmp_path}: set DOCKER_CERT_PATH"
    )


def test_a_key_that_belongs_to_another_certificate_is_refused(
    authority: Authority, certificates: Path
) -> None:
    shutil.copy(authority.issue("other").key, certificates / "key.pem")
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    said = wrong(TCP, environ)
    assert said.startswith(f'"{TCP}" (from the configuration) cannot be reached over TLS')
    assert f"{certificates}/key.pem" in said


@pytest.mark.server
def test_an_encrypted_key_is_an_error_and_no_prompt(certificates: Path) -> None:
    command = ["openssl", "ec", "-in", "key.pem", "-aes256", "-passout", "pass:x", "-out"]
    subprocess.run([*command, "new.pem"], cwd=certificates, check=True, capture_output=True)
    (certificates / "new.pem").rename(certificates / "key.pem")
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    assert "unencrypted" in wrong(TCP, environ)


def test_the_configured_tls_comes_before_that_of_the_environment(
    certificates: Path, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "Other Authority")
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    found = resolve(TCP, TLSConfig(ca=other.ca, server_name="engine"), environ)
    assert found.ssl
    assert "Other Authority" in str(found.ssl.get_ca_certs())
    assert found.server_name == "engine"


@pytest.mark.server
def test_the_configured_tls_verifies_even_where_a_context_would_not(context: Context) -> None:
    environ = context("create", "lab", "--docker", "host=tcp://10.0.0.3,skip-tls-verify=true")
    found = resolve(None, TLSConfig(), {**environ, "DOCKER_CONTEXT": "lab"})
    assert found.ssl
    assert found.ssl.verify_mode == ssl.CERT_REQUIRED


def test_configured_tls_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    assert f"there is no file {tmp_path}/ca.pem" in wrong(
        TCP, {}, TLSConfig(ca=f"{tmp_path}/ca.pem")
    )
    assert "has no meaning without its certificate" in wrong(TCP, {}, TLSConfig(key="key.pem"))
    said = wrong("unix:///run/docker.sock", {}, TLSConfig())
    assert said.endswith("is a socket of this host, so [engine] tls has no meaning")
