"""The completion for zsh: a call of `_arguments` for each command."""

from __future__ import annotations

from pipeline.cli.completion.commands import Command, Option, Program, Value
from pipeline.cli.completion.names import CONTAINERS, addresses, names
from pipeline.config.files import DEFAULT_FILE

_SCRIPT = """\
#compdef dockline
# Completion of dockline for zsh. Made by `dockline completion zsh`.

_dockline_names() { # TABLE
    local file i
    local -a files found
    for ((i = 1; i < $#dockline_words; i++)); do
        case $dockline_words[i] in
            -c | --config) files+=(${(Q)dockline_words[i+1]}) ;;
            --config=*) files+=(${(Q)${dockline_words[i]#--config=}}) ;;
        esac
    done
    (($#files)) || files=(${DOCKLINE_CONFIG:-@DEFAULT@})
    for ((i = 1; i <= $#files; i++)); do
        file=${files[i]/#\\~\\//$HOME/}
        if [[ -d $file ]]; then
            found+=($file/*.toml(N))
        else
            found+=($file)
        fi
    done
    files=($found)
    found=(${(f)"$(@NAMES@)"})
    compadd -a found
}

_dockline_routes() { _dockline_names routes }

_dockline_sinks() { _dockline_names sinks }

_dockline_containers() {
    local -a found
    found=(${(f)"$(@CONTAINERS@)"})
    compadd -a found
}

_dockline_addresses() { compadd -S '' -- @ADDRESSES@ }

_dockline_commands() {
    local -a commands
    commands=(
@COMMANDS@
    )
    _describe command commands
}

_dockline() {
    local curcontext=$curcontext context state state_descr line
    local -a dockline_words
    typeset -A opt_args
    dockline_words=($words)
    _arguments -C -A '-*' \\
@OPTIONS@
        '1: :_dockline_commands' \\
        '*:: :->arguments' && return
    [[ $state == arguments ]] || return 1
    case $line[1] in
@ARGUMENTS@
    esac
}

if [[ $funcstack[1] == _dockline ]]; then
    _dockline "$@"
else
    compdef _dockline dockline
fi
"""


def script(program: Program) -> str:
    """The whole script, for a file in `$fpath`. `program` is what `commands.program` made."""
    commands = (f"{one.name}:{one.help}" for one in program.commands)
    filled = {
        "DEFAULT": str(DEFAULT_FILE),
        "NAMES": names("$1", "$files"),
        "ADDRESSES": " ".join(addresses(program)),
        "CONTAINERS": CONTAINERS,
        "COMMANDS": "\n".join(f"        {_quoted(one)}" for one in commands),
        "OPTIONS": "\n".join(f"        {_option(one)} \\" for one in program.options),
        "ARGUMENTS": "\n".join(map(_arguments, program.commands)),
    }
    text = _SCRIPT
    for name, part in filled.items():
        text = text.replace(f"@{name}@", part)
    return text


def _arguments(command: Command) -> str:
    takes = [_option(option) for option in command.options]
    if command.argument is not None:
        place = "*" if command.argument.many else "1"
        takes.append(_quoted(f"{place}:{_value(command.argument)}"))
    lines = " \\\n                ".join(takes)
    start = f"        {command.name})\n            _arguments \\\n"
    return f"{start}                {lines}\n            ;;"


def _option(option: Option) -> str:
    """One argument of `_arguments`: `'(-c --config)'{-c,--config}'[help]:FILE:_files'`."""
    words = option.help
    for character in "\\[]:":
        words = words.replace(character, f"\\{character}")
    rest = f"[{words}]"
    if option.value is not None:
        rest += f":*:{_value(option.value)}" if option.value.many else f":{_value(option.value)}"
    joined = option.value is not None and not option.value.many
    names = [f"{name}=" if joined and name.startswith("--") else name for name in option.names]
    if option.repeated:
        return " ".join(_quoted(f"*{name}{rest}") for name in names)
    if len(names) == 1:
        return _quoted(f"{names[0]}{rest}")
    return f"'({' '.join(option.names)})'{{{','.join(names)}}}{_quoted(rest)}"


def _value(value: Value) -> str:
    known = {"files": "_files", "choices": f"({' '.join(value.choices)})", "text": " "}
    return f"{value.name}:{known.get(value.kind, f'_dockline_{value.kind}')}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
