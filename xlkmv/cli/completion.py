"""Scripts by which shells complete commands and options: written once, so that no key waits for Python."""

from __future__ import annotations

import argparse

__all__ = ["SHELLS", "script", "words"]

# zsh reads the script of bash.
BASH = """_xlkmv() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    elif [[ "$word" == -* ]]; then
        case "${{COMP_WORDS[1]}}" in
{options}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -o bashdefault -F _xlkmv xlkmv"""
ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
POWERSHELL = """Register-ArgumentCompleter -Native -CommandName xlkmv -ScriptBlock {{
    param($word, $line, $place)
    $options = @{{
{options}
    }}
    $given = $line.CommandElements | ForEach-Object {{ $_.ToString() }}
    $first = $given.Count -lt 2 -or ($given.Count -eq 2 -and $word)
    $words = if ($first) {{ $options.Keys | Sort-Object }} elseif ($word -like '-*') {{ $options[$given[1]] }}
    $words | Where-Object {{ $_ -like "$word*" }} |
        ForEach-Object {{ [System.Management.Automation.CompletionResult]::new($_) }}
}}"""


def words(parser: argparse.ArgumentParser) -> dict[str, dict[str, str]]:
    """Commands of a parser, and the long options of each with their help.

    Parameters
    ----------
    parser : argparse.ArgumentParser

    Returns
    -------
    dict
    """
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {
        name: {
            option: (action.help or "").replace("%%", "%")
            for action in command._actions
            for option in action.option_strings
            if option.startswith("--")
        }
        for name, command in commands.choices.items()
    }


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Write the script of a shell.

    Parameters
    ----------
    shell : str
        One of :data:`SHELLS`.
    parser : argparse.ArgumentParser

    Returns
    -------
    str
    """
    return SHELLS[shell](words(parser))


def _bash(found: dict[str, dict[str, str]]) -> str:
    options = "\n".join(f'            {name}) words="{" ".join(known)}" ;;' for name, known in found.items())
    return BASH.format(commands=" ".join(found), options=options)


def _zsh(found: dict[str, dict[str, str]]) -> str:
    return ZSH + _bash(found)


def _fish(found: dict[str, dict[str, str]]) -> str:
    lines = [f"complete -c xlkmv -n __fish_use_subcommand -f -a {name}" for name in found]
    for name, known in found.items():
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        lines += [
            f"complete -c xlkmv {seen} -l {option[2:]} -d {_quoted(text)}" for option, text in known.items()
        ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _powershell(found: dict[str, dict[str, str]]) -> str:
    options = "\n".join(
        f"        '{name}' = @({', '.join(repr(option) for option in known)})"
        for name, known in found.items()
    )
    return POWERSHELL.format(options=options)


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}
