"""A terminal in memory: what stands on it after a program has written to it. The few controls that captions use."""

import re

from firered.text.width import columns

_CONTROL = re.compile(r"\x1b\[(\d*)([A-Za-z])")


class Terminal:
    """Of so many columns and lines; `scrolled` are the lines that have left it at the top.

    A character that does not fit begins the next line; a line break goes to the beginning of the next one, as the
    terminal's driver makes it.
    """

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.lines, self.dim = [{}], [set()]  # a line's characters by column, and the columns that are dim
        self.row = self.column = 0
        self.scrolled, self._dim = [], False

    def write(self, text):
        at = 0
        while at < len(text):
            control = _CONTROL.match(text, at)
            if control:
                self._control(control[1], control[2])
                at = control.end()
                continue
            self._character(text[at])
            at += 1

    def flush(self):
        """As a file has it."""

    encoding = "utf-8"

    def _control(self, number, name):
        if name == "A":
            assert int(number) <= self.row, "up beyond the top of the terminal"
            self.row -= int(number)
        elif name == "J":
            assert number == ""
            for line, dim in zip(self.lines[self.row : self.row + 1], self.dim[self.row : self.row + 1], strict=True):
                for column in [column for column in line if column >= self.column]:
                    del line[column]
                    dim.discard(column)
            del self.lines[self.row + 1 :], self.dim[self.row + 1 :]
        elif name == "m":
            self._dim = {"2": True, "22": False}[number]
        else:
            raise AssertionError(f"unknown control {name}")

    def _character(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        else:
            wide = columns(character)
            if not wide:  # it would stand on the character before it
                return
            if self.column + wide > self.width:
                self._down()
            self.lines[self.row][self.column] = character
            (self.dim[self.row].add if self._dim else self.dim[self.row].discard)(self.column)
            self.column += wide

    def _down(self):
        self.column = 0
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append({})
            self.dim.append(set())
        if len(self.lines) > self.height:
            self.scrolled.append(self._text(self.lines.pop(0)))
            self.dim.pop(0)
            self.row -= 1

    @staticmethod
    def _text(line):
        text, at = "", 0
        for column in sorted(line):
            text += " " * (column - at) + line[column]
            at = column + columns(line[column])
        return text

    def text(self):
        """All lines, with those that have left it."""
        return [*self.scrolled, *map(self._text, self.lines)]

    def dimmed(self):
        """The dim characters of each line that is on it."""
        return [
            "".join(line[c] for c in sorted(dim) if c in line) for line, dim in zip(self.lines, self.dim, strict=True)
        ]
