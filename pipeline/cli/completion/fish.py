"""The completion for fish: one `complete` line for each command, option and value."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.cli.completion.commands import Option, Program, Value
from pipeline.cli.completion.names import CONTAINERS, names
from pipeline.config.files import DEFAULT_FILE

_FUNCTIONS = """\
# Completion of dockline for fish. Made by `dockline completion fish`.

function __dockline_command # NAME: whether this command is on the line; '' for none
    set -l before ''
    set -l words (commandline -opc)
    for word in $words[2..]
        if not contains -- "$before" -c --config; and not string match -q -- '-*' $word
            test "$word" = "$argv[1]"
            return
        end
        set before $word
    end
    test -z "$argv[1]"
end

function __dockline_names # TABLE
    set -l named
    set -l before ''
    for word in (commandline -opc)
        contains -- "$before" -c --config; and set -a named $word
        string match -q -- '--config=*' $word
        and set -a named (string replace -- --config= '' $word)
        set before $word
    end
    set -q named[1]; or set named $DOCKLINE_CONFIG
    set -q named[1]; or set named @DEFAULT@
    set -l files
    for file in (string replace -r '^~/' "$HOME/" -- $named)
        if test -d $file
            set -a files $file/*.toml
        else
            set -a files $file
        end
    end
    @NAMES@
end

complete -c dockline -f
"""

_KINDS = {
    "files": "-F",
    "routes": "-x -a '(__dockline_names routes)'",
    "sinks": "-x -a '(__dockline_names sinks)'",
    "containers": f'-x -a "({CONTAINERS})"',
    "text": "-x",
}


def script(program: Program) -> str:
    """The whole script, to be sourced. `program` is what `commands.program` made of the parser."""
    text = _FUNCTIONS.replace("@DEFAULT@", str(DEFAULT_FILE))
    text = text.replace("@NAMES@", names("$argv[1]", "$files"))
    return text + "".join(f"complete -c dockline {line}\n" for line in _lines(program))


def _lines(program: Program) -> Iterator[str]:
    outside = "-n '__dockline_command \"\"'"
    for option in program.options:
        yield f"{'' if option.value else f'{outside} '}{_option(option)}"
    of_all = {option.names for option in program.options if option.value}
    for command in program.commands:
        yield f"{outside} -a {command.name} -d {_quoted(command.help)}"
        inside = f"-n '__dockline_command {command.name}'"
        for option in command.options:
            if option.names not in of_all:
                yield f"{inside} {_option(option)}"
            if option.value and option.value.many:
                yield f"{inside} {_value(option.value)}"
        if command.argument:
            yield f"{inside} {_value(command.argument)}"


def _option(option: Option) -> str:
    names = (
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    value = f" -r {_value(option.value)}" if option.value else ""
    return f"{' '.join(names)}{value} -d {_quoted(option.help)}"


def _value(value: Value) -> str:
    if value.kind in ("choices", "addresses"):
        return f"-x -a {_quoted(' '.join(value.choices))}"
    return _KINDS[value.kind]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
