"""The sample containers: three shell scripts in an image of nothing but busybox."""

from __future__ import annotations

from pathlib import Path

from pipeline.testing.docker_client import DockerClient

LABEL = "dockline-demo"
"""On every container of ours, so that one demo also removes what a killed one left."""

IMAGE = "dockline-demo:latest"
PREFIX = "dockline-demo-"
_SCRIPTS = Path(__file__).parent / "image"


def start(client: DockerClient) -> list[str]:
    """Builds the image and starts a container for each script, on no network at all. Returns their
    names."""
    remove(client)
    scripts = sorted(_SCRIPTS.iterdir())
    client.import_busybox(IMAGE, {f"/demo/{path.name}": path.read_bytes() for path in scripts})
    for path in scripts:
        client.docker(
            *("run", "--detach", "--name", PREFIX + path.name, "--network", "none"),
            *("--label", f"{LABEL}=true", "--memory", "64m", IMAGE, f"/demo/{path.name}"),
        )
    return [PREFIX + path.name for path in scripts]


def remove(client: DockerClient) -> None:
    """Removes our containers and their image, if there are any."""
    ours = client.docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    if ours:
        client.docker("rm", "--force", *ours)
    if images := client.docker("images", "--quiet", IMAGE).split():
        client.docker("rmi", *images)
