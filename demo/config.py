"""The configuration of one run: `demo/dockline.toml` with the addresses of this run."""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).with_name("dockline.toml")

ONLY_OURS = "containers = 'name.startswith(\"dockline-demo-\")'"
STATE = 'directory = "/tmp/dockline-demo/state"'
LISTEN = 'listen = "127.0.0.1:9114"'
STORE = 'url = "http://127.0.0.1:9115/"'


def configuration(
    *, engine: str, state: Path, listen: str, store: str, everything: bool = False
) -> str:
    """The text of the file. `everything`: follow all containers, not only the demo's own."""
    text = PATH.read_text()
    changes = {
        STATE: f'directory = "{state}"',
        LISTEN: f'listen = "{listen}"',
        STORE: f'url = "{store}"',
    }
    if everything:
        changes[ONLY_OURS] = ""
    for written, new in changes.items():
        assert text.count(written) == 1, written
        text = text.replace(written, new)
    head = "# demo/dockline.toml with the addresses of this run."
    return f'{head}\n\n[engine]\nurl = "{engine}"\n\n{text}'
