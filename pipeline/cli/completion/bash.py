"""The completion for bash, 4.4 or newer; it needs no bash-completion.

In the script `_dockline_value` says what an option takes, and `_dockline_command` which options and
argument a command has. Both only set variables of their caller, so a key press starts no process.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.cli.completion.commands import Command, Option, Program, Value
from pipeline.cli.completion.names import CONTAINERS, addresses, names
from pipeline.config.files import DEFAULT_FILE

_SCRIPT = """\
# Completion of dockline for bash. Made by `dockline completion bash`.

_dockline_value() { # COMMAND OPTION: sets value
    case "$1 $2" in
@VALUES@
        *) value= ;;
    esac
}

_dockline_command() { # COMMAND: sets options and argument
    case "$1" in
@COMMANDS@
        *) options= argument= ;;
    esac
}

_dockline_names() { # TABLE FILE...
    local table=$1 file files=()
    for file in "${@:2}"; do
        file=${file/#\\~\\//$HOME/}
        if [[ -d $file ]]; then
            files+=("$file"/*.toml)
        else
            files+=("$file")
        fi
    done
    @NAMES@
}

_dockline() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local config=() command= value= options= argument= many= word i
    COMPREPLY=()
    if [[ $current == "=" ]]; then
        current=
    elif [[ $previous == "=" ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        _dockline_value "$command" "$word"
        if [[ $value == many* ]]; then
            many=${value#many }
        elif [[ $value ]]; then
            i=$((i + 1))
            [[ ${COMP_WORDS[i]} == "=" ]] && i=$((i + 1))
            [[ $word == -c || $word == --config ]] && config+=("${COMP_WORDS[i]//[\\"\\']/}")
        elif [[ $word != -* && -z $command ]]; then
            command=$word
            _dockline_command "$command"
        elif [[ $word != -* && $argument != many* ]]; then
            argument=
        fi
    done
    [[ $command ]] || _dockline_command ""
    _dockline_value "$command" "$previous"
    [[ $value == many* ]] && value= # an option may follow it, too
    if [[ -z $value && $current == -* ]]; then
        value="choices $options"
    fi
    value=${value:-${many:-$argument}}
    value=${value#many }
    case $value in
        choices*) value=${value#choices } ;;
        addresses)
            compopt -o nospace 2>/dev/null
            value='@ADDRESSES@'
            ;;
        files)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        routes | sinks)
            [[ ${config[*]} ]] || config=("${DOCKLINE_CONFIG:-@DEFAULT@}")
            value=$(_dockline_names "$value" "${config[@]}")
            ;;
        containers) value=$(@CONTAINERS@) ;;
        *) return ;;
    esac
    local IFS=$' \\t\\n'
    mapfile -t COMPREPLY < <(compgen -W "$value" -- "$current")
}

complete -F _dockline dockline
"""


def script(program: Program) -> str:
    """The whole script, to be sourced. `program` is what `commands.program` made of the parser."""
    filled = {
        "VALUES": _values(program),
        "COMMANDS": _commands(program),
        "NAMES": names("$table", '"${files[@]}"'),
        "ADDRESSES": " ".join(addresses(program)),
        "CONTAINERS": CONTAINERS,
        "DEFAULT": str(DEFAULT_FILE),
    }
    text = _SCRIPT
    for name, part in filled.items():
        text = text.replace(f"@{name}@", part)
    return text


def _values(program: Program) -> str:
    """A case for each kind of value. The program's own options are valid after any command."""
    of_all = {name for option in program.options for name in option.names}
    patterns: dict[str, list[str]] = {}
    for option, name in _named(program.options):
        patterns.setdefault(_said(option.value), []).append(f'*" {name}"')
    for command in program.commands:
        for option, name in _named(command.options):
            if name not in of_all:
                patterns.setdefault(_said(option.value), []).append(f'"{command.name} {name}"')
    patterns.pop("", None)
    return "\n".join(
        f'        {" | ".join(where)}) value="{value}" ;;' for value, where in patterns.items()
    )


def _named(options: Iterable[Option]) -> Iterable[tuple[Option, str]]:
    return ((option, name) for option in options for name in option.names)


def _said(value: Value | None) -> str:
    if value is None:
        return ""
    if value.kind == "choices":
        return f"choices {' '.join(value.choices)}"
    return f"many {value.kind}" if value.many else value.kind


def _commands(program: Program) -> str:
    choices = Value("choices", "COMMAND", tuple(one.name for one in program.commands))
    whole = Command("", "", program.options, choices)
    return "\n".join(
        f'        "{one.name}")\n'
        f'            options="{" ".join(name for _, name in _named(one.options))}"\n'
        f'            argument="{_said(one.argument)}"\n'
        "            ;;"
        for one in (whole, *program.commands)
    )
