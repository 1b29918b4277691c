"""How to call sbatch, from a file in the language of Kaldi's conf/slurm.conf."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firered.errors import OptionError

_SETTING = re.compile(r"(\w+)=(\S+)\s*(.*)")


@dataclass(frozen=True)
class SlurmConfig:
    """The command that submits jobs, and its options for each option of the launcher.

    Lines are `command WORDS`, `option NAME=VALUE WORDS` (VALUE `*` is any other value, `$0` in the words stands for it)
    and `default NAME=VALUE`, what is taken where NAME is not given. `#` begins a comment.
    """

    path: Path
    command: list[str]
    options: Mapping[tuple[str, str], list[str]]
    defaults: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> "SlurmConfig":
        """The settings of a file.

        Raises:
            OptionError: it cannot be read, or has no command; or a line has another form: names file and line.
        """
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"--config {path}: cannot be read: {error}") from error
        command, options, defaults = [], {}, {}
        for number, line in enumerate(lines, start=1):
            kind, rest, *_ = [*line.partition("#")[0].split(maxsplit=1), "", ""]
            setting = _SETTING.fullmatch(rest.strip())
            try:
                if kind == "command" and rest:
                    command = shlex.split(rest)
                elif kind == "option" and setting:
                    options[setting[1], setting[2]] = shlex.split(setting[3])
                elif kind == "default" and setting and not setting[3]:
                    defaults[setting[1]] = setting[2]
                elif kind:
                    raise ValueError("not 'command WORDS', 'option NAME=VALUE WORDS' or 'default NAME=VALUE'")
            except ValueError as error:
                raise OptionError(f"{path}:{number}: {error}: {line.strip()}") from error
        if not command:
            raise OptionError(f"{path}: no line 'command sbatch ...'")
        return cls(path, command, options, defaults)

    def sbatch_options(self, given: Mapping[str, str]) -> list[str]:
        """The options of sbatch for the launcher's options, which are named as in the file: `num_threads`.

        Raises:
            OptionError: the file has no line for one of them.
        """
        return [word for name, value in {**self.defaults, **given}.items() for word in self._words(name, value)]

    def _words(self, name: str, value: str) -> list[str]:
        words = self.options.get((name, value), self.options.get((name, "*")))
        if words is None:
            known = ", ".join(dict.fromkeys(known for known, _ in self.options))
            raise OptionError(f"option {name}={value} is not described in {self.path}, which has {known}")
        return [word.replace("$0", value) for word in words]
